/**
 * Making and measuring records (see the drawing in layout.ts). Used by the keyspace and by the bulk writer.
 */
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { Entry } from './entry.ts'
import { FLAG_CHUNKED, FLAG_EXPIRE, FLAG_LONG_KEY, headerBytes, VALUE_FLAGS, VALUE_LENGTH_BITS } from './layout.ts'
import { NodeValue } from './node-value.ts'
import type { RegionView } from './region-view.ts'
import type { RegionWriter } from './region-writer.ts'

/** Keys longer than this are kept in nodes. */
export const INLINE_KEY_BYTES_MAX = 8192
const TWO_32: number = 2 ** 32

const nodesOfNewRecord = new NodeValue()

/**
 * Allocates a record and writes header and key. The value is left to the caller; when it does not fit inline (or
 * `forceChunks`) the record is chunked with no nodes yet. When memory ends, nothing is left behind.
 */
export function createRecord(
  region: RegionWriter,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  rdbType: number,
  flags: number,
  valueLength: number,
  expireAtMs: number,
  accessBits: number,
  forceChunks: boolean,
): number {
  const keyLength = keyEnd - keyStart
  let all = flags & (VALUE_FLAGS | FLAG_EXPIRE)
  let keyInline = keyLength
  let keyRoot = 0
  if (keyLength > INLINE_KEY_BYTES_MAX) {
    all |= FLAG_LONG_KEY
    keyInline = 0
    const nodes = nodesOfNewRecord.open(region, 0, 0)
    nodes.fill(key, keyStart, keyEnd)
    keyRoot = nodes.root
  }
  if (forceChunks || headerBytes(all) + keyInline + valueLength > BLOCK_BYTES_MAX) all |= FLAG_CHUNKED
  const inlineValue = (all & FLAG_CHUNKED) === 0 ? valueLength : 0
  let address: number
  try {
    address = region.arena.allocate(headerBytes(all) + keyInline + inlineValue)
  } catch (error) {
    if (keyRoot !== 0) nodesOfNewRecord.open(region, keyRoot, keyLength).freeNodes(0, nodesOfNewRecord.nodeCount)
    throw error
  }
  const words = region.memory.i32[address >>> 28]!
  let at = byteOffsetOf(address) >>> 2
  words[at] = (keyInline << 16) | (all << 8) | rdbType
  words[at + 1] = (accessBits << VALUE_LENGTH_BITS) | inlineValue
  at += 2
  if ((all & FLAG_EXPIRE) !== 0) {
    writeTime(words, at, expireAtMs)
    at += 2
  }
  if ((all & FLAG_LONG_KEY) !== 0) {
    words[at] = keyLength | 0
    words[at + 1] = keyRoot
    at += 2
  }
  if ((all & FLAG_CHUNKED) !== 0) {
    words.fill(0, at, at + 4)
    words[at + 3] = region.index
    at += 4
  }
  copyIntoRegion(region, address >>> 28, at << 2, key, keyStart, keyStart + keyInline)
  return address
}

/**
 * Makes a record of a key and a whole value that fit one block (`inlineBytes` at most BLOCK_BYTES_MAX, key at most
 * INLINE_KEY_BYTES_MAX): the way of nearly all keys, so everything is done in one go.
 */
export function createInlineRecord(
  region: RegionWriter,
  inlineBytes: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  rdbType: number,
  flags: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
  expireAtMs: number,
  accessBits: number,
): number {
  const address = region.arena.allocate(inlineBytes)
  const segment = address >>> 28
  const words = region.memory.i32[segment]!
  const bytes = region.memory.u8[segment]!
  const view = region.memory.views[segment]!
  const at = byteOffsetOf(address) >>> 2
  words[at] = ((keyEnd - keyStart) << 16) | (flags << 8) | rdbType
  words[at + 1] = (accessBits << VALUE_LENGTH_BITS) | (valueEnd - valueStart)
  let offset = (at + 2) << 2
  if ((flags & FLAG_EXPIRE) !== 0) {
    writeTime(words, at + 2, expireAtMs)
    offset += 8
  }
  copyBytes(key, viewOf(key), keyStart, keyEnd, bytes, view, offset)
  copyBytes(value, viewOf(value), valueStart, valueEnd, bytes, view, offset + (keyEnd - keyStart))
  return address
}

/** Writes a whole value into a fresh record. When memory ends, the record has no nodes. */
export function fillValue(region: RegionWriter, address: number, value: Uint8Array, start: number, end: number): void {
  const flags = recordFlags(region, address)
  if ((flags & FLAG_CHUNKED) === 0) {
    const keyInline = region.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! >>> 16
    const at = byteOffsetOf(address) + headerBytes(flags) + keyInline
    copyIntoRegion(region, address >>> 28, at, value, start, end)
    return
  }
  const nodes = nodesOfNewRecord.open(region, 0, 0)
  nodes.fill(value, start, end)
  writeChunks(region.memory.i32[address >>> 28]!, chunksAt(address, flags), nodes, region.index)
}

export function recordFlags(region: RegionView, address: number): number {
  return (region.memory.i32[address >>> 28]![byteOffsetOf(address) >>> 2]! >>> 8) & 0xff
}

/** Word index of the four chunk words of a record. */
export function chunksAt(address: number, flags: number): number {
  return (byteOffsetOf(address) + headerBytes(flags & (FLAG_EXPIRE | FLAG_LONG_KEY))) >>> 2
}

export function writeChunks(words: Int32Array, at: number, nodes: NodeValue, owner: number): void {
  words[at] = nodes.length | 0
  words[at + 1] = Math.floor(nodes.length / TWO_32)
  words[at + 2] = nodes.root
  words[at + 3] = owner
}

/** Writes the descriptor of a large value into the record that was made for it. */
export function writeDescriptor(
  region: RegionWriter,
  address: number,
  descriptor: Int32Array,
  from: number,
  count: number,
): void {
  const words = region.memory.i32[address >>> 28]!
  const offset = byteOffsetOf(address)
  const word0 = words[offset >>> 2]!
  const at = (offset + headerBytes((word0 >>> 8) & 0xff) + (word0 >>> 16) + 3) >>> 2
  for (let i = 0; i < count; i++) words[at + i] = descriptor[from + i]!
}

/** A time beyond 63 bits (rounding can lead there) becomes the end of time, not the distant past. */
export function writeTime(words: Int32Array, at: number, expireAtMs: number): void {
  const high = Math.floor(expireAtMs / TWO_32)
  if (high > 0x7fff_ffff) {
    // The largest float64 below 2^63.
    words[at] = -1024
    words[at + 1] = 0x7fff_ffff
  } else {
    words[at] = expireAtMs | 0
    words[at + 1] = high
  }
}

/** When the key of a record expires, in milliseconds since 1970; the record has FLAG_EXPIRE. */
export function expireTimeOf(region: RegionView, address: number): number {
  const words = region.memory.i32[address >>> 28]!
  const at = (byteOffsetOf(address) >>> 2) + 2
  return (words[at]! >>> 0) + words[at + 1]! * TWO_32
}

/** Bytes of the key that stand in the record itself. */
export function inlineKeyBytes(entry: Entry): number {
  return (entry.flags & FLAG_LONG_KEY) === 0 ? entry.keyLength : 0
}

/** Copies bytes from outside into a segment of a region. */
export function copyIntoRegion(
  region: RegionWriter,
  segment: number,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  copyBytes(source, viewOf(source), start, end, region.memory.u8[segment]!, region.memory.views[segment]!, at)
}
