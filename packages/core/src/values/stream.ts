/**
 * A stream in the hands of its writer: appending, deleting and trimming entries as redis 7.0 t_stream.c does it
 * (streamAppendItem(), streamTrim(), streamIteratorRemoveEntry()), so that nodes come out byte for byte as they would
 * there. Nodes as such are in stream-node-writer.ts, reading is in stream-reader.ts, groups in stream-groups.ts, the layout in stream-layout.ts.
 */
import type { CommandArgs } from '../commands/command.ts'
import { ListpackBuffer } from '../encoding/listpack-buffer.ts'
import { StreamId } from '../encoding/stream-id.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { STREAM_ENTRY_SAME_FIELDS } from '../object-codec/blob-check.ts'
import { OrderedIndex } from './ordered-index.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import {
  N_BYTES,
  R_ADDED,
  R_FIRST,
  R_FLAGS,
  R_GROUPS,
  R_LAST,
  ROOT_BLOCK_BYTES,
  ROOT_BLOCK_WORDS,
} from './stream-layout.ts'
import {
  freeStreamNode,
  grownRoom,
  INLINE_LISTPACK_BYTES_MAX,
  nodeChanges,
  noteNodesMoved,
  StreamNodeWriter,
} from './stream-node-writer.ts'

/** Longest node, and most bytes of one entry's fields and values (redis: STREAM_LISTPACK_MAX_SIZE). */
export const STREAM_NODE_BYTES_MAX: number = 2 ** 30
const TWO_32: number = 2 ** 32

/** Allocates the root block of an empty stream. */
export function createStreamRoot(region: RegionWriter): number {
  noteNodesMoved()
  const root = region.arena.allocate(ROOT_BLOCK_BYTES)
  const at = byteOffsetOf(root) >>> 2
  region.memory.i32[root >>> 28]!.fill(0, at, at + ROOT_BLOCK_WORDS)
  return root
}

export class Stream extends StreamNodeWriter {
  /** Index of the groups, for stream-groups.ts. */
  readonly groups: OrderedIndex = new OrderedIndex(WEIGHTED)

  readonly #buffer = new ListpackBuffer()
  readonly #difference = new StreamId()
  /** First entry of the node that was trimmed last; 0-0: not known. */
  readonly #firstLeft = new StreamId()

  /** Opens the stream whose root block is at `root` of `region`. */
  open(region: RegionView, root: number): this {
    // Its words, and the states of both indexes, are changed without another call.
    region.memory.keep(root)
    this.openRoot(region, root)
    this.groups.open(region, this.words, this.at + R_GROUPS)
    return this
  }

  // ---- root block -----------------------------------------------------------------------------------------------

  writeId(offset: number, id: StreamId): void {
    id.writeWords(this.words, this.at + offset)
  }

  get flags(): number {
    return this.words[this.at + R_FLAGS]!
  }

  set flags(flags: number) {
    this.words[this.at + R_FLAGS] = flags
  }

  /** Entries ever added. */
  get entriesAdded(): number | bigint {
    return readWords64(this.words, this.at + R_ADDED)
  }

  set entriesAdded(value: number | bigint) {
    writeWords64(this.words, this.at + R_ADDED, value)
  }

  // ---- entries --------------------------------------------------------------------------------------------------

  // Where the last `find()` found its entry: the next one is often a little behind it (XCLAIM, entry after entry).
  #foundChanges = -1
  #foundRegion: RegionWriter | undefined
  #foundNode = 0
  #foundOffset = 0
  readonly #foundId = new StreamId()

  override find(id: StreamId): boolean {
    if (!this.seekNode(id)) return false
    const { nodes, node } = this
    const { address } = nodes
    this.openNode(address)
    const behind =
      this.#foundChanges === nodeChanges &&
      this.#foundNode === address &&
      this.#foundRegion === this.region &&
      id.compare(this.#foundId) >= 0
    if (behind) node.toEntry(node.start + this.#foundOffset)
    while (node.next()) {
      const order = node.id.compare(id)
      if (order < 0 || (order === 0 && node.deleted)) continue
      if (order > 0) return false
      this.#foundChanges = nodeChanges
      this.#foundRegion = this.region
      this.#foundNode = address
      this.#foundOffset = node.flagsAt - node.start
      this.#foundId.copyFrom(id)
      return true
    }
    return false
  }

  /**
   * Appends an entry with an ID greater than the last one. Fields and values are arguments `first …` (field, value, field …).
   * @param nodeBytes stream-node-max-bytes. @param nodeEntries stream-node-max-entries. 0: no limit.
   * @returns false when the entry is too big; nothing has changed then.
   */
  append(
    id: StreamId,
    args: CommandArgs,
    first: number,
    fields: number,
    nodeBytes: number,
    nodeEntries: number,
  ): boolean {
    const { nodes, node, region } = this
    let size = 0
    for (let index = first; index < first + fields * 2; index++) size += args.end[index]! - args.start[index]!
    if (size > STREAM_NODE_BYTES_MAX) return false
    let opened = nodes.last()
    if (opened) {
      const address = nodes.address
      const used = region.memory.i32[address >>> 28]![(byteOffsetOf(address) >>> 2) + N_BYTES]! >>> 0
      const most = nodeBytes === 0 || nodeBytes > STREAM_NODE_BYTES_MAX ? STREAM_NODE_BYTES_MAX : nodeBytes
      if (used + size >= most) opened = false
      else {
        this.openHead(address)
        if (nodeEntries !== 0 && node.liveEntries + node.deletedEntries >= nodeEntries) opened = false
      }
      if (!opened) this.shrink(address)
    }
    if (opened) this.#appendToNode(id, args, first, fields)
    else this.#appendNode(id, args, first, fields)
    const added = this.entriesAdded
    this.entriesAdded = typeof added === 'number' && added < Number.MAX_SAFE_INTEGER ? added + 1 : BigInt(added) + 1n
    this.writeId(R_LAST, id)
    if (this.length === 1) this.writeId(R_FIRST, id)
    return true
  }

  /** Deletes the entry `id`. First ID and greatest deleted ID stay as they are. @returns false when there is none. */
  delete(id: StreamId): boolean {
    if (!this.find(id)) return false
    if (this.node.liveEntries <= 1) {
      this.removeNode()
      return true
    }
    this.beginMarks()
    this.mark()
    this.deleteMarked()
    return true
  }

  /**
   * Removes the oldest entries until `length` are left. @param approximate only whole nodes.
   * @param limit most entries to remove, 0 for no limit. @returns entries removed. When memory ends, that was behind whole nodes, which are gone.
   */
  trimToLength(length: number, approximate: boolean, limit: number): number {
    const { nodes } = this
    let removed = 0
    this.#firstLeft.setZero()
    try {
      while (nodes.first() && this.length > length) {
        const live = nodes.weight
        if (limit !== 0 && removed + live > limit) break
        if (this.length - live >= length) {
          this.removeNode()
          removed += live
          continue
        }
        if (!approximate) removed += this.#trimNode(this.length - length, undefined)
        break
      }
    } finally {
      this.#afterTrim(removed)
    }
    return removed
  }

  /** Removes the entries before `id`; see `trimToLength`. */
  trimToId(id: StreamId, approximate: boolean, limit: number): number {
    const { nodes } = this
    let removed = 0
    this.#firstLeft.setZero()
    try {
      while (nodes.first()) {
        const live = nodes.weight
        if (limit !== 0 && removed + live > limit) break
        if (this.#endsBefore(id)) {
          this.removeNode()
          removed += live
          continue
        }
        if (!approximate) removed += this.#trimNode(live, id)
        break
      }
    } finally {
      this.#afterTrim(removed)
    }
    return removed
  }

  /**
   * Removes the oldest entries until `length` are left, or those before `until` when it is given, of which `mayRemove` agrees
   * to each; see `trimToLength`. It is called once for every entry that is about to go, and must leave the entries alone.
   */
  trimAgreed(
    length: number,
    until: StreamId | undefined,
    approximate: boolean,
    limit: number,
    mayRemove: (id: StreamId) => boolean,
  ): number {
    const { nodes } = this
    let removed = 0
    try {
      for (let more = nodes.first(); more;) {
        const live = nodes.weight
        if (limit !== 0 && removed + live > limit) break
        const whole = until === undefined ? this.length - live >= length : this.#endsBefore(until)
        const most = until === undefined ? this.length - length : live
        if (most <= 0 || (!whole && approximate)) break
        const gone = this.#trimNode(most, until, mayRemove)
        removed += gone
        if (!whole) break
        more = gone === live ? this.removeNode() : nodes.next()
      }
    } finally {
      if (removed > 0) this.updateFirstId()
    }
    return removed
  }

  /** Sets the first ID to that of the first entry, 0-0 in an empty stream. */
  updateFirstId(): void {
    const id = new StreamId()
    if (this.length === 0) id.setZero()
    else this.edge(true, id)
    this.writeId(R_FIRST, id)
  }

  /** Adds a whole node behind the others (or wherever its ID belongs): the listpack `bytes[start .. end)`, copied. */
  addNode(id: StreamId, live: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { nodes, region } = this
    let append = true
    if (nodes.last()) {
      const address = nodes.address
      append = id.compareWords(region.memory.i32[address >>> 28]!, byteOffsetOf(address) >>> 2) > 0
      if (!append) {
        this.seekNode(id)
        const found = nodes.address
        const order = id.compareWords(region.memory.i32[found >>> 28]!, byteOffsetOf(found) >>> 2)
        if (order === 0) return false
        const made = this.makeNode(id, bytes, start, end, end - start)
        try {
          if (order > 0) nodes.insertAfter(made, live)
          else nodes.insertHere(made, live)
        } catch (error) {
          freeStreamNode(region, made)
          throw error
        }
        return true
      }
    }
    const made = this.makeNode(id, bytes, start, end, end - start)
    try {
      nodes.append(made, live)
    } catch (error) {
      freeStreamNode(region, made)
      throw error
    }
    return true
  }

  // ---- nodes ----------------------------------------------------------------------------------------------------

  #appendNode(id: StreamId, args: CommandArgs, first: number, fields: number): void {
    const buffer = this.#buffer
    buffer.begin()
    buffer.int32(1)
    buffer.int32(0)
    buffer.int32(fields)
    for (let index = first; index < first + fields * 2; index += 2) {
      buffer.string(args.bytes, args.start[index]!, args.end[index]!)
    }
    buffer.int32(0)
    this.#writeEntry(ZERO_DIFFERENCE, args, first, fields, true)
    buffer.finish()
    const { nodes, region } = this
    const room = Math.min(INLINE_LISTPACK_BYTES_MAX, grownRoom(buffer.length))
    const made = this.makeNode(id, buffer.bytes, 0, buffer.length, Math.max(room, buffer.length))
    try {
      nodes.append(made, 1)
    } catch (error) {
      freeStreamNode(region, made)
      throw error
    }
  }

  /** Appends to the node that `node` is open on and `nodes` stands on. */
  #appendToNode(id: StreamId, args: CommandArgs, first: number, fields: number): void {
    const { nodes, node } = this
    let same = node.masterFields === fields
    for (let field = 0, at = node.masterFieldsAt; same && field < fields; field++) {
      const index = first + field * 2
      at = node.matchField(at, args.bytes, args.start[index]!, args.end[index]!)
      same = at >= 0
    }
    this.#difference.setDifference(id, node.nodeId)
    const buffer = this.#buffer
    buffer.clear()
    this.#writeEntry(this.#difference, args, first, fields, same)
    const live = node.liveEntries + 1
    this.changeNode(nodes.address, live, node.deletedEntries, buffer.bytes, buffer.length, buffer.count)
    nodes.setWeight(live)
  }

  #writeEntry(difference: StreamId, args: CommandArgs, first: number, fields: number, same: boolean): void {
    const buffer = this.#buffer
    buffer.int32(same ? STREAM_ENTRY_SAME_FIELDS : 0)
    buffer.integer(difference.msLo, difference.msHi)
    buffer.integer(difference.seqLo, difference.seqHi)
    if (!same) buffer.int32(fields)
    for (let index = first; index < first + fields * 2; index++) {
      if (same && (index - first) % 2 === 0) continue
      buffer.string(args.bytes, args.start[index]!, args.end[index]!)
    }
    buffer.int32(same ? fields + 3 : fields * 2 + 4)
  }

  /** Is the last entry, deleted or not, of the node that `nodes` stands on older than `id`? */
  #endsBefore(id: StreamId): boolean {
    const { node } = this
    this.openNode(this.nodes.address)
    node.toEnd()
    return node.previous() && node.id.compare(id) < 0
  }

  /**
   * Marks the oldest entries of the node that `nodes` stands on as deleted: up to `count`, with `until` only those before
   * it, with `mayRemove` only those it agrees to. @returns how many.
   */
  #trimNode(count: number, until: StreamId | undefined, mayRemove?: (id: StreamId) => boolean): number {
    const { nodes, node } = this
    this.openNode(nodes.address)
    this.beginMarks()
    let marked = 0
    let isSome: boolean
    while ((isSome = node.next())) {
      if (node.deleted) continue
      if (marked === count || (until !== undefined && node.id.compare(until) >= 0)) break
      if (mayRemove !== undefined && !mayRemove(node.id)) continue
      this.mark()
      marked++
    }
    // Redis writes the counts even when nothing was marked: they may be spelled longer in a foreign snapshot.
    this.deleteMarked()
    if (isSome) this.#firstLeft.copyFrom(node.id)
    return marked
  }

  #afterTrim(removed: number): void {
    if (removed > 0 && !this.#firstLeft.isZero) this.writeId(R_FIRST, this.#firstLeft)
    else if (this.length === 0 || removed > 0) this.updateFirstId()
  }
}

const ZERO_DIFFERENCE = new StreamId()
/** The int64 in two words; a bigint beyond 2^53. */
export function readWords64(words: Int32Array, at: number): number | bigint {
  const hi = words[at + 1]!
  const value = hi * TWO_32 + (words[at]! >>> 0)
  return Number.isSafeInteger(value) ? value : (BigInt(hi) << 32n) | BigInt(words[at]! >>> 0)
}

/** Writes an int64 to two words; what is beyond wraps around. */
export function writeWords64(words: Int32Array, at: number, value: number | bigint): void {
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    words[at] = value | 0
    words[at + 1] = Math.floor(value / TWO_32) | 0
    return
  }
  const exact = BigInt.asUintN(64, BigInt(value))
  words[at] = Number(exact & 0xffff_ffffn) | 0
  words[at + 1] = Number(exact >> 32n) | 0
}
