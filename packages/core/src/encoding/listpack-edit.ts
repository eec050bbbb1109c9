/**
 * Listpack: finding and changing items, in memory that has room behind the listpack. The size of a change is computed
 * first (`listpackItemBytes`, `listpackRangeBytes`), so that whoever holds the bytes can make room. Items are encoded as
 * redis 7.0 listpack.c lpEncodeGetType() does: what reads as an int64 becomes an integer. The layout is drawn in listpack.ts.
 *
 * The bytes are taken to be well-formed (`listpackCheck` was run when they came from outside); loops end on any bytes.
 */
import { copyBytes, moveBytes, viewOf } from '../memory/copy-bytes.ts'
import { LISTPACK_END, LISTPACK_HEADER_BYTES } from './listpack.ts'
import { int64Hi, int64Lo, parseInt64 } from './integer.ts'

export const LISTPACK_EMPTY_BYTES: number = LISTPACK_HEADER_BYTES + 1
/** An item takes at most so many bytes more than its string has. */
export const LISTPACK_ITEM_BYTES_MORE = 10
const COUNT_UNKNOWN = 0xffff
/** Longest map that is searched from both ends: a few cache lines. */
const BOTH_ENDS_BYTES_MAX = 512
const TWO_32: number = 2 ** 32

// The integer at hand, as two int32 halves.
let integerLo = 0
let integerHi = 0

/** Does `bytes[start .. end)` read as an int64? Its halves are in the registers then. */
function classify(bytes: Uint8Array, start: number, end: number): boolean {
  if (!parseInt64(bytes, start, end)) return false
  integerLo = int64Lo
  integerHi = int64Hi
  return true
}

function setInteger(value: number): void {
  integerLo = value | 0
  integerHi = Math.floor(value / TWO_32)
}

/** Bytes of encoding and data of the integer in the registers. */
function integerContentBytes(): number {
  const lo = integerLo
  if (integerHi !== lo >> 31) return 9
  if (lo >= 0 && lo < 128) return 1
  if (lo >= -4096 && lo < 4096) return 2
  if (lo === (lo << 16) >> 16) return 3
  return lo === (lo << 8) >> 8 ? 4 : 5
}

function stringContentBytes(length: number): number {
  return length < 64 ? 1 + length : length < 4096 ? 2 + length : 5 + length
}

/** Bytes of the length for walking backwards behind `content` bytes. */
function backBytes(content: number): number {
  return content < 128 ? 1 : content < 16_383 ? 2 : content < 2_097_151 ? 3 : content < 268_435_455 ? 4 : 5
}

/** Writes the length of an item of `content` bytes, for walking backwards, at `target[at]`. @returns the position behind it. */
export function listpackWriteBackLength(content: number, target: Uint8Array, at: number): number {
  const groups = backBytes(content)
  let left = content
  for (let i = groups - 1; i > 0; i--) {
    target[at + i] = (left & 127) | 128
    left = Math.floor(left / 128)
  }
  target[at] = left
  return at + groups
}

/** Bytes that the string `bytes[start .. end)` takes as an item. */
export function listpackItemBytes(bytes: Uint8Array, start: number, end: number): number {
  const content = classify(bytes, start, end) ? integerContentBytes() : stringContentBytes(end - start)
  return content + backBytes(content)
}

/** Bytes that an integer (exact, below 2^53) takes as an item. */
export function listpackIntegerBytes(value: number): number {
  setInteger(value)
  return integerContentBytes() + 1
}

/**
 * Writes the string `bytes[start .. end)` as an item at `target[at]`. @returns the position behind it.
 * @param view over `target`, from those who have one.
 */
export function listpackWriteItem(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
  view?: DataView,
): number {
  if (classify(bytes, start, end)) return writeIntegerItem(target, at)
  const length = end - start
  let to = at
  if (length < 64) target[to++] = 0x80 | length
  else if (length < 4096) {
    target[to++] = 0xe0 | (length >> 8)
    target[to++] = length
  } else {
    target[to++] = 0xf0
    for (let shift = 0; shift < 32; shift += 8) target[to++] = length >>> shift
  }
  if (length < 16) for (let i = start; i < end; i++) target[to++] = bytes[i]!
  else {
    copyBytes(bytes, viewOf(bytes), start, end, target, view ?? viewOf(target), to)
    to += length
  }
  return listpackWriteBackLength(to - at, target, to)
}

/** Writes an integer (exact, below 2^53) as an item at `target[at]`. @returns the position behind it. */
export function listpackWriteInteger(value: number, target: Uint8Array, at: number): number {
  setInteger(value)
  return writeIntegerItem(target, at)
}

/** Writes the int64 `hi:lo` as an item at `target[at]`. @returns the position behind it. */
export function listpackWriteInt64(lo: number, hi: number, target: Uint8Array, at: number): number {
  integerLo = lo
  integerHi = hi
  return writeIntegerItem(target, at)
}

function writeIntegerItem(target: Uint8Array, at: number): number {
  const lo = integerLo
  const content = integerContentBytes()
  if (content === 1) target[at] = lo
  else if (content === 2) {
    target[at] = 0xc0 | ((lo >> 8) & 0x1f)
    target[at + 1] = lo
  } else {
    target[at] = content === 9 ? 0xf4 : 0xee + content
    for (let i = 1; i < content && i < 5; i++) target[at + i] = lo >> (8 * (i - 1))
    for (let i = 5; i < content; i++) target[at + i] = integerHi >> (8 * (i - 5))
  }
  target[at + content] = content
  return at + content + 1
}

/** Writes an empty listpack at `target[at]`. @returns the position behind it. */
export function listpackCreate(target: Uint8Array, at: number): number {
  target[at] = LISTPACK_EMPTY_BYTES
  target.fill(0, at + 1, at + LISTPACK_HEADER_BYTES)
  target[at + LISTPACK_HEADER_BYTES] = LISTPACK_END
  return at + LISTPACK_EMPTY_BYTES
}

/** Length in bytes of the listpack at `start`, as its header says. */
export function listpackTotalBytes(bytes: Uint8Array, start: number): number {
  return (bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16)) + bytes[start + 3]! * 0x1000000
}

/** Writes the header after a change: the new length, and so many items more (or fewer). */
export function listpackWriteHeader(bytes: Uint8Array, start: number, totalBytes: number, countChange: number): void {
  for (let i = 0; i < 4; i++) bytes[start + i] = totalBytes >>> (8 * i)
  const count = bytes[start + 4]! | (bytes[start + 5]! << 8)
  if (count === COUNT_UNKNOWN) return
  const after = Math.min(COUNT_UNKNOWN, count + countChange)
  bytes[start + 4] = after
  bytes[start + 5] = after >> 8
}

/** Position of the item after the one at `at`, which is well-formed; the end byte leads to itself. */
export function listpackSkip(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  let content: number
  if (first < 0x80) return at + 2
  if (first < 0xc0) return at + 2 + (first & 0x3f)
  if (first < 0xe0) return at + 3
  if (first < 0xf0) content = 2 + (((first & 0x0f) << 8) | bytes[at + 1]!)
  else if (first === 0xf0) {
    content = 5 + (bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16)) + bytes[at + 4]! * 0x1000000
  } else if (first === LISTPACK_END) return at
  else return at + (first === 0xf4 ? 10 : first - 0xed)
  return at + content + backBytes(content)
}

/** Position of the item before the one (or the end byte) at `at`; -1 before the first. @param start of the listpack. */
export function listpackPrevious(bytes: Uint8Array, start: number, at: number): number {
  if (at <= start + LISTPACK_HEADER_BYTES) return -1
  let position = at - 1
  let content = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[position]!
    content += (byte & 127) * scale
    if (byte < 128 || scale > 268_435_456) break
    position--
  }
  return position - content
}

/** Position of the last item, -1 in an empty listpack. */
export function listpackLast(bytes: Uint8Array, start: number): number {
  return listpackPrevious(bytes, start, start + listpackTotalBytes(bytes, start) - 1)
}

/** Number of items: the header's, or counted when it does not know. */
export function listpackCount(bytes: Uint8Array, start: number): number {
  const told = bytes[start + 4]! | (bytes[start + 5]! << 8)
  if (told !== COUNT_UNKNOWN) return told
  const last = start + listpackTotalBytes(bytes, start) - 1
  let count = 0
  for (let at = start + LISTPACK_HEADER_BYTES; at < last;) {
    const next = listpackSkip(bytes, at)
    // An end byte in the middle: torn memory.
    if (next === at) break
    at = next
    count++
  }
  return count
}

/** Position of item `index`; negative ones count from the end. @returns -1 if there is none. */
export function listpackSeek(bytes: Uint8Array, start: number, index: number): number {
  const last = start + listpackTotalBytes(bytes, start) - 1
  const told = bytes[start + 4]! | (bytes[start + 5]! << 8)
  const known = told !== COUNT_UNKNOWN
  let wanted = index
  if (known) {
    if (wanted < 0) wanted += told
    if (wanted < 0 || wanted >= told) return -1
    if (wanted >= told / 2) wanted -= told
  }
  if (wanted < 0) {
    let at = last
    for (let left = -wanted; left > 0 && at >= 0; left--) at = listpackPrevious(bytes, start, at)
    return at
  }
  let at = start + LISTPACK_HEADER_BYTES
  for (; wanted > 0 && at < last; wanted--) at = listpackSkip(bytes, at)
  return at < last ? at : -1
}

/**
 * Finds the item that reads as `wanted[wantedStart .. wantedEnd)`, looking at the first of every `stride` items (2: fields
 * but not values), of which at most one reads so. @returns its position, or -1.
 *
 * Where an item is, is known only when the one before it was read. So the walk goes from both ends at once: two such chains wait
 * half as long as one. Only in long maps it does not, whose fields are mostly there: a field of the first half would have twice
 * the memory looked at.
 */
export function listpackFind(
  bytes: Uint8Array,
  start: number,
  end: number,
  wanted: Uint8Array,
  wantedStart: number,
  wantedEnd: number,
  stride: number,
): number {
  const length = wantedEnd - wantedStart
  const isInteger = classify(wanted, wantedStart, wantedEnd)
  // The usual name, shorter than 64 bytes, begins with this byte. Many of one value begin alike and end differently.
  const shortHead = length < 64 ? 0x80 | length : -1
  const lastByte = length > 0 ? wanted[wantedEnd - 1]! : shortHead
  // What is left to look at is `bytes[front .. back)`.
  let front = start + LISTPACK_HEADER_BYTES
  let back = end - 1
  const fromBothEnds = stride === 1 || end - start <= BOTH_ENDS_BYTES_MAX
  if (stride === 1) front = passRow(bytes, front, back, shortHead, lastByte)
  while (front < back) {
    const head = bytes[front]!
    if (head >= 0x80 && head < 0xc0) {
      // An integer's text is compared too: others may not encode as Redis does.
      if (
        head === shortHead &&
        bytes[front + length] === lastByte &&
        equalRange(bytes, front + 1, wanted, wantedStart, length)
      ) {
        return front
      }
      front += 2 + (head & 0x3f)
    } else {
      if (otherEquals(bytes, front, head, wanted, wantedStart, length, isInteger)) return front
      const next = listpackSkip(bytes, front)
      if (!(next > front)) return -1
      front = next
    }
    if (stride > 1) front = listpackSkip(bytes, front)
    if (!fromBothEnds) continue
    if (front >= back) return -1
    const content = bytes[back - 1]!
    back = content < 128 ? back - 1 - content : listpackPrevious(bytes, start, back)
    if (stride > 1) {
      const contentBefore = bytes[back - 1]!
      back = contentBefore < 128 ? back - 1 - contentBefore : listpackPrevious(bytes, start, back)
    }
    // Torn memory.
    if (!(back >= front)) return -1
    const first = bytes[back]!
    if (first >= 0x80 && first < 0xc0) {
      if (
        first === shortHead &&
        bytes[back + length] === lastByte &&
        equalRange(bytes, back + 1, wanted, wantedStart, length)
      ) {
        return back
      }
    } else if (otherEquals(bytes, back, first, wanted, wantedStart, length, isInteger)) return back
  }
  return -1
}

/**
 * Passes short strings that are as long as the first one, as names often are, four at a time: where they are need not be read for them to be
 * looked at, so they are waited for together. @param shortHead first byte of what is sought, and `lastByte` its last.
 * @returns the first place that was not passed: what is sought may be among the four there.
 */
function passRow(bytes: Uint8Array, first: number, back: number, shortHead: number, lastByte: number): number {
  const head = bytes[first]!
  if (head < 0x80 || head >= 0xc0) return first
  const step = 2 + (head & 0x3f)
  const toLast = step - 2
  const isAlike = head === shortHead
  let at = first
  for (const stop = back - 4 * step; at <= stop; at += 4 * step) {
    const second = at + step
    const third = second + step
    const fourth = third + step
    if (bytes[at] !== head || bytes[second] !== head || bytes[third] !== head || bytes[fourth] !== head) break
    if (!isAlike) continue
    if (bytes[at + toLast] === lastByte || bytes[second + toLast] === lastByte) break
    if (bytes[third + toLast] === lastByte || bytes[fourth + toLast] === lastByte) break
  }
  return at
}

/**
 * Does the item at `at`, which is no string shorter than 64 bytes, read as `wanted[wantedStart …)`? @param isInteger it may be the
 * integer in the registers.
 */
function otherEquals(
  bytes: Uint8Array,
  at: number,
  first: number,
  wanted: Uint8Array,
  wantedStart: number,
  length: number,
  isInteger: boolean,
): boolean {
  if (first >= 0xe0 && first <= 0xf0) {
    const header = first === 0xf0 ? 5 : 2
    const content = header + length
    const isAsLong = listpackSkip(bytes, at) - at === content + backBytes(content)
    return isAsLong && equalRange(bytes, at + header, wanted, wantedStart, length)
  }
  if (!isInteger) return false
  const content = integerContentBytes()
  return contentOfInteger(first) === content && integerEquals(bytes, at, integerLo, integerHi, content)
}

function contentOfInteger(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first === 0xf4 ? 9 : first - 0xee
}

function integerEquals(bytes: Uint8Array, at: number, lo: number, hi: number, content: number): boolean {
  if (content === 1) return bytes[at] === lo
  if (content === 2) return bytes[at] === (0xc0 | ((lo >> 8) & 0x1f)) && bytes[at + 1] === (lo & 0xff)
  for (let i = 1; i < content && i < 5; i++) if (bytes[at + i] !== ((lo >> (8 * (i - 1))) & 0xff)) return false
  for (let i = 5; i < content; i++) if (bytes[at + i] !== ((hi >> (8 * (i - 5))) & 0xff)) return false
  return true
}

function equalRange(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}

/** Position behind `count` items from `at` on (or of the end byte): what `listpackDelete` is going to close. */
export function listpackRangeEnd(bytes: Uint8Array, at: number, count: number): number {
  let to = at
  for (let left = count; left > 0 && bytes[to] !== LISTPACK_END; left--) to = listpackSkip(bytes, to)
  return to
}

/**
 * Inserts the string before the item (or end byte) at `at`. `bytes` needs room for `listpackItemBytes` more behind the listpack.
 * @returns the position behind the new item.
 */
export function listpackInsert(
  bytes: Uint8Array,
  start: number,
  at: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
): number {
  const total = listpackTotalBytes(bytes, start)
  const added = listpackItemBytes(value, valueStart, valueEnd)
  moveBytes(bytes, viewOf(bytes), at, start + total, at + added)
  listpackWriteItem(value, valueStart, valueEnd, bytes, at)
  listpackWriteHeader(bytes, start, total + added, 1)
  return at + added
}

/** Appends the string; see `listpackInsert`. @returns the new length of the listpack. */
export function listpackAppend(
  bytes: Uint8Array,
  start: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
): number {
  const total = listpackTotalBytes(bytes, start)
  const end = listpackWriteItem(value, valueStart, valueEnd, bytes, start + total - 1)
  bytes[end] = LISTPACK_END
  listpackWriteHeader(bytes, start, end + 1 - start, 1)
  return end + 1 - start
}

/** Removes `count` items from `at` on. @returns the new length of the listpack; what stood at `at` is the next item. */
export function listpackDelete(bytes: Uint8Array, start: number, at: number, count: number): number {
  const total = listpackTotalBytes(bytes, start)
  let to = at
  let removed = 0
  for (; removed < count && bytes[to] !== LISTPACK_END; removed++) to = listpackSkip(bytes, to)
  moveBytes(bytes, viewOf(bytes), to, start + total, at)
  const after = total - (to - at)
  listpackWriteHeader(bytes, start, after, -removed)
  return after
}

/** Puts the string in place of the item at `at`; room as for `listpackInsert`. @returns the new length of the listpack. */
export function listpackReplace(
  bytes: Uint8Array,
  start: number,
  at: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
): number {
  const total = listpackTotalBytes(bytes, start)
  const next = listpackSkip(bytes, at)
  const change = listpackItemBytes(value, valueStart, valueEnd) - (next - at)
  if (change !== 0) moveBytes(bytes, viewOf(bytes), next, start + total, next + change)
  listpackWriteItem(value, valueStart, valueEnd, bytes, at)
  listpackWriteHeader(bytes, start, total + change, 0)
  return total + change
}
