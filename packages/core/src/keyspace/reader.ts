/**
 * A reader of the keyspace in any thread: the second half of the seqlock (the first is shard-counters.ts; the argument
 * why it cannot be fooled is docs/consistency.md).
 *
 *   load the counter (odd: again) -> look, copying what may be used -> validate: counter unchanged, or forget and retry
 *
 * Nothing read before the validation is acted on: offsets are bounded by this thread's views, loops by constants. All
 * reads are synchronous. A key that has expired is absent.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { ReplicaError } from '../errors.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { byteOffsetOf, RegionMemory } from '../memory/region-memory.ts'
import { GenerationView } from './generation.ts'
import { hashKey, hashOrder, hashTag } from './key-hash.ts'
import {
  C_READER_WAITING,
  C_RETIRED,
  C_SEGMENTS,
  FLAG_CHUNKED,
  FLAG_EXPIRE,
  FLAG_LONG_KEY,
  headerBytes,
  regionOf,
  shardOf,
} from './layout.ts'
import type { ReaderHandle, ReaderMessage } from './readers.ts'
import type { RegionView } from './region-view.ts'

/** Failed attempts after which the writer is asked to stay out for a moment. */
const ATTEMPTS_BEFORE_ASKING = 8
/** Attempts after which something is broken rather than busy: about 5 s of waiting. */
const ATTEMPTS_MAX = 50_000
const PAUSE_MS = 0.1
const TWO_32: number = 2 ** 32

const ABSENT = -1

export class KeyspaceReader {
  #generation: GenerationView
  readonly #port: MessagePort
  /** Keys of the read at hand: registers per key. */
  #order = new Int32Array(16)
  #tag = new Int32Array(16)
  #counterAt = new Int32Array(16)
  #seen = new Int32Array(16)
  #length = new Float64Array(16)
  /** Copies of the values read, one behind the other. */
  #copy: Buffer = Buffer.allocUnsafeSlow(4096)
  #copied = 0
  // Registers of the record at hand.
  #rdbType = 0
  #expireAtMs = -1
  /** Of the attempt at hand. */
  #nowMs = 0
  /** C_SEGMENTS when the port was last drained. */
  #segmentsSeen = -1
  #isClosed = false

  /** Attempts that had to be repeated, since the reader was opened. */
  retries = 0
  /** The test of the consistency test leaves validation out; nobody else may. */
  skipValidation = false
  /** Called between looking and validating; tests widen the race window with it. */
  beforeValidation: (() => void) | undefined

  /** Opens a reader in the thread that received the handle. */
  constructor(handle: ReaderHandle) {
    this.#generation = new GenerationView(handle.generation)
    this.#port = handle.port
    this.#port.unref()
  }

  /** The value of a string key as a new Buffer; undefined when absent or of another type. @throws see `mget`. */
  get(db: number, key: Uint8Array): Buffer | undefined {
    return this.mget(db, [key])[0]
  }

  /**
   * The values of string keys, all as they were at one moment of the stream.
   * @throws ReplicaError NOT_READY when this reader was closed, or the writer does not let go of a shard for seconds.
   */
  mget(db: number, keys: readonly Uint8Array[]): (Buffer | undefined)[] {
    this.#read(db, keys, true)
    const values: (Buffer | undefined)[] = []
    let at = 0
    for (let i = 0; i < keys.length; i++) {
      const length = this.#length[i]!
      if (length === ABSENT) values.push(undefined)
      else {
        values.push(Buffer.from(this.#copy.subarray(at, at + length)))
        at += length
      }
    }
    return values
  }

  /** How many of the keys exist (repeated ones count again), at one moment. */
  exists(db: number, keys: readonly Uint8Array[]): number {
    this.#read(db, keys, false)
    let count = 0
    for (let i = 0; i < keys.length; i++) if (this.#length[i] !== ABSENT) count++
    return count
  }

  /** Value type byte of the key (0: string), or -1 when it is absent. */
  rdbType(db: number, key: Uint8Array): number {
    this.#read(db, [key], false)
    return this.#length[0] === ABSENT ? -1 : this.#rdbType
  }

  /** When the key expires, milliseconds since 1970; -1 without a TTL, -2 when absent. */
  expireAtMs(db: number, key: Uint8Array): number {
    this.#read(db, [key], false)
    return this.#length[0] === ABSENT ? -2 : this.#expireAtMs
  }

  /** No reads after this. The writer notices by the port, and then stops using the counters if nobody else reads. */
  close(): void {
    this.#isClosed = true
    this.#port.close()
  }

  /** Reads all keys at one moment: lengths (and copies, one behind the other) are valid when it returns. */
  #read(db: number, keys: readonly Uint8Array[], copyValues: boolean): void {
    // The writer may have left the protocol: what is read now could be anything.
    if (this.#isClosed) throw new ReplicaError('NOT_READY', 'this reader was closed', { retryable: false })
    const count = keys.length
    if (count > this.#order.length) this.#growRegisters(count)
    let asked: Int32Array | undefined
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        if (attempt > 0) {
          this.retries++
          if (attempt >= ATTEMPTS_BEFORE_ASKING) {
            // Again each time: the writer clears the request when it has waited long enough, another reader when it is done.
            asked = this.#generation.control
            Atomics.store(asked, C_READER_WAITING, 1)
          }
          // On a busy machine the writer may sit in its critical section without a CPU: let it have this one.
          if (attempt > 4) pause()
        }
        if (Atomics.load(this.#generation.control, C_RETIRED) !== 0) this.#drainPort()
        if (db >= this.#generation.databaseCount) {
          this.#length.fill(ABSENT, 0, count)
          return
        }
        if (!this.#enter(keys)) continue
        this.#copied = 0
        // One time for all keys: two that expire together must not be seen apart because the clock moved in between.
        this.#nowMs = Date.now()
        for (let i = 0; i < count; i++) this.#length[i] = this.#readOne(db, keys[i]!, i, copyValues)
        this.beforeValidation?.()
        if (this.skipValidation || this.#validate(count)) return
      }
    } finally {
      if (asked !== undefined) {
        Atomics.store(asked, C_READER_WAITING, 0)
        Atomics.notify(asked, C_READER_WAITING)
      }
    }
    throw new ReplicaError('NOT_READY', 'the writer did not let go of a shard', { retryable: true })
  }

  /** Hashes the keys and loads their shards' counters; false when one of them is being changed. */
  #enter(keys: readonly Uint8Array[]): boolean {
    const generation = this.#generation
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      hashKey(generation.seed, key, 0, key.length)
      this.#order[i] = hashOrder
      this.#tag[i] = hashTag
      const counterAt = generation.counterOf(shardOf(hashOrder))
      this.#counterAt[i] = counterAt
      // Pairs with the writer's leaving add: even means that all it stored before is visible below.
      const seen = Atomics.load(generation.control, counterAt)
      if ((seen & 1) !== 0 && !this.skipValidation) return false
      this.#seen[i] = seen
    }
    // Behind the loads above: every address seen from here on is in a segment that this count covers.
    const segments = Atomics.load(generation.control, C_SEGMENTS)
    if (segments === this.#segmentsSeen) return true
    this.#segmentsSeen = segments
    this.#drainPort()
    return this.#generation === generation
  }

  /** Were all shards left alone since `#enter`? And did nothing lead outside of this thread's views? */
  #validate(count: number): boolean {
    const { control } = this.#generation
    let valid = true
    for (let i = 0; i < count; i++) {
      // A read-modify-write, so that the plain loads above cannot sink below it (docs/consistency.md).
      if (Atomics.add(control, this.#counterAt[i]!, 0) !== this.#seen[i]) valid = false
    }
    let beyond = false
    for (const region of this.#generation.regions) {
      if (region.beyondView) {
        region.beyondView = false
        beyond = true
      }
    }
    if (beyond) this.#refresh()
    return valid && !beyond
  }

  /** @returns length of the value, ABSENT when there is none; meaningless until validated. */
  #readOne(db: number, key: Uint8Array, i: number, copyValue: boolean): number {
    const generation = this.#generation
    const order = this.#order[i]!
    const shard = shardOf(order)
    const region = generation.regions[regionOf(shard)]!
    const address = region.find(
      generation.control,
      generation.rootOf(db, shard),
      order,
      this.#tag[i]!,
      key,
      0,
      key.length,
    )
    if (address === 0) return ABSENT
    const words = region.memory.i32[address >>> 28]!
    const bytes = region.memory.u8[address >>> 28]!
    let at = byteOffsetOf(address) >>> 2
    const word0 = words[at]!
    const flags = (word0 >>> 8) & 0xff
    const header = headerBytes(flags)
    // find() has checked 16 bytes of the record; a torn flag may claim more.
    if (byteOffsetOf(address) + header > bytes.length) return outside(region)
    let length = words[at + 1]! & 0xffff
    at += 2
    this.#rdbType = word0 & 0xff
    this.#expireAtMs = -1
    if ((flags & FLAG_EXPIRE) !== 0) {
      this.#expireAtMs = (words[at]! >>> 0) + words[at + 1]! * TWO_32
      if (this.#expireAtMs >= 0 && this.#nowMs > this.#expireAtMs) return ABSENT
      at += 2
    }
    if (!copyValue) return 0
    if (this.#rdbType !== 0) return ABSENT
    if ((flags & FLAG_LONG_KEY) !== 0) at += 2
    if ((flags & FLAG_CHUNKED) !== 0) {
      length = (words[at]! >>> 0) + words[at + 1]! * TWO_32
      const owner = generation.regions[words[at + 3]!]
      if (owner === undefined) return outside(region)
      return this.#copyNodes(owner, words[at + 2]!, length, i)
    }
    const start = byteOffsetOf(address) + header + (word0 >>> 16)
    if (start + length > bytes.length) return outside(region)
    this.#reserve(length)
    this.#copy.set(bytes.subarray(start, start + length), this.#copied)
    this.#copied += length
    return length
  }

  /** Copies a chunked value node by node; gives up early when the shard changes under it. */
  #copyNodes(owner: RegionView, root: number, length: number, i: number): number {
    const { control } = this.#generation
    // A torn length could be anything: memory is only reserved as nodes are really found.
    for (let from = 0, node = 0; from < length; from += BLOCK_BYTES_MAX, node++) {
      if ((node & 15) === 0 && Atomics.load(control, this.#counterAt[i]!) !== this.#seen[i] && !this.skipValidation) {
        return ABSENT
      }
      const count = Math.min(BLOCK_BYTES_MAX, length - from)
      const address = owner.nodeOf(root, length, node)
      this.#reserve(count)
      if (address === 0) this.#copy.fill(0, this.#copied, this.#copied + count)
      else {
        const bytes = owner.memory.u8[address >>> 28]
        const start = byteOffsetOf(address)
        if (bytes === undefined || start + count > bytes.length) return outside(owner)
        this.#copy.set(bytes.subarray(start, start + count), this.#copied)
      }
      this.#copied += count
    }
    return length
  }

  #reserve(count: number): void {
    if (this.#copied + count <= this.#copy.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#copy.length * 2, this.#copied + count))
    this.#copy.copy(grown, 0, 0, this.#copied)
    this.#copy = grown
  }

  /** Takes in what the writer has told; segments belong to the generation told before them. */
  #drainPort(): void {
    let received = receiveMessageOnPort(this.#port)
    while (received !== undefined) {
      const message: ReaderMessage = received.message
      if (message.kind === 'generation') {
        this.#generation = new GenerationView(message.generation)
        this.#segmentsSeen = -1
      } else this.#generation.regions[message.region]!.memory.setSegment(message.index, message.segment)
      received = receiveMessageOnPort(this.#port)
    }
  }

  /** Something lay outside of the views: look for new segments and longer ones. */
  #refresh(): void {
    this.#drainPort()
    for (const region of this.#generation.regions) refreshMemory(region.memory)
  }

  #growRegisters(count: number): void {
    this.#order = new Int32Array(count)
    this.#tag = new Int32Array(count)
    this.#counterAt = new Int32Array(count)
    this.#seen = new Int32Array(count)
    this.#length = new Float64Array(count)
  }
}

function refreshMemory(memory: RegionMemory): void {
  for (let index = 0; index < memory.segments.length; index++) {
    if (memory.u8[index]!.length < memory.segments[index]!.byteLength) memory.refresh(index)
  }
}

function outside(region: RegionView): number {
  region.beyondView = true
  return ABSENT
}

/** Sleeps without burning the CPU that the writer may need. */
const pauseWord = new Int32Array(new SharedArrayBuffer(4))
function pause(): void {
  Atomics.wait(pauseWord, 0, 0, PAUSE_MS)
}
