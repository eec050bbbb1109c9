/**
 * The dataset as a thread that is not its writer reads it: the same lookups and walks as the writer's (`KeyspaceReads`), made
 * optimistically. `attempt()` runs a read until all it saw was of one moment of the stream (docs/consistency.md):
 *
 *   it looks, and enters a shard by its first look at it -> all shards validated -> done
 *        └ disturbed, or lost in half-changed memory ◄──┘ no: forget all it made, and again
 *
 * All reads are synchronous, and there is one attempt at a time. What keeps the work itself from going astray meanwhile is
 * read-guard.ts. Nothing here writes what other threads read, but for marks of what was read (access-marks.ts).
 */
import { strict as assert } from 'node:assert'
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { ReplicaError } from '../errors.ts'
import { SEGMENT_BYTES_MAX } from '../limits.ts'
import { RegionMemory } from '../memory/region-memory.ts'
import { letGoOfViews } from '../memory/view-holders.ts'
import type { EncodingThresholds } from '../values/thresholds.ts'
import { ValueBuild } from '../values/value-build.ts'
import { accessBitsOf } from './access-bits.ts'
import { AccessMarks } from './access-marks.ts'
import type { GenerationTransfer } from './generation.ts'
import { GenerationView } from './generation-view.ts'
import { KeyspaceReads } from './keyspace-reads.ts'
import { LazyFree } from './lazy-free.ts'
import { DISTURBED, guardRead } from './read-guard.ts'
import { TurnRequest } from './readers-turn.ts'
import { OPENED, type ReaderHandle, type ReaderMessage, tellWriterHere, wasTakenBackHere } from './readers.ts'
import { RegionWriter } from './region-writer.ts'
import { hasDataset, positionAppliedAtMs, positionOffset, positionReplid } from './stream-position.ts'

/** Failed attempts before the writer is asked to stay out for a moment. */
const ATTEMPTS_BEFORE_ASKING = 8
/** Failed attempts before this thread lets go of its CPU between two: the writer may sit in its critical section without one. */
const ATTEMPTS_BEFORE_PAUSING = 4
const PAUSE_MS = 0.1
/** Of what commands built in an attempt, so much memory is kept for the next one. */
const SCRATCH_BYTES_KEPT_MAX = 4 << 20
/** Fewer are not given up, however late it is: a thread that got no processor has not tried. Some had a turn of their own. */
const ATTEMPTS_MIN: number = ATTEMPTS_BEFORE_ASKING + 4
/** A read that has not come through by then is too long for this way; or, for who cannot go another, the writer is stuck. */
export const READ_ATTEMPTS_MS_MAX = 20
export const READ_PATIENCE_MS = 5000

/** The command needs the writer: it changes something, or waits. Thrown before anything was replied or changed. */
export class NeedsWriter extends Error {}
const NEEDS_WRITER: NeedsWriter = new NeedsWriter('only the writer of the dataset can do this')

/** The read is too long to find a moment without changes: it has to be made on the writer's thread, or from a pin. */
export class ReadTooLong extends Error {}
const READ_TOO_LONG: ReadTooLong = new ReadTooLong('the data changed again and again while they were read')

/** A read as it is attempted: it may run any number of times, and keeps nothing of the keyspace from one to the next. */
export interface AttemptedRead {
  /** Looks, and makes something of it. */
  run(): void
  /** Takes back what `run` has made, also when it threw. */
  undo(): void
}

const TAKEN_BACK = 'the handle of this reader was taken back, or its writer has ended'

export class SharedKeyspace extends KeyspaceReads {
  declare generation: GenerationView
  protected readonly lazyFree: LazyFree = new LazyFree(() => assert.fail('a reader has nothing to free'))
  /** Applied offset of the stream as of which the last valid read was, and the wall clock when the link role applied it. */
  offset = 0
  appliedAtMs = 0
  /** Attempts that had to be repeated. */
  retries = 0
  /**
   * Told when a generation or a segment was let go of: its memory is free when this thread has let go of its views too, and has
   * collected, which an idle thread does not do by itself.
   */
  onDropped: (() => void) | undefined
  /** Called between looking and validating; tests widen the race window with it. */
  beforeValidation: (() => void) | undefined

  readonly #port: MessagePort
  readonly #marks: AccessMarks
  /** Where commands build what they then reply. Forgotten after each attempt. */
  #scratch: RegionWriter | undefined
  readonly #turn = new TurnRequest()
  /** Why nothing can be read: this reader was closed, or its handle taken back; the writer ended; the generation is still to come. */
  #hindrance: 'closed' | 'detached' | 'outdated' | undefined
  readonly #handle: ReaderHandle

  /**
   * Opens the dataset in the thread that received the handle, which is used up by it.
   * @throws ReplicaError BAD_ARGUMENT when the handle was opened before, or its port is closed or was transferred to another thread, NOT_READY
   * when this thread has taken it back
   */
  constructor(handle: ReaderHandle) {
    super(new GenerationView(handle.generation))
    this.#port = takePort(handle)
    // The handle may be kept as long as this thread, as what `workerData` is; the memory must not.
    for (const segments of handle.generation.segments) segments.length = 0
    this.#handle = handle
    this.#port.postMessage(OPENED)
    this.#marks = new AccessMarks(handle.marks)
    // An idle thread, too, has to let go of a generation that was replaced.
    this.#port.on('message', (message: ReaderMessage) => this.#take(message))
    // The writer's thread has ended, perhaps in the middle of a unit.
    this.#port.once('close', () => {
      if (this.#hindrance !== 'closed') this.#hindrance = 'detached'
    })
    this.#port.unref()
  }

  /** No reads after this. The writer notices by the port, and then stops using the counters if nobody else reads. */
  close(): void {
    this.#hindrance = 'closed'
    this.#port.close()
  }

  /** Tests of tests leave validation out; nobody else may. */
  skipValidation(): void {
    this.generation.skipValidation = true
  }

  /**
   * Runs a read until all that it looked at was of one moment. @param patienceMs how long it is tried.
   * @throws ReadTooLong when the time is over, NeedsWriter when the read asked for the writer, ReplicaError NOT_READY when this
   * keyspace is closed or there is no dataset yet; and whatever the read throws over data that were whole. All after its `undo`.
   */
  attempt(read: AttemptedRead, patienceMs: number): void {
    let deadline = 0
    let failedMs = 0
    for (let attempt = 1; ; attempt++) {
      this.begin()
      const outer = guardRead(this.generation)
      try {
        read.run()
        this.beforeValidation?.()
        if (this.validate()) return
        read.undo()
      } catch (error) {
        read.undo()
        // What was thrown over torn data means nothing.
        if (error instanceof NeedsWriter || (error !== DISTURBED && this.generation.validate())) {
          this.#turn.withdraw()
          throw error
        }
      } finally {
        guardRead(outer)
        this.#forgetScratch()
      }
      const nowMs = performance.now()
      // One attempt that lasts as long as all may is tried no more: whoever waits for this thread would wait a dozen times that.
      const isLong = nowMs - failedMs > patienceMs
      if (attempt === 1) deadline = nowMs + patienceMs
      else if (nowMs > deadline && (isLong || attempt >= ATTEMPTS_MIN)) {
        this.#turn.withdraw()
        throw READ_TOO_LONG
      }
      failedMs = nowMs
      this.failed(attempt)
    }
  }

  /** Begins an attempt in the newest generation. For those who make the loop of `attempt` themselves. @throws ReplicaError NOT_READY */
  begin(): void {
    const { generation } = this
    if (this.#hindrance !== undefined || generation.isRetired || generation.isOutgrown) this.#catchUp()
    this.#marks.begin(this.access)
    this.generation.begin()
  }

  /** Hears what the writer has told. */
  #catchUp(): void {
    if (this.generation.isRetired) this.#drainPort()
    if (this.#hindrance === 'outdated') this.#awaitGeneration()
    while (this.#hindrance === undefined && this.generation.isOutgrown) {
      this.generation.refresh(() => this.#drainPort())
      if (this.#hindrance === 'outdated') this.#awaitGeneration()
    }
    // The writer may have left the protocol: what is read now could be anything.
    if (this.#hindrance === 'closed') throw notReady('this reader was closed')
    if (this.#hindrance === 'detached') throw notReady(TAKEN_BACK)
  }

  /** The handle was outdated when it was opened: the writer sends the generation of now as soon as it hears of that. */
  #awaitGeneration(): void {
    tellWriterHere(this.#handle)
    const deadline = performance.now() + READ_PATIENCE_MS
    for (;;) {
      this.#drainPort()
      if (this.#hindrance !== 'outdated') return
      if (performance.now() > deadline) {
        throw new ReplicaError('NOT_READY', 'the writer did not send the dataset', { retryable: true })
      }
      pause()
    }
  }

  /**
   * Ends an attempt: was all that was seen of one moment? What `offset` and `appliedAtMs` tell is of that moment too.
   * @throws ReplicaError NOT_READY when it was, and this node had no dataset at that moment: it was never synced.
   */
  validate(): boolean {
    const { generation } = this
    const offset = positionOffset(generation)
    const appliedAtMs = positionAppliedAtMs(generation)
    const isDataset = hasDataset(generation)
    if (!generation.validate()) return false
    this.#turn.withdraw()
    this.#marks.publish()
    if (!isDataset) throw new ReplicaError('NOT_READY', 'this node has no dataset yet', { retryable: true })
    // Of what was read: nothing was, otherwise.
    this.offset = offset
    this.appliedAtMs = appliedAtMs
    return true
  }

  /** After a failed attempt, the `attempt`-th in a row: gives way to the writer, or asks it to. */
  failed(attempt: number): void {
    this.retries++
    if (this.generation.isOutgrown) return
    if (attempt >= ATTEMPTS_BEFORE_ASKING) this.#turn.ask(this.generation.control)
    else if (attempt >= ATTEMPTS_BEFORE_PAUSING) pause()
  }

  /** Replication ID of the stream, 40 hexadecimal digits. Looks, so it is for the inside of an attempt. */
  replidNow(): string {
    // It changes in units that enter all shards, so it is validated by having entered any.
    this.generation.rootOf(0, 0)
    return positionReplid(this.generation)
  }

  requireWriter(): never {
    throw NEEDS_WRITER
  }

  /** The writer is told when the attempt was valid. */
  markAccess(): void {
    const bits = accessBitsOf(this.entry)
    const fresh = this.access.usedAgain(bits)
    if (fresh !== bits) this.#marks.note(this.place, fresh)
  }

  get targetRegion(): RegionWriter {
    this.#scratch ??= new RegionWriter(new RegionMemory([]), 0, this.generation.seed, SEGMENT_BYTES_MAX)
    return this.#scratch
  }

  newBuild(thresholds: EncodingThresholds): ValueBuild {
    return new ValueBuild([this.targetRegion], this.lazyFree, thresholds)
  }

  #forgetScratch(): void {
    if (this.#scratch === undefined || this.#scratch.arena.usedBytes === 0) return
    this.lazyFree.clear()
    // Much memory goes back to the system: the next command that needs as much may come in months.
    if (this.#scratch.arena.touchedBytes <= SCRATCH_BYTES_KEPT_MAX) {
      this.#scratch.arena.reset()
      return
    }
    this.#scratch = undefined
    this.#memoryDropped()
  }

  /** Takes in what the writer has told. */
  #drainPort(): void {
    let received = receiveMessageOnPort(this.#port)
    while (received !== undefined) {
      this.#take(received.message)
      received = receiveMessageOnPort(this.#port)
    }
  }

  /** Segments belong to the generation told before them. */
  #take(message: ReaderMessage): void {
    switch (message.kind) {
      case 'segment':
        this.generation.takeSegment(message.region, message.index, message.segment)
        if (message.segment.byteLength === 0) this.#memoryDropped()
        break
      case 'generation':
        if (this.#hindrance === 'outdated') this.#hindrance = undefined
        this.#takeGeneration(message.generation)
        break
      case 'outdated':
        this.#hindrance ??= 'outdated'
        break
      case 'detached':
        this.#hindrance = 'detached'
        this.#port.close()
    }
  }

  #takeGeneration(transfer: GenerationTransfer): void {
    const { skipValidation } = this.generation
    this.generation.letGo()
    this.generation = new GenerationView(transfer)
    this.generation.skipValidation = skipValidation
    this.#scratch = undefined
    this.entry.address = 0
    this.#memoryDropped()
  }

  #memoryDropped(): void {
    // Registers name the old memory until they are used again. Not now: another reader of this thread may be in an attempt.
    setImmediate(letGoOfViews).unref()
    this.onDropped?.()
  }
}

/**
 * The port of a handle, as one that nobody else has. What two readers take messages from each hears the half of, and when one of them closes
 * it the writer takes both for gone and stops counting. A port can be transferred once, so it is: to where it is.
 */
function takePort(handle: ReaderHandle): MessagePort {
  const { port } = handle
  if (wasTakenBackHere(handle)) throw notReady(TAKEN_BACK)
  try {
    return structuredClone(port, { transfer: [port] })
  } catch (error) {
    const reason = 'a handle is opened once, in the thread that its port was transferred to, and before that is closed'
    throw new ReplicaError('BAD_ARGUMENT', reason, { cause: error })
  }
}

function notReady(reason: string): ReplicaError {
  return new ReplicaError('NOT_READY', reason, { retryable: false })
}

/** Sleeps without burning the CPU that the writer may need. */
const pauseWord = new Int32Array(new SharedArrayBuffer(4))
function pause(): void {
  Atomics.wait(pauseWord, 0, 0, PAUSE_MS)
}
