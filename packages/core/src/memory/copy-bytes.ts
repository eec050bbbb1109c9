/**
 * Copying and comparing the byte ranges that keys and values are, most of them short. Four bytes at a time through DataViews, which
 * read unaligned: 8 ns for 16 bytes against 33 ns byte by byte; native calls pay off only for longer ranges (copy-range.ts).
 */

import { copyRange, moveRange } from './copy-range.ts'
import { NO_BYTES, NO_VIEW, noteModuleViews } from './view-holders.ts'

/** Longest range that is copied from one array to another without a native call. */
const SHORT_BYTES_MAX = 512
/** The same of one that is moved in its array … */
const MOVED_BYTES_MAX = 768
/** … and of one whose ends lie alike in their words: the native call copies words then, and needs no view of the source. */
const SHORT_ALIKE_BYTES_MAX = 64

// The arrays that were asked for last, newest first, and their views. Variables, not an array of them: a hit is one comparison.
let bytes0: Uint8Array = NO_BYTES
let bytes1: Uint8Array = NO_BYTES
let bytes2: Uint8Array = NO_BYTES
let bytes3: Uint8Array = NO_BYTES
let view0: DataView = NO_VIEW
let view1: DataView = NO_VIEW
let view2: DataView = NO_VIEW
let view3: DataView = NO_VIEW

noteModuleViews(() => {
  bytes0 = bytes1 = bytes2 = bytes3 = NO_BYTES
  view0 = view1 = view2 = view3 = NO_VIEW
})

/**
 * A DataView over the same bytes. The last four that were made are remembered: commands of one buffer come one after the other, and a
 * loader takes keys from its window, and values from there, from where they were unpacked, and from where they were built.
 */
export function viewOf(bytes: Uint8Array): DataView {
  if (bytes === bytes0) return view0
  if (bytes === bytes1) return view1
  if (bytes === bytes2) return view2
  if (bytes === bytes3) return view3
  return makeView(bytes)
}

function makeView(bytes: Uint8Array): DataView {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  bytes3 = bytes2
  view3 = view2
  bytes2 = bytes1
  view2 = view1
  bytes1 = bytes0
  view1 = view0
  bytes0 = bytes
  view0 = view
  return view
}

/** Copies `source[start .. end)` to `target[at …)`; the views cover the same bytes as the arrays. */
export function copyBytes(
  source: Uint8Array,
  sourceView: DataView,
  start: number,
  end: number,
  target: Uint8Array,
  targetView: DataView,
  at: number,
): void {
  const length = end - start
  if (length > SHORT_ALIKE_BYTES_MAX && source === target && areAlike(start, at)) {
    target.copyWithin(at, start, end)
    return
  }
  if (length > SHORT_BYTES_MAX) {
    copyRange(source, start, end, target, at)
    return
  }
  let from = start
  let to = at
  for (const last = end - 16; from <= last; from += 16, to += 16) {
    targetView.setInt32(to, sourceView.getInt32(from, true), true)
    targetView.setInt32(to + 4, sourceView.getInt32(from + 4, true), true)
    targetView.setInt32(to + 8, sourceView.getInt32(from + 8, true), true)
    targetView.setInt32(to + 12, sourceView.getInt32(from + 12, true), true)
  }
  for (const last = end - 4; from <= last; from += 4, to += 4) {
    targetView.setInt32(to, sourceView.getInt32(from, true), true)
  }
  for (; from < end; from++, to++) target[to] = source[from]!
}

/** Moves `bytes[start .. end)` to `at` in the same array; the ranges may overlap. The view covers the same bytes as the array. */
export function moveBytes(bytes: Uint8Array, view: DataView, start: number, end: number, at: number): void {
  const length = end - start
  if (length > SHORT_ALIKE_BYTES_MAX && areAlike(start, at)) {
    bytes.copyWithin(at, start, end)
    return
  }
  if (length > MOVED_BYTES_MAX) {
    moveRange(bytes, start, end, at)
    return
  }
  if (at < start) {
    let from = start
    let to = at
    for (const last = end - 8; from <= last; from += 8, to += 8) {
      view.setInt32(to, view.getInt32(from, true), true)
      view.setInt32(to + 4, view.getInt32(from + 4, true), true)
    }
    for (; from < end; from++, to++) bytes[to] = bytes[from]!
    return
  }
  let from = end
  let to = at + (end - start)
  for (const first = start + 8; from >= first;) {
    from -= 8
    to -= 8
    view.setInt32(to + 4, view.getInt32(from + 4, true), true)
    view.setInt32(to, view.getInt32(from, true), true)
  }
  while (from > start) bytes[--to] = bytes[--from]!
}

/** Do two places of an array lie alike in the words of 8 bytes that shared memory is copied by? See copy-range.ts. */
function areAlike(place: number, other: number): boolean {
  return ((place ^ other) & 7) === 0
}

/** Are `a[aStart .. aStart + length)` and `b[bStart …)` the same bytes? Both ranges must lie inside their arrays. */
export function equalBytes(
  a: Uint8Array,
  aView: DataView,
  aStart: number,
  b: Uint8Array,
  bView: DataView,
  bStart: number,
  length: number,
): boolean {
  let i = 0
  for (const last = length - 4; i <= last; i += 4) {
    if (aView.getInt32(aStart + i, true) !== bView.getInt32(bStart + i, true)) return false
  }
  for (; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}
