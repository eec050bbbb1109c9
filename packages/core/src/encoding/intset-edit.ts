/**
 * Intset: finding and changing integers, in memory that has room behind the intset. Integers come as two int32 halves. The
 * layout is drawn in intset.ts; follows redis 7.0 intset.c (an intset becomes wider when it must, never narrower).
 */
import { INTSET_HEADER_BYTES, intsetCount } from './intset.ts'
import { moveBytes, viewOf } from '../memory/copy-bytes.ts'

/** Bytes per integer that `hi:lo` needs: 2, 4 or 8. */
export function intsetWidthFor(lo: number, hi: number): number {
  if (hi !== lo >> 31) return 8
  return lo === (lo << 16) >> 16 ? 2 : 4
}

/** Bytes per integer. */
export function intsetWidth(bytes: Uint8Array, start: number): number {
  return bytes[start]!
}

/** Writes an empty intset at `target[at]`. @returns the position behind it. */
export function intsetCreate(target: Uint8Array, at: number): number {
  target.fill(0, at, at + INTSET_HEADER_BYTES)
  target[at] = 2
  return at + INTSET_HEADER_BYTES
}

function loAt(bytes: Uint8Array, at: number, width: number): number {
  if (width === 2) return ((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function hiAt(bytes: Uint8Array, at: number, width: number, lo: number): number {
  return width === 8 ? loAt(bytes, at + 4, 4) : lo >> 31
}

/** Index of the integer `hi:lo`, or `-1 - index` of where it belongs. */
export function intsetSearch(bytes: Uint8Array, start: number, lo: number, hi: number): number {
  const width = bytes[start]!
  let low = 0
  let high = intsetCount(bytes, start) - 1
  const wantedLo = lo >>> 0
  while (low <= high) {
    const middle = (low + high) >>> 1
    const at = start + INTSET_HEADER_BYTES + middle * width
    const foundLo = loAt(bytes, at, width)
    const foundHi = hiAt(bytes, at, width, foundLo)
    if (foundHi === hi && foundLo === lo) return middle
    if (foundHi < hi || (foundHi === hi && foundLo >>> 0 < wantedLo)) low = middle + 1
    else high = middle - 1
  }
  return -1 - low
}

/** Inserts `hi:lo`, which fits the width, before integer `index`; there is room for one more. */
export function intsetInsert(bytes: Uint8Array, start: number, index: number, lo: number, hi: number): void {
  const width = bytes[start]!
  const count = intsetCount(bytes, start)
  const at = start + INTSET_HEADER_BYTES + index * width
  moveBytes(bytes, viewOf(bytes), at, start + INTSET_HEADER_BYTES + count * width, at + width)
  writeAt(bytes, at, width, lo, hi)
  writeCount(bytes, start, count + 1)
}

/** Removes integer `index`. */
export function intsetRemove(bytes: Uint8Array, start: number, index: number): void {
  const width = bytes[start]!
  const count = intsetCount(bytes, start)
  const at = start + INTSET_HEADER_BYTES + index * width
  moveBytes(bytes, viewOf(bytes), at + width, start + INTSET_HEADER_BYTES + count * width, at)
  writeCount(bytes, start, count - 1)
}

/** Makes all integers `width` bytes wide; there is room. */
export function intsetWiden(bytes: Uint8Array, start: number, width: number): void {
  const before = bytes[start]!
  for (let index = intsetCount(bytes, start) - 1; index >= 0; index--) {
    const from = start + INTSET_HEADER_BYTES + index * before
    const lo = loAt(bytes, from, before)
    writeAt(bytes, start + INTSET_HEADER_BYTES + index * width, width, lo, hiAt(bytes, from, before, lo))
  }
  bytes[start] = width
}

function writeAt(bytes: Uint8Array, at: number, width: number, lo: number, hi: number): void {
  for (let i = 0; i < width && i < 4; i++) bytes[at + i] = lo >> (8 * i)
  for (let i = 4; i < width; i++) bytes[at + i] = hi >> (8 * (i - 4))
}

function writeCount(bytes: Uint8Array, start: number, count: number): void {
  for (let i = 0; i < 4; i++) bytes[start + 4 + i] = count >>> (8 * i)
}
