/**
 * The dataset in the hands of the link role, its only writer: lookups, changes and whole-database operations over the
 * live generation. Commands are written against this class and never see shards, pages or counters. It is built up in
 * layers: reads (`keyspace-reads.ts`), keys and records (`keyspace-records.ts`), values (`keyspace-values.ts`), and here
 * databases and generations.
 *
 * Every change happens inside a unit (`begin()` … `end()`), which is what readers in other threads see whole: one
 * command, or one MULTI/EXEC group. The dispatcher opens and closes units; commands do not.
 */
import { randomBytes } from 'node:crypto'
import { SEGMENT_BYTES_MAX, SHARD_COUNT } from '../limits.ts'
import { Compaction } from './compaction.ts'
import { Generation, type GenerationTransfer } from './generation.ts'
import { KeyspaceValues } from './keyspace-values.ts'
import { StreamPosition } from './stream-position.ts'
import type { PinHandle } from './pin-board.ts'
import { EVERY_REGION, type PinLimits, Pins } from './pins.ts'
import { C_DATABASE_MAP, C_NUMBER, C_RETIRED, ROOT_DEPTH, ROOT_DIRECTORY, ROOT_WORDS, regionOf } from './layout.ts'

/** A dataset larger than this is dropped by FLUSHALL as a whole generation, so that its memory goes back to the system. */
const FLUSH_IN_PLACE_BYTES_MAX: number = 64 << 20

/** Memory that a region is given beforehand when a large generation goes. */
const RESERVED_BYTES_MAX: number = 64 << 20

export interface KeyspaceOptions {
  readonly databaseCount: number
  /** 16 bytes; random when left out. */
  readonly hashSeed?: Uint8Array
  /** Reservation of a segment in bytes; less than the default only in tests. */
  readonly segmentBytesMax?: number
}

export class Keyspace extends KeyspaceValues {
  readonly hashSeed: Uint8Array
  /** Told, before readers can see it, of every generation that takes over (full sync, FLUSHALL of a large dataset). */
  readonly generationListeners: ((generation: Generation) => void)[] = []

  /** Where in the replication stream the data are, for readers. */
  readonly position: StreamPosition
  readonly #segmentBytesMax: number
  /** Gives memory back that the arenas do not need any more; its slices are called between two commands. */
  readonly compaction: Compaction = new Compaction(this, this.lazyFree)
  /** What readers that take their time are given. */
  readonly pins: Pins = new Pins(this.counters, this.lazyFree, this.access)

  constructor(options: KeyspaceOptions) {
    const { databaseCount, hashSeed = randomBytes(16), segmentBytesMax = SEGMENT_BYTES_MAX } = options
    super(Generation.create({ databaseCount, hashSeed, segmentBytesMax }))
    this.hashSeed = hashSeed
    this.#segmentBytesMax = segmentBytesMax
    this.position = new StreamPosition(this.generation, this.counters)
  }

  /** An empty generation with this process' hash seed. */
  newGeneration(databaseCount: number): Generation {
    return Generation.create({ databaseCount, hashSeed: this.hashSeed, segmentBytesMax: this.#segmentBytesMax })
  }

  /** Removes all keys of a database. Memory is freed at once when nothing else is there, else in slices. */
  flushDatabase(db: number): void {
    this.counters.enterAll()
    let others = false
    for (let other = 0; other < this.databaseCount && !others; other++) others = other !== db && this.size(other) > 0
    if (!others) return this.flushAll(db)
    this.dirty += this.size(db) + 1
    const { generation } = this
    for (let shardIndex = 0; shardIndex < SHARD_COUNT; shardIndex++) {
      const root = generation.rootOf(db, shardIndex)
      const directory = generation.control[root + ROOT_DIRECTORY]!
      if (directory === 0) continue
      this.lazyFree.addTable(
        generation.regions[regionOf(shardIndex)]!,
        directory,
        generation.control[root + ROOT_DEPTH]!,
      )
      generation.control.fill(0, root, root + ROOT_WORDS)
    }
    this.listener.databaseFlushed(db)
  }

  /** Removes all keys of all databases, in constant time. @param told what listeners hear was flushed; -1: everything. */
  flushAll(told = -1): void {
    this.counters.enterAll()
    const changes = this.keyCount + 1
    const { generation } = this
    // A pin goes on in a generation that is left alone.
    if (generation.runBytes > FLUSH_IN_PLACE_BYTES_MAX || this.pins.isHolding(generation)) {
      // There may be no memory for it: nothing has changed then.
      const empty = this.newGeneration(generation.databaseCount)
      this.dirty += changes
      this.position.copyTo(empty)
      this.swapGeneration(empty, told)
      return
    }
    this.dirty += changes
    this.lazyFree.clear()
    generation.control.fill(0, generation.roots)
    for (const region of generation.regions) region.arena.reset()
    this.entry.address = 0
    this.listener.databaseFlushed(told)
  }

  /** Exchanges two databases. */
  swapDatabases(first: number, second: number): void {
    this.counters.enterAll()
    const { control } = this.generation
    const table = control[C_DATABASE_MAP + first]!
    control[C_DATABASE_MAP + first] = control[C_DATABASE_MAP + second]!
    control[C_DATABASE_MAP + second] = table
    this.dirty++
    this.listener.databasesSwapped(first, second)
  }

  /**
   * Another generation takes over: built by a loader, or empty. Readers of the old one are told first, finish in it, and
   * move on; its memory goes back to the system when every thread has let go and collected. This thread lets go at once.
   */
  swapGeneration(next: Generation, told = -1): void {
    const previous = this.generation
    next.control[C_NUMBER] = previous.number + 1
    this.counters.prepare(next)
    this.position.use(next)
    for (const listener of this.generationListeners) listener(next)
    // Readers that see this find the next generation already waiting at their port.
    Atomics.store(previous.control, C_RETIRED, 1)
    this.generation = next
    this.counters.use(next)
    this.lazyFree.clear()
    this.compaction.generationReplaced()
    this.pins.generationReplaced()
    this.entry.address = 0
    if (previous.runBytes > FLUSH_IN_PLACE_BYTES_MAX) reserveBeside(previous, next)
    previous.letGo()
    this.listener.databaseFlushed(told)
  }

  /** Takes a generation that a loader has built; its position in the stream is to be told (`position`). */
  adopt(transfer: GenerationTransfer): void {
    this.swapGeneration(new Generation(transfer, this.#segmentBytesMax))
  }

  /** Pins the whole dataset as it is, for a reader that takes its time (docs/pins.md). Between two units. @throws PIN_LIMIT */
  pin(limits: PinLimits, nowMs: number): PinHandle {
    return this.pins.begin(this.generation, EVERY_REGION, limits, nowMs)
  }

  /**
   * Pins a key, with its value if it is there: the regions that hold them. Its reader looks up this key and nothing else.
   * Between two units. @throws PIN_LIMIT
   */
  pinKey(db: number, key: Uint8Array, limits: PinLimits, nowMs: number): PinHandle {
    const { entry, place } = this
    const isThere = this.lookup(db, key, 0, key.length)
    let regions = 1 << regionOf(place.shard)
    if (isThere && entry.isLarge) regions |= 1 << this.openLarge().region.index
    else if (isThere && entry.isChunked) regions |= 1 << entry.owner.index
    return this.pins.begin(this.generation, regions, limits, nowMs)
  }

  /** Bytes of all blocks in use. */
  get usedBytes(): number {
    return this.generation.usedBytes
  }

  /** Those of them that are only kept for pins. */
  get keptForPinsBytes(): number {
    return this.pins.heldBytes(this.generation)
  }

  /**
   * Frees what waits to be freed, for at most about `milliseconds`. Call outside of units, between commands.
   * @returns true while something is left.
   */
  freeSlice(milliseconds: number): boolean {
    if (this.lazyFree.pending === 0) return false
    return this.lazyFree.step(milliseconds)
  }

  get lazyFreePending(): number {
    return this.lazyFree.pending
  }
}

/** Has memory ready for what is written while the system takes back that of the generation before: nobody has to wait for that. */
function reserveBeside(previous: Generation, next: Generation): void {
  for (const [index, { arena }] of next.regions.entries()) {
    arena.reserve(Math.min(RESERVED_BYTES_MAX, previous.regions[index]!.arena.touchedBytes / 8))
  }
}
