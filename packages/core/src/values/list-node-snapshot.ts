/**
 * A node of a list as it stands in a snapshot: a container's number and a string, which is a listpack of elements or one plain
 * element. A long element is never put together in memory.
 *
 * Source: redis 7.0 rdb.c rdbSaveObject().
 */
import { LISTPACK_END, LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import {
  LISTPACK_EMPTY_BYTES,
  listpackCreate,
  listpackWriteBackLength,
  listpackWriteHeader,
} from '../encoding/listpack-edit.ts'
import type { NodeValue } from '../keyspace/node-value.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import { isLongNode, longNodeValue, nodeEnd, nodeItems, nodeStart } from './list-node.ts'

export const CONTAINER_PLAIN = 1
const CONTAINER_PACKED = 2
/** Longer elements are written as plain nodes: redis 7.0 quicklist.c packed_threshold. */
const PLAIN_FROM_BYTES: number = 2 ** 30
/** First byte of a listpack's item whose length follows in four bytes. */
const LONG_ITEM = 0xf0
/** What stands before the element when it is the only one of a listpack: header, encoding and length. */
const BEFORE_BYTES: number = LISTPACK_HEADER_BYTES + 5
/** And behind it: length of the item, for walking backwards, and the end. */
const BEHIND_BYTES_MAX: number = 5 + 1

const nodeBuffer: Uint8Array = new Uint8Array(BLOCK_BYTES_MAX + LISTPACK_EMPTY_BYTES)

export function writeListNode(region: RegionView, node: number, out: RdbWriter): void {
  if (!isLongNode(region, node)) return writePackedNode(region, node, out)
  const value = longNodeValue(region, node)
  const isPlain = value.length >= PLAIN_FROM_BYTES
  out.count(isPlain ? CONTAINER_PLAIN : CONTAINER_PACKED)
  out.stringOf(isPlain ? value : new ListpackOfOne(value))
}

function writePackedNode(region: RegionView, node: number, out: RdbWriter): void {
  const start = nodeStart(region, node)
  const used = nodeEnd(region, node) - start
  const from = byteOffsetOf(node) + start
  const end = LISTPACK_HEADER_BYTES + used
  listpackCreate(nodeBuffer, 0)
  listpackWriteHeader(nodeBuffer, 0, end + 1, nodeItems(region, node))
  nodeBuffer.set(region.memory.u8[node >>> 28]!.subarray(from, from + used), LISTPACK_HEADER_BYTES)
  nodeBuffer[end] = LISTPACK_END
  out.count(CONTAINER_PACKED)
  out.string(nodeBuffer, 0, end + 1)
}

/** A list that is one listpack, `bytes[start .. end)`. */
export function writePackedList(bytes: Uint8Array, start: number, end: number, out: RdbWriter): void {
  out.count(1)
  out.count(CONTAINER_PACKED)
  out.string(bytes, start, end)
}

/** A listpack whose one element is in nodes: its bytes, without a place where they all are. */
class ListpackOfOne implements ValueSource {
  readonly lengthBytes: number
  readonly #value: NodeValue
  readonly #before: Uint8Array = new Uint8Array(BEFORE_BYTES)
  readonly #behind: Uint8Array = new Uint8Array(BEHIND_BYTES_MAX)

  constructor(value: NodeValue) {
    const { length } = value
    const behindBytes = listpackWriteBackLength(length + 5, this.#behind, 0)
    this.#behind[behindBytes] = LISTPACK_END
    this.#value = value
    this.lengthBytes = BEFORE_BYTES + length + behindBytes + 1
    const before = this.#before
    listpackWriteHeader(before, 0, this.lengthBytes, 1)
    before[LISTPACK_HEADER_BYTES] = LONG_ITEM
    for (let i = 0; i < 4; i++) before[LISTPACK_HEADER_BYTES + 1 + i] = length >>> (8 * i)
  }

  copy(offset: number, target: Uint8Array, at: number, count: number): void {
    const { length } = this.#value
    const to = offset + count
    const first = Math.min(Math.max(offset, BEFORE_BYTES), to)
    const last = Math.min(Math.max(offset, BEFORE_BYTES + length), to)
    target.set(this.#before.subarray(offset, first), at)
    if (last > first) this.#value.read(first - BEFORE_BYTES, last - BEFORE_BYTES, target, at + first - offset)
    const behind = BEFORE_BYTES + length
    if (to > last) target.set(this.#behind.subarray(last - behind, to - behind), at + last - offset)
  }
}
