/**
 * The writer's list of readers in other threads. A reader is attached between two units (so the writer begins to use the
 * counters before the reader can look) and is told of new segments and generations through a port of its own, which it
 * drains by itself, also while it is busy. A reader whose thread ends, however it ends, is detached by its port closing.
 *
 * At the port of a handle that nobody has opened yet nothing may pile up, since what waits there is whole datasets: when the first thing
 * happens it is told that the handle is outdated, once. Who opens the handle says so, and finds either nothing, or that, and waits for the
 * generation of then.
 */
import { strict as assert } from 'node:assert'
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { ReplicaError } from '../errors.ts'
import { AccessMarks, type TakeMark } from './access-marks.ts'
import type { Generation, GenerationTransfer } from './generation.ts'
import type { Keyspace } from './keyspace.ts'

/** Marks of all readers that are taken at once: at some 0.15 µs each, with the misses of a lookup in it. */
const MARKS_AT_ONCE = 8192

/** What a worker thread needs to open a reader: send it with `port` in the transfer list. */
export interface ReaderHandle {
  /** Of the time it was made. Without segments once it was opened, as a handle may live as long as its thread. */
  readonly generation: GenerationTransfer
  readonly port: MessagePort
  /** Where it tells how keys are used (`AccessMarks`). */
  readonly marks: SharedArrayBuffer
}

/** What the writer tells its readers, in the order in which things became true. */
export type ReaderMessage =
  | { readonly kind: 'segment'; readonly region: number; readonly index: number; readonly segment: SharedArrayBuffer }
  | { readonly kind: 'generation'; readonly generation: GenerationTransfer }
  /** The generation of the handle is not that of now any more; that one comes when the writer hears that the handle was opened. */
  | { readonly kind: 'outdated' }
  /** The handle was taken back. */
  | { readonly kind: 'detached' }

/** What a reader tells the writer when it opens its handle. */
export const OPENED = 'opened'

/** A handle as the writer sees it. */
class AttachedReader {
  readonly port: MessagePort
  readonly marks = new AccessMarks()
  readonly #portOfHandle: MessagePort
  readonly #generationOfNow: () => GenerationTransfer
  #isOpen = false
  #isOutdated = false
  isTakenBack = false

  /**
   * @param portOfHandle the other end of `port`
   * @param generationOfNow as of what was told before, or with what is being told, which is told behind it in any case.
   */
  constructor(port: MessagePort, portOfHandle: MessagePort, generationOfNow: () => GenerationTransfer) {
    this.port = port
    this.#portOfHandle = portOfHandle
    this.#generationOfNow = generationOfNow
    port.on('message', () => this.#opened())
  }

  tell(message: ReaderMessage): void {
    this.listen()
    if (this.#isOpen) this.port.postMessage(message)
    else if (!this.#isOutdated) {
      this.#isOutdated = true
      this.port.postMessage({ kind: 'outdated' } satisfies ReaderMessage)
    }
  }

  /** Hears whether the handle was opened, without waiting for the event loop. */
  listen(): void {
    if (!this.#isOpen && receiveMessageOnPort(this.port) !== undefined) this.#opened()
  }

  get isOpen(): boolean {
    this.listen()
    return this.#isOpen
  }

  takeBack(): void {
    this.isTakenBack = true
    this.port.postMessage({ kind: 'detached' } satisfies ReaderMessage)
  }

  /** Behind `takeBack`. */
  close(): void {
    this.port.close()
    // One that was sent to no thread and not opened here hears of nothing, its end included, and would stay for ever.
    this.#portOfHandle.close()
  }

  #opened(): void {
    this.#isOpen = true
    if (this.#isOutdated) this.port.postMessage({ kind: 'generation', generation: this.#generationOfNow() })
    this.#isOutdated = false
  }
}

/** Of the handles made in this thread, as long as somebody has them. */
const attachedHere = new WeakMap<ReaderHandle, AttachedReader>()

/** Lets the writer hear that a handle was opened, if it is this thread's: who opens a handle there cannot wait for the writer. */
export function tellWriterHere(handle: ReaderHandle): void {
  attachedHere.get(handle)?.listen()
}

/** Was this handle taken back in this thread, which has made it? */
export function wasTakenBackHere(handle: ReaderHandle): boolean {
  return attachedHere.get(handle)?.isTakenBack === true
}

export class Readers {
  readonly #keyspace: Keyspace
  readonly #attached = new Set<AttachedReader>()
  readonly #takeMark: TakeMark
  #isClosed = false

  /** One per keyspace. */
  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.#takeMark = (order, tag, root, bits) => keyspace.markByHash(order, tag, root, bits)
    keyspace.generationListeners.push((generation) => {
      this.#watch(generation)
      this.#tell({ kind: 'generation', generation: generation.transfer() })
    })
    this.#watch(keyspace.generation)
  }

  get count(): number {
    return this.#attached.size
  }

  /**
   * Makes a handle for one reader. Call on the writer's thread, between two commands. It is given back by itself when the thread that it was
   * sent to ends, or when its reader is closed; `detach` is for one that could not be sent.
   * @throws ReplicaError NOT_READY when the server was stopped
   */
  attach(): ReaderHandle {
    if (this.#isClosed) throw new ReplicaError('NOT_READY', 'this server was stopped', { retryable: false })
    assert.ok(!this.#keyspace.counters.isOpen, 'readers are attached between two commands')
    const { port1, port2 } = new MessageChannel()
    const attached = new AttachedReader(port1, port2, () => this.#keyspace.generation.transfer())
    port1.once('close', () => this.#remove(attached))
    port1.unref()
    attached.marks.tell(this.#keyspace.access)
    this.#attached.add(attached)
    this.#keyspace.counters.active = true
    const handle = { generation: this.#keyspace.generation.transfer(), port: port2, marks: attached.marks.memory }
    attachedHere.set(handle, attached)
    return handle
  }

  /**
   * Takes a handle back: the very object that `attach` returned. Whoever has opened it, or does so later, gets NOT_READY. Harmless when
   * it is over. Call on the writer's thread, between two commands.
   */
  detach(handle: ReaderHandle): void {
    const attached = attachedHere.get(handle)
    if (attached === undefined || !this.#attached.has(attached)) return
    assert.ok(!this.#keyspace.counters.isOpen, 'readers are detached between two commands')
    this.#takeBack(attached)
  }

  /**
   * Takes in how readers used keys, and tells them the clock and the policy. Call it a few times a second and when the policy
   * changes, on the writer's thread, between two units; however many readers are busy, it takes about a millisecond at most.
   */
  exchangeMarks(): void {
    const share = Math.ceil(MARKS_AT_ONCE / Math.max(1, this.#attached.size))
    for (const { marks } of this.#attached) {
      marks.tell(this.#keyspace.access)
      marks.take(this.#takeMark, share)
    }
  }

  /**
   * Makes no more handles, and takes back those that nobody has opened. Readers that are open may be reading right now, and go on: they are told and counted for until
   * they end.
   */
  close(): void {
    this.#isClosed = true
    for (const attached of this.#attached) if (!attached.isOpen) this.#takeBack(attached)
  }

  #takeBack(attached: AttachedReader): void {
    attached.takeBack()
    // A reader that is under way looks at its port, as for new memory, before it looks at anything that is not told any more.
    this.#keyspace.generation.memoryChanged()
    attached.close()
    this.#remove(attached)
  }

  #remove(attached: AttachedReader): void {
    this.#attached.delete(attached)
    // Port events come between two commands, never inside a unit.
    if (this.#attached.size === 0) this.#keyspace.counters.stop()
  }

  #watch(generation: Generation): void {
    generation.segmentListeners.push((region, index, segment) =>
      this.#tell({ kind: 'segment', region, index, segment }),
    )
  }

  #tell(message: ReaderMessage): void {
    for (const attached of this.#attached) attached.tell(message)
  }
}
