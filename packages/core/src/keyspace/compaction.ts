/**
 * Gives memory back: evacuates the sparse segments of one region after the other, and drops them when they are empty
 * (docs/memory.md). Segments never shrink, and blocks have no pointers to their owners; so whoever may own a block is visited:
 *
 *   idle -> walking      [begin]   a region with enough waste: its sparse segments get nothing new from now on
 *   walking -> walking   [step]    a page of a table, or a piece of a large value, moves in a unit of its own
 *   walking -> walking   [#endWalk] something is left: once more, with the values that other regions' keys own here
 *   walking -> idle      [#finish] the segments are empty and dropped, or the arena has called the evacuation off
 *
 * The first walk passes the tables of the region's own shards in order of the hash, all later ones those of all shards: RENAME
 * may have left a value's blocks in another region than its key's. Between two units anything may change. What is made goes to
 * other segments, so what is left in these can only become less; what a walk has missed because it moved is found by the next.
 *
 * Extra memory meanwhile: what is in use in these segments, an eighth of the dataset at the most. Only on the writer's thread,
 * between two commands.
 */
import { REGION_COUNT, RUN_BYTES, SEGMENTS_PER_REGION_MAX, SHARD_COUNT } from '../limits.ts'
import type { Arena } from '../memory/arena.ts'
import { BlockMover } from '../memory/block-mover.ts'
import { CLASS_COUNT } from '../memory/size-classes.ts'
import { formOf } from '../values/forms.ts'
import { LargeValue } from '../values/large-value.ts'
import type { MovePosition } from '../values/value-form.ts'
import { Entry } from './entry.ts'
import type { Generation } from './generation.ts'
import { hashOrder, hashTag } from './key-hash.ts'
import type { Keyspace } from './keyspace.ts'
import { regionOf, ROOT_DIRECTORY, ROOT_WORDS } from './layout.ts'
import type { LazyFree } from './lazy-free.ts'
import type { RegionWriter } from './region-writer.ts'
import { moveChunks, moveDirectory, moveLongKey, movePage, TABLE_POSITIONS } from './table-move.ts'

/** What one unit moves, in bytes copied: about 0.2 ms. */
const UNIT_BYTES = 256 << 10
/** Tables without keys that one unit passes over. */
const EMPTY_TABLES_PER_UNIT = 64
/** Walks after which the rest stays where it is, until the next time. */
const WALKS_MAX = 4
/** Room for what moves is more than its bytes by this part, as blocks do not fill their runs, and a partly used run of each class. */
const ROOM_FACTOR = 1.125
/** Less waste than this is not worth a walk through a region: partly used runs of each size class are normal. */
const REGION_WASTE_BYTES_MIN: number = 32 * RUN_BYTES

/** A key, or its value, that takes more than one unit. It is named by its hash: another key's that has the same may be moved in its place. */
interface LongMove extends MovePosition {
  readonly order: number
  readonly tag: number
  readonly root: number
  readonly shard: number
  /** Node of its long key to go on with; -1: all of the key is done, or it is in the record. */
  keyNode: number
}

interface Evacuation {
  readonly generation: Generation
  readonly region: RegionWriter
  readonly mover: BlockMover
  walks: number
  /** Tables of a walk are numbered by shard, then database; `position` is in the one at hand. */
  table: number
  position: number
  readonly longMoves: LongMove[]
}

export class Compaction {
  readonly #keyspace: Keyspace
  readonly #lazyFree: LazyFree
  readonly #entry = new Entry()
  readonly #large = new LargeValue()
  #evacuation: Evacuation | undefined
  /** By region: waste that its last evacuation left. */
  readonly #leftBytes = new Float64Array(REGION_COUNT)

  /** Since the start: blocks moved and their bytes, bytes of dropped segments, evacuations that were given up. */
  moves = 0
  movedBytes = 0
  droppedBytes = 0
  abandoned = 0
  /** Records of keys that were moved, and that were looked at and stayed. */
  movedKeys = 0
  stayedKeys = 0
  /** Told when segments were dropped: now every thread has to let go of them. */
  onDropped: (() => void) | undefined

  constructor(keyspace: Keyspace, lazyFree: LazyFree) {
    this.#keyspace = keyspace
    this.#lazyFree = lazyFree
  }

  get isRunning(): boolean {
    return this.#evacuation !== undefined
  }

  /**
   * Bytes that the arenas keep resident beyond what is in use, without those that the last evacuation of each region had to
   * leave: runs of every size class are partly used.
   */
  get reclaimableBytes(): number {
    let sum = 0
    for (const region of this.#keyspace.generation.regions) sum += this.#reclaimableOf(region)
    return sum
  }

  /**
   * Begins with the region that wastes most. @param fragmentation that a region and its segments must have to be worth it.
   * @param wasteBytesMin less in a region is not worth it; tests give less.
   * @returns false when there is none, or one is at work already.
   */
  begin(fragmentation: number, wasteBytesMin: number = REGION_WASTE_BYTES_MIN): boolean {
    // What waits to be freed would be found by no walk.
    if (this.#evacuation !== undefined || this.#lazyFree.pending > 0) return false
    const { generation, pins } = this.#keyspace
    // Nor would what is kept.
    if (pins.isHolding(generation)) return false
    let worst: RegionWriter | undefined
    let worstSegments = 0
    let most = wasteBytesMin
    for (const region of generation.regions) {
      const bytes = this.#reclaimableOf(region)
      if (bytes <= most || bytes <= region.arena.usedBytes * fragmentation) continue
      const segments = sparseSegments(region, fragmentation)
      if (segments === 0) continue
      worst = region
      worstSegments = segments
      most = bytes
    }
    if (worst === undefined) return false
    const { arena } = worst
    arena.evacuate(worstSegments)
    // All at once, before what the last region dropped is taken back: a slice that had to wait for that would be a long one.
    arena.reserve(roomFor(arena, worstSegments))
    this.#evacuation = {
      generation,
      region: worst,
      mover: new BlockMover(arena),
      walks: 1,
      table: 0,
      position: 0,
      longMoves: [],
    }
    return true
  }

  /** Moves blocks for at most about `milliseconds`. @returns true while the evacuation goes on. */
  step(milliseconds: number): boolean {
    const until = performance.now() + milliseconds
    do {
      const evacuation = this.#evacuation
      if (evacuation === undefined) return false
      // A region that ran out of memory, or was flushed.
      if (evacuation.region.arena.evacuating === 0) {
        this.#finish(evacuation)
        return false
      }
      // What pins keep cannot move, and the rest would be kept as well: it goes on when they have ended.
      if (this.#keyspace.pins.isHolding(evacuation.generation)) return true
      if (!this.#unit(evacuation)) return this.isRunning
    } while (performance.now() < until)
    return this.isRunning
  }

  /** Leaves the rest where it is. */
  cancel(): void {
    const evacuation = this.#evacuation
    if (evacuation === undefined) return
    evacuation.region.arena.readmit()
    this.#evacuation = undefined
  }

  /** Another generation has taken over: there is nothing to evacuate, and nothing to remember. */
  generationReplaced(): void {
    this.#evacuation = undefined
    this.#leftBytes.fill(0)
  }

  /** @returns false when there is nothing to do for the moment. */
  #unit(evacuation: Evacuation): boolean {
    if (evacuation.table === tableCount(evacuation.generation) && evacuation.longMoves.length === 0) {
      return this.#endWalk(evacuation)
    }
    const { counters } = this.#keyspace
    const { mover } = evacuation
    const movesBefore = mover.moves
    const bytesBefore = mover.movedBytes
    mover.refill(UNIT_BYTES)
    counters.begin()
    try {
      const longMove = evacuation.longMoves.at(-1)
      if (longMove !== undefined) this.#goOnWith(evacuation, longMove)
      else this.#movePage(evacuation)
    } finally {
      counters.end()
      this.moves += mover.moves - movesBefore
      this.movedBytes += mover.movedBytes - bytesBefore
    }
    return true
  }

  #movePage(evacuation: Evacuation): void {
    const { generation, region, mover } = evacuation
    const { control } = generation
    const tables = tableCount(generation)
    for (let passed = 0; passed < EMPTY_TABLES_PER_UNIT && evacuation.table < tables; passed++) {
      const shard = Math.floor(evacuation.table / generation.databaseCount)
      const root = generation.roots + ((evacuation.table % generation.databaseCount) * SHARD_COUNT + shard) * ROOT_WORDS
      const owner = generation.regions[regionOf(shard)]!
      const isOwn = owner === region
      if ((evacuation.walks === 1 && !isOwn) || control[root + ROOT_DIRECTORY] === 0) {
        nextTable(evacuation)
        continue
      }
      this.#keyspace.counters.enter(shard)
      if (isOwn && evacuation.position === 0) moveDirectory(control, root, mover)
      evacuation.position = movePage(
        owner,
        control,
        root,
        evacuation.position,
        isOwn ? mover : undefined,
        (address) => {
          const moved = isOwn ? mover.move(address) : address
          if (moved === address) this.stayedKeys++
          else this.movedKeys++
          this.#moveRest(evacuation, owner, moved, root, shard)
          return moved
        },
      )
      if (evacuation.position === TABLE_POSITIONS) nextTable(evacuation)
      return
    }
  }

  /** Moves what hangs below a record, its long key and its value, or what the budget allows; the rest is noted. */
  #moveRest(evacuation: Evacuation, owner: RegionWriter, address: number, root: number, shard: number): void {
    const { generation, region, mover } = evacuation
    const entry = this.#entry
    entry.load(owner, generation.regions, address)
    const keyNode = owner === region ? moveLongKey(owner, address, 0, mover) : -1
    const hasPieces = entry.isChunked || entry.isLarge
    if (keyNode === -1 && !hasPieces) return
    const position = { part: 0, item: 0, position: 0, inner: 0 }
    if (keyNode === -1 && this.#movePieces(evacuation, position)) return
    owner.orderOf(address)
    evacuation.longMoves.push({ ...position, order: hashOrder, tag: hashTag, root, shard, keyNode })
  }

  /** Moves more of what took more than one unit, if it is still there. */
  #goOnWith(evacuation: Evacuation, longMove: LongMove): void {
    const { generation, mover } = evacuation
    const { order, tag, root, shard } = longMove
    const owner = generation.regions[regionOf(shard)]!
    this.#keyspace.counters.enter(shard)
    const address = owner.findByHash(generation.control, root, order, tag)
    if (address !== 0) {
      if (longMove.keyNode !== -1) {
        longMove.keyNode = moveLongKey(owner, address, longMove.keyNode, mover)
        if (longMove.keyNode !== -1) return
      }
      this.#entry.load(owner, generation.regions, address)
      if ((this.#entry.isChunked || this.#entry.isLarge) && !this.#movePieces(evacuation, longMove)) return
    }
    evacuation.longMoves.pop()
  }

  /** Moves pieces of the value of `#entry`. @returns true when all are done. */
  #movePieces({ generation, region, mover }: Evacuation, at: MovePosition): boolean {
    const entry = this.#entry
    const { address } = entry
    if (entry.isChunked) {
      if (entry.owner !== region) return true
      const next = moveChunks(entry.region, region, address, at.position, mover)
      at.position = next
      return next === -1
    }
    const words = entry.region.memory.i32[address >>> 28]!
    const large = this.#large.open(generation.regions, this.#lazyFree, entry.rdbType, words, entry.descriptorAt)
    if (large.region !== region) return true
    const form = formOf(entry.rdbType)
    while (!mover.isExhausted) {
      mover.spendPiece()
      if (form.move(large, mover, at)) return true
    }
    return false
  }

  /** @returns false when the end has to wait for what is freed in slices. */
  #endWalk(evacuation: Evacuation): boolean {
    const { arena } = evacuation.region
    const dropped = arena.dropEvacuated()
    this.droppedBytes += dropped
    if (dropped > 0) this.onDropped?.()
    if (arena.evacuating === 0) {
      this.#finish(evacuation)
      return true
    }
    // No walk finds it, but it will be gone.
    if (this.#lazyFree.pending > 0) return false
    if (evacuation.walks === WALKS_MAX) {
      this.abandoned++
      arena.readmit()
      this.#finish(evacuation)
      return true
    }
    evacuation.walks++
    evacuation.table = 0
    return true
  }

  /** Ends it for good: what it had to leave is not tried again at once. */
  #finish({ region }: Evacuation): void {
    this.#evacuation = undefined
    this.#leftBytes[region.index] = wasteOf(region)
  }

  #reclaimableOf(region: RegionWriter): number {
    const waste = wasteOf(region)
    const left = Math.min(waste, this.#leftBytes[region.index]!)
    this.#leftBytes[region.index] = left
    return waste - left
  }
}

function tableCount({ databaseCount }: Generation): number {
  return SHARD_COUNT * databaseCount
}

function nextTable(evacuation: Evacuation): void {
  evacuation.table++
  evacuation.position = 0
}

function wasteOf({ arena }: RegionWriter): number {
  return arena.touchedBytes - arena.usedBytes
}

/** Bytes that what is in use in these segments needs elsewhere, at the most. */
function roomFor(arena: Arena, segments: number): number {
  let used = 0
  let touched = 0
  for (let segment = 1; segment < SEGMENTS_PER_REGION_MAX; segment++) {
    if (((segments >>> segment) & 1) === 0) continue
    used += arena.usedBytesOf(segment)
    touched += arena.touchedBytesOf(segment)
  }
  return used * ROOM_FACTOR + Math.min(touched, CLASS_COUNT * RUN_BYTES)
}

/** Segments of which more than `fragmentation` of what is in use is waste, a bit each. */
function sparseSegments({ arena, memory }: RegionWriter, fragmentation: number): number {
  let segments = 0
  for (let segment = 1; segment < memory.segments.length; segment++) {
    const used = arena.usedBytesOf(segment)
    const touched = arena.touchedBytesOf(segment)
    if (touched > 0 && touched - used > used * fragmentation) segments |= 1 << segment
  }
  return segments
}
