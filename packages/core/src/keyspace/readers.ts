/**
 * The writer's list of readers in other threads. A reader is attached between two units (so the writer begins to use the
 * counters before the reader can look) and is told of new segments and generations through a port of its own, which it
 * drains by itself, also while it is busy. A reader whose thread ends, however it ends, is detached by its port closing.
 */
import { strict as assert } from 'node:assert'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { AccessMarks, type TakeMark } from './access-marks.ts'
import type { Generation, GenerationTransfer } from './generation.ts'
import type { Keyspace } from './keyspace.ts'

/** Marks of all readers that are taken at once: at some 0.15 µs each, with the misses of a lookup in it. */
const MARKS_AT_ONCE = 8192

/** What a worker thread needs to open a reader: send it with `port` in the transfer list. */
export interface ReaderHandle {
  readonly generation: GenerationTransfer
  readonly port: MessagePort
  /** Where it tells how keys are used (`AccessMarks`). */
  readonly marks: SharedArrayBuffer
}

/** What the writer tells its readers, in the order in which things became true. */
export type ReaderMessage =
  | { readonly kind: 'segment'; readonly region: number; readonly index: number; readonly segment: SharedArrayBuffer }
  | { readonly kind: 'generation'; readonly generation: GenerationTransfer }

export class Readers {
  readonly #keyspace: Keyspace
  readonly #ports = new Map<MessagePort, AccessMarks>()
  readonly #takeMark: TakeMark

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
    return this.#ports.size
  }

  /** Makes a handle for one reader. Call on the writer's thread, between two commands. */
  attach(): ReaderHandle {
    assert.ok(!this.#keyspace.counters.isOpen, 'readers are attached between two commands')
    const { port1, port2 } = new MessageChannel()
    port1.once('close', () => this.#detach(port1))
    port1.unref()
    const marks = new AccessMarks()
    marks.tell(this.#keyspace.access)
    this.#ports.set(port1, marks)
    this.#keyspace.counters.active = true
    return { generation: this.#keyspace.generation.transfer(), port: port2, marks: marks.memory }
  }

  /**
   * Takes in how readers used keys, and tells them the clock and the policy. Call it a few times a second and when the policy
   * changes, on the writer's thread, between two units; however many readers are busy, it takes about a millisecond at most.
   */
  exchangeMarks(): void {
    const share = Math.ceil(MARKS_AT_ONCE / Math.max(1, this.#ports.size))
    for (const marks of this.#ports.values()) {
      marks.tell(this.#keyspace.access)
      marks.take(this.#takeMark, share)
    }
  }

  /**
   * Tells the readers nothing more. They may still be reading, so the counters stay in use; a reader of a generation that
   * is retired later fails with NOT_READY or goes on in the old one.
   */
  close(): void {
    for (const port of this.#ports.keys()) {
      port.removeAllListeners('close')
      port.close()
    }
    this.#ports.clear()
  }

  #detach(port: MessagePort): void {
    this.#ports.delete(port)
    // Port events come between two commands, never inside a unit.
    if (this.#ports.size === 0) this.#keyspace.counters.active = false
  }

  #watch(generation: Generation): void {
    generation.segmentListeners.push((region, index, segment) =>
      this.#tell({ kind: 'segment', region, index, segment }),
    )
  }

  #tell(message: ReaderMessage): void {
    for (const port of this.#ports.keys()) port.postMessage(message)
  }
}
