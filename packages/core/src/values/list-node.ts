/**
 * The nodes a list consists of: one block of the arena each. Making, editing and freeing single nodes; their order is
 * `list-value.ts`.
 *
 *   packed node   [ end:16 | start:16 ] [ items ] … free … | item | item | … free …
 *                                                          start           end         byte offsets in the block
 *                 Items are those of a listpack (encoding/listpack.ts), without its header and end byte. With room on either
 *                 side of them, pushing and popping moves nothing: in shared memory moving 4 KiB costs 1 us.
 *   long node     [ -1 | length low | length high | root ]     one element that is too long for a packed node: its bytes are
 *                                                              in the nodes of node-value.ts, same region
 *
 * Positions (`at`) are byte offsets in the block. How much goes into a node is the rule of redis 7.0 quicklist.c
 * _quicklistNodeAllowInsert(), with 16 KiB in the place of what is beyond.
 */
import { LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import { listpackItemBytes, listpackWriteItem } from '../encoding/listpack-edit.ts'
import type { LazyFree } from '../keyspace/lazy-free.ts'
import { NodeValue } from '../keyspace/node-value.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { copyBytes, moveBytes, viewOf } from '../memory/copy-bytes.ts'
import { roomOf } from '../memory/arena.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { copyRange } from '../memory/copy-range.ts'

const TWO_32: number = 2 ** 32
/** First word of a long node. */
const LONG = -1
const LONG_NODE_BYTES = 16
/** Word of its root. */
export const LONG_NODE_ROOT = 3
/** Where the items of a packed node can begin. */
export const LIST_NODE_HEADER_BYTES = 8
/** Blocks shorter than this are not replaced by shorter ones. */
const SHRUNK_FROM_BYTES = 64
/** Free room that a block gets when it grows, as a part of its length: from so many bytes a quarter, else an eighth. */
const QUARTER_FROM_BYTES = 256
/** Long values with more nodes than this are freed in slices. */
const LONG_NODES_FREED_AT_ONCE = 64
/**
 * Longest listpack of a list that stands in its record: every rule allows a first node of so many bytes, and taking an element from
 * its front moves the rest.
 */
export const PACKED_LIST_BYTES_MAX = 1024
/** list-max-listpack-size -1 … -5, in bytes. */
const FILL_BYTES: readonly number[] = [4096, 8192, 16_384, 32_768, 65_536]
/** What a node may have when the directive counts elements. */
const FILL_SAFETY_BYTES = 8192
const FILL_ITEMS_MAX = 32_767

const nodes = new NodeValue()

/** Limits of one listpack node. */
export interface ListNodeRule {
  readonly bytesMax: number
  readonly itemsMax: number
}

/** The rule of a value of list-max-listpack-size. */
export function listNodeRule(listMaxListpackSize: number): ListNodeRule {
  if (listMaxListpackSize >= 0) {
    return { bytesMax: FILL_SAFETY_BYTES, itemsMax: Math.min(listMaxListpackSize, FILL_ITEMS_MAX) }
  }
  const bytes = FILL_BYTES[Math.min(-listMaxListpackSize, FILL_BYTES.length) - 1]!
  return { bytesMax: Math.min(bytes, BLOCK_BYTES_MAX), itemsMax: FILL_ITEMS_MAX }
}

// ---- the element at hand ------------------------------------------------------------------------------------------

// Registers of `prepareElement`: the element that the next call inserts.
let source: Uint8Array = new Uint8Array(0)
let sourceStart = 0
let sourceEnd = 0
/** Bytes it takes in a listpack. */
export let elementBytes = 0

/** Takes `bytes[start .. end)` as the element to insert next; borrowed until then. It must not lie in the arena. */
export function prepareElement(bytes: Uint8Array, start: number, end: number): void {
  source = bytes
  sourceStart = start
  sourceEnd = end
  elementBytes = listpackItemBytes(bytes, start, end)
}

/** Does the prepared element fit a packed node of its own? */
export function elementFitsNode(): boolean {
  return LIST_NODE_HEADER_BYTES + elementBytes <= BLOCK_BYTES_MAX
}

/** Does the prepared element still go into a packed list of so many bytes and elements? */
export function packedListTakes(bytes: number, items: number, rule: ListNodeRule): boolean {
  return (items === 0 || items < rule.itemsMax) && packedListTakesBytes(bytes)
}

/** Does it, when it is one element instead of another? @param bytes without that one. */
export function packedListTakesBytes(bytes: number): boolean {
  return bytes + elementBytes <= PACKED_LIST_BYTES_MAX
}

/** Writes the prepared element at `target[at]`. @param view over the same bytes. */
export function writeElement(target: Uint8Array, view: DataView, at: number): void {
  listpackWriteItem(source, sourceStart, sourceEnd, target, at, view)
}

// ---- reading ------------------------------------------------------------------------------------------------------

export function isLongNode(view: RegionView, address: number): boolean {
  return view.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! < 0
}

/** Where the items of a packed node begin. */
export function nodeStart(view: RegionView, address: number): number {
  return view.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! & 0xffff
}

/** Where the items of a packed node end. */
export function nodeEnd(view: RegionView, address: number): number {
  return view.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! >>> 16
}

/** Elements of a node. */
export function nodeItems(view: RegionView, address: number): number {
  const at = byteOffsetOf(address) >>> 2
  const words = view.memory.i32[address >>> 28]!
  return words[at]! < 0 ? 1 : words[at + 1]!
}

/** The value of a long node, opened; borrowed until the next call. */
export function longNodeValue(region: RegionView, address: number): NodeValue {
  const words = region.memory.i32[address >>> 28]!
  const at = byteOffsetOf(address) >>> 2
  return nodes.open(region, words[at + LONG_NODE_ROOT]!, (words[at + 1]! >>> 0) + words[at + 2]! * TWO_32)
}

/** Does the prepared element still go into this node? */
export function nodeTakes(view: RegionView, address: number, rule: ListNodeRule): boolean {
  const at = byteOffsetOf(address) >>> 2
  const words = view.memory.i32[address >>> 28]!
  const span = words[at]!
  if (span < 0) return false
  const used = LIST_NODE_HEADER_BYTES + (span >>> 16) - (span & 0xffff)
  return used + elementBytes <= rule.bytesMax && words[at + 1]! < rule.itemsMax
}

// ---- making and editing -------------------------------------------------------------------------------------------

/** A node of the prepared element alone. */
export function makeNode(region: RegionWriter): number {
  if (!elementFitsNode()) return makeLongNode(region)
  const address = region.arena.allocate(LIST_NODE_HEADER_BYTES + elementBytes)
  writeHeader(region, address, LIST_NODE_HEADER_BYTES, LIST_NODE_HEADER_BYTES + elementBytes, 1)
  writeElementInto(region, address, LIST_NODE_HEADER_BYTES)
  return address
}

function writeElementInto(region: RegionWriter, address: number, at: number): void {
  const { u8, views } = region.memory
  const segment = address >>> 28
  writeElement(u8[segment]!, views[segment]!, byteOffsetOf(address) + at)
}

function makeLongNode(region: RegionWriter): number {
  const address = region.arena.allocate(LONG_NODE_BYTES)
  const value = nodes.open(region, 0, 0)
  try {
    value.fill(source, sourceStart, sourceEnd)
  } catch (error) {
    region.arena.free(address)
    throw error
  }
  writeLongNode(region, address, value)
  return address
}

function writeLongNode(region: RegionWriter, address: number, value: NodeValue): void {
  const words = region.memory.i32[address >>> 28]!
  const at = byteOffsetOf(address) >>> 2
  words[at] = LONG
  words[at + 1] = value.length | 0
  words[at + 2] = Math.floor(value.length / TWO_32)
  words[at + 3] = value.root
}

/** A node of the items of the whole listpack `bytes[start .. end)`, which has at most 16 KiB. */
export function makePackedNode(
  region: RegionWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
  items: number,
): number {
  const first = start + LISTPACK_HEADER_BYTES
  const used = end - 1 - first
  const address = region.arena.allocate(LIST_NODE_HEADER_BYTES + used)
  const target = byteOffsetOf(address) + LIST_NODE_HEADER_BYTES
  const { memory } = region
  copyBytes(bytes, viewOf(bytes), first, end - 1, memory.u8[address >>> 28]!, memory.views[address >>> 28]!, target)
  writeHeader(region, address, LIST_NODE_HEADER_BYTES, LIST_NODE_HEADER_BYTES + used, items)
  return address
}

/** Where the last change of a node left the new item, or what stands behind the removed ones. */
export let changedAt = 0

/** Inserts the prepared element before the item (or end) at `at` of a node that takes it. @returns the node's address now. */
export function insertItem(region: RegionWriter, address: number, at: number, rule: ListNodeRule): number {
  const made = resizeGap(region, address, at, at, elementBytes, rule.bytesMax, 1)
  writeElementInto(region, made, changedAt)
  return made
}

/** Puts the prepared element in the place of the item at [at, next) of a packed node. @returns the node's address now. */
export function replaceItem(
  region: RegionWriter,
  address: number,
  at: number,
  next: number,
  rule: ListNodeRule,
): number {
  const made = resizeGap(region, address, at, next, elementBytes, rule.bytesMax, 0)
  writeElementInto(region, made, changedAt)
  return made
}

/** Removes the `items` items at [at, next), but not all, of a packed node. @returns the node's address now. */
export function removeItems(region: RegionWriter, address: number, at: number, next: number, items: number): number {
  return resizeGap(region, address, at, next, 0, BLOCK_BYTES_MAX, -items)
}

/** A new node with the items of a packed node from `at` on, of which `before` stand before; the node is as it was. */
export function copyBehind(region: RegionWriter, address: number, at: number, before: number): number {
  const used = nodeEnd(region, address) - at
  const made = region.arena.allocate(LIST_NODE_HEADER_BYTES + used)
  const from = byteOffsetOf(address) + at
  const bytes = region.memory.u8[address >>> 28]!
  copyRange(bytes, from, from + used, region.memory.u8[made >>> 28]!, byteOffsetOf(made) + LIST_NODE_HEADER_BYTES)
  writeHeader(region, made, LIST_NODE_HEADER_BYTES, LIST_NODE_HEADER_BYTES + used, nodeItems(region, address) - before)
  return made
}

/** Ends a packed node before the item at `at`, behind `items` of them (not 0). @returns the node's address now. */
export function truncateNode(region: RegionWriter, address: number, at: number, items: number): number {
  return removeItems(region, address, at, nodeEnd(region, address), nodeItems(region, address) - items)
}

/**
 * Replaces bytes [at, next) of a packed node by `inserted` undefined ones, at `changedAt`. What is nearer to its end of the node
 * moves; when there is no room at that end, all do, within the block or to another.
 * @returns the node's address now.
 */
function resizeGap(
  region: RegionWriter,
  address: number,
  at: number,
  next: number,
  inserted: number,
  bytesMax: number,
  itemsMore: number,
): number {
  const { arena, memory } = region
  memory.keep(address)
  const base = byteOffsetOf(address)
  const words = memory.i32[address >>> 28]!
  const start = words[base >>> 2]! & 0xffff
  const end = words[base >>> 2]! >>> 16
  const items = words[(base >>> 2) + 1]! + itemsMore
  const more = inserted - (next - at)
  const used = end - start + more
  const need = LIST_NODE_HEADER_BYTES + used
  const room = roomOf(memory, address)
  const atFront = at - start < end - next
  const bytes = memory.u8[address >>> 28]!
  const view = memory.views[address >>> 28]!
  const wasteful = need <= room >>> 1 && room > SHRUNK_FROM_BYTES
  if (!wasteful && (atFront ? start - more >= LIST_NODE_HEADER_BYTES : end + more <= room)) {
    if (atFront) {
      if (more !== 0 && at > start) moveBytes(bytes, view, base + start, base + at, base + start - more)
      changedAt = at - more
      writeHeader(region, address, start - more, end, items)
    } else {
      if (more !== 0 && end > next) moveBytes(bytes, view, base + next, base + end, base + next + more)
      changedAt = at
      writeHeader(region, address, start, end + more, items)
    }
    return address
  }
  let made = address
  const slack = need >>> (need >= QUARTER_FROM_BYTES ? 2 : 3)
  if (wasteful || room - need < used >>> 3) {
    const wanted = need + slack > bytesMax && room < bytesMax ? Math.max(need, bytesMax) : need + slack
    try {
      made = arena.allocate(Math.min(wanted, BLOCK_BYTES_MAX))
    } catch (error) {
      // No memory for a better block: the old one may serve.
      if (need > room) throw error
    }
  }
  const newStart = atFront ? (made === address ? room : roomOf(memory, made)) - used : LIST_NODE_HEADER_BYTES
  const to = byteOffsetOf(made)
  changedAt = newStart + (at - start)
  const behind = changedAt + inserted
  if (made !== address) {
    const target = memory.u8[made >>> 28]!
    const targetView = memory.views[made >>> 28]!
    copyBytes(bytes, view, base + start, base + at, target, targetView, to + newStart)
    copyBytes(bytes, view, base + next, base + end, target, targetView, to + behind)
    arena.free(address)
  } else if (behind > next) {
    moveBytes(bytes, view, base + next, base + end, base + behind)
    moveBytes(bytes, view, base + start, base + at, base + newStart)
  } else {
    moveBytes(bytes, view, base + start, base + at, base + newStart)
    moveBytes(bytes, view, base + next, base + end, base + behind)
  }
  writeHeader(region, made, newStart, newStart + used, items)
  return made
}

function writeHeader(region: RegionWriter, address: number, start: number, end: number, items: number): void {
  const words = region.memory.i32[address >>> 28]!
  const at = byteOffsetOf(address) >>> 2
  words[at] = (end << 16) | start
  words[at + 1] = items
}

/** Frees a node. @param lazyFree takes what is too long to be freed at once; without it everything is freed now. */
export function freeNode(region: RegionWriter, address: number, lazyFree: LazyFree | undefined): void {
  if (isLongNode(region, address)) {
    const value = longNodeValue(region, address)
    if (lazyFree !== undefined && value.nodeCount > LONG_NODES_FREED_AT_ONCE) {
      lazyFree.addNodes(region, value.root, value.length)
    } else value.freeNodes(0, value.nodeCount)
  }
  region.arena.free(address)
}

const copyBuffer: Uint8Array = new Uint8Array(BLOCK_BYTES_MAX)
const copiedNodes = new NodeValue()

/** Copies a node to a region, which may be another. When memory ends, nothing is left behind. */
export function copyNode(region: RegionWriter, address: number, target: RegionWriter): number {
  if (!isLongNode(region, address)) {
    const start = nodeStart(region, address)
    const used = nodeEnd(region, address) - start
    const made = target.arena.allocate(LIST_NODE_HEADER_BYTES + used)
    const from = byteOffsetOf(address) + start
    const bytes = region.memory.u8[address >>> 28]!
    copyRange(bytes, from, from + used, target.memory.u8[made >>> 28]!, byteOffsetOf(made) + LIST_NODE_HEADER_BYTES)
    writeHeader(target, made, LIST_NODE_HEADER_BYTES, LIST_NODE_HEADER_BYTES + used, nodeItems(region, address))
    return made
  }
  const made = target.arena.allocate(LONG_NODE_BYTES)
  const value = longNodeValue(region, address)
  const copy = copiedNodes.open(target, 0, 0)
  try {
    for (let at = 0; at < value.length; at += BLOCK_BYTES_MAX) {
      const count = Math.min(BLOCK_BYTES_MAX, value.length - at)
      value.read(at, at + count, copyBuffer, 0)
      copy.append(copyBuffer, 0, count)
    }
  } catch (error) {
    copy.freeNodes(0, copy.nodeCount)
    target.arena.free(made)
    throw error
  }
  writeLongNode(target, made, copy)
  return made
}

/** Bytes of all blocks of a node. */
export function nodeFootprint(region: RegionView, address: number): number {
  const own = roomOf(region.memory, address)
  return isLongNode(region, address) ? own + longNodeValue(region, address).footprint() : own
}
