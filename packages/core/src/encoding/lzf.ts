/**
 * LZF, the compression of strings in snapshots. Whole blocks; nothing here knows of keys or files. Follows the format as
 * redis 7.0 lzf_d.c reads it.
 *
 *   000LLLLL                      L + 1 literal bytes follow
 *   LLLOOOOO OOOOOOOO             copy L + 2 bytes (L is 1..6) from O + 1 bytes back
 *   111OOOOO LLLLLLLL OOOOOOOO    copy L + 9 bytes from O + 1 bytes back
 */
import { viewOf } from '../memory/copy-bytes.ts'
import {
  COPY_ROOM_BYTES,
  HASH_BITS,
  HASH_FACTOR,
  INPUT_BYTES,
  LZF_COPY_MAX,
  LZF_DISTANCE_MAX,
  LzfWords,
} from './lzf-words.ts'

/** No instruction yields more than 88 bytes of output per byte of input (264 from 3). */
export const LZF_RATIO_MAX = 88
const WORD_BYTES = 4
/** Copied at once: two words. */
const PAIR_BYTES = 8

/**
 * Undoes `source[sourceStart .. sourceEnd)` into `target[targetStart .. targetEnd)`.
 * @returns true if the input is well-formed and fills the target exactly; false otherwise (the target is then undefined).
 */
export function lzfDecompress(
  source: Uint8Array,
  sourceStart: number,
  sourceEnd: number,
  target: Uint8Array,
  targetStart: number,
  targetEnd: number,
): boolean {
  const sourceView = viewOf(source)
  const targetView = viewOf(target)
  let from = sourceStart
  let to = targetStart
  while (from < sourceEnd) {
    const control = source[from++]!
    if (control < 32) {
      const count = control + 1
      if (from + count > sourceEnd || to + count > targetEnd) return false
      const stop = to + count
      if (stop + PAIR_BYTES <= targetEnd && from + count + PAIR_BYTES <= sourceEnd) {
        // What is written beyond the run is written again by what follows. Most runs are done without a loop, whose end no
        // processor can foresee.
        targetView.setInt32(to, sourceView.getInt32(from, true), true)
        targetView.setInt32(to + 4, sourceView.getInt32(from + 4, true), true)
        for (let done = PAIR_BYTES; done < count; done += PAIR_BYTES) {
          targetView.setInt32(to + done, sourceView.getInt32(from + done, true), true)
          targetView.setInt32(to + done + 4, sourceView.getInt32(from + done + 4, true), true)
        }
        to = stop
        from += count
      } else {
        while (to < stop) target[to++] = source[from++]!
      }
    } else {
      let count = control >> 5
      if (count === 7) {
        if (from >= sourceEnd) return false
        count += source[from++]!
      }
      if (from >= sourceEnd) return false
      let back = to - (((control & 31) << 8) | source[from++]!) - 1
      count += 2
      if (back < targetStart || to + count > targetEnd) return false
      const stop = to + count
      // The ranges overlap when a pattern repeats: byte by byte if it is a short one.
      if (to - back >= 4 && stop + PAIR_BYTES <= targetEnd) {
        targetView.setInt32(to, targetView.getInt32(back, true), true)
        targetView.setInt32(to + 4, targetView.getInt32(back + 4, true), true)
        for (let done = PAIR_BYTES; done < count; done += PAIR_BYTES) {
          targetView.setInt32(to + done, targetView.getInt32(back + done, true), true)
          targetView.setInt32(to + done + 4, targetView.getInt32(back + done + 4, true), true)
        }
        to = stop
      } else {
        while (to < stop) target[to++] = target[back++]!
      }
    }
  }
  return to === targetEnd
}

/** Would `lzfDecompress` succeed for an output of `length` bytes? Writes nothing. */
export function lzfCheck(source: Uint8Array, sourceStart: number, sourceEnd: number, length: number): boolean {
  let from = sourceStart
  let to = 0
  while (from < sourceEnd) {
    const control = source[from++]!
    if (control < 32) {
      from += control + 1
      to += control + 1
    } else {
      let count = control >> 5
      if (count === 7) {
        if (from >= sourceEnd) return false
        count += source[from++]!
      }
      if (from >= sourceEnd) return false
      if ((((control & 31) << 8) | source[from++]!) + 1 > to) return false
      to += count + 2
    }
    if (to > length) return false
  }
  return from === sourceEnd && to === length
}

/**
 * Decompression in pieces, for strings that nobody wants to hold whole. The input must have passed `lzfCheck`.
 *
 *   buffer:  | up to 8 KiB of the piece before | the new piece … |
 */
export class LzfPieces {
  /** The piece `next()` found is `bytes[start .. end)`, borrowed until the next call. */
  readonly bytes: Uint8Array
  start = 0
  end = 0
  #source: Uint8Array
  #from: number
  readonly #sourceEnd: number

  constructor(source: Uint8Array, sourceStart: number, sourceEnd: number, pieceBytes: number = 1 << 18) {
    this.bytes = new Uint8Array(LZF_DISTANCE_MAX + pieceBytes + LZF_COPY_MAX)
    this.#source = source
    this.#from = sourceStart
    this.#sourceEnd = sourceEnd
  }

  /** Decompresses the next piece. @returns false when there is none. */
  next(): boolean {
    const source = this.#source
    const bytes = this.bytes
    const kept = Math.min(this.end, LZF_DISTANCE_MAX)
    bytes.copyWithin(0, this.end - kept, this.end)
    const stop = bytes.length - LZF_COPY_MAX
    let from = this.#from
    let to = kept
    while (from < this.#sourceEnd && to <= stop) {
      const control = source[from++]!
      if (control < 32) {
        for (let i = 0; i <= control; i++) bytes[to++] = source[from++]!
      } else {
        let count = control >> 5
        if (count === 7) count += source[from++]!
        let back = to - (((control & 31) << 8) | source[from++]!) - 1
        for (const end = to + count + 2; to < end;) bytes[to++] = bytes[back++]!
      }
    }
    this.#from = from
    this.start = kept
    this.end = to
    return to > kept
  }
}

const MEDIUM_HASH_BITS = 12
const MEDIUM_BYTES_MAX = 1024
const SHORT_HASH_BITS = 10
const SHORT_BYTES_MAX = 64
/** Greatest entry of a table of places. */
const ENTRY_MAX = 0x3fffffff
/** Entries begin here, out of reach of those that were never written. */
const FIRST_ENTRY: number = LZF_DISTANCE_MAX + 1

/** null: there is no WebAssembly. */
let words: LzfWords | null | undefined
/** For each hash the last place that had it, as an entry: its position, counted so that all of earlier calls are out of reach. */
let table: Int32Array | undefined
let nextEntry: number = FIRST_ENTRY

function openWords(): LzfWords | null {
  try {
    return new LzfWords()
  } catch {
    return null
  }
}

/**
 * Compresses `source[sourceStart .. sourceEnd)` into `target[targetStart .. targetEnd)`.
 * @returns the bytes written, or 0 if the result does not fit: pass a target shorter than the input to ask for a gain.
 */
export function lzfCompress(
  source: Uint8Array,
  sourceStart: number,
  sourceEnd: number,
  target: Uint8Array,
  targetStart: number,
  targetEnd: number,
): number {
  const length = sourceEnd - sourceStart
  if (words === undefined) words = openWords()
  if (nextEntry + length > ENTRY_MAX) {
    words?.reset()
    table?.fill(0)
    nextEntry = FIRST_ENTRY
  }
  const bits = length > MEDIUM_BYTES_MAX ? HASH_BITS : length > SHORT_BYTES_MAX ? MEDIUM_HASH_BITS : SHORT_HASH_BITS
  const shift = 32 - bits
  const entry = nextEntry
  nextEntry += length + LZF_DISTANCE_MAX
  return words !== null && length <= INPUT_BYTES
    ? words.compress(source, sourceStart, sourceEnd, target, targetStart, targetEnd, entry, shift)
    : compressBytes(source, sourceStart, sourceEnd, target, targetStart, targetEnd, entry, shift)
}

/** `lzfCompress` without WebAssembly, or of a longer input than that takes. @param entry of the first place. @param shift leaves the bits of a hash. */
function compressBytes(
  source: Uint8Array,
  sourceStart: number,
  sourceEnd: number,
  target: Uint8Array,
  targetStart: number,
  targetEnd: number,
  entry: number,
  shift: number,
): number {
  table ??= new Int32Array(1 << HASH_BITS)
  const base = entry - sourceStart
  const sourceView = viewOf(source)
  const targetView = viewOf(target)
  let from = sourceStart
  let literalStart = sourceStart
  let to = targetStart
  // From this place on a copy comes too late: the literals before it leave it no room. Places are looked at as words.
  let stop = Math.min(sourceEnd - WORD_BYTES + 1, literalStart + targetEnd - to - COPY_ROOM_BYTES + 1)
  while (from < stop) {
    const word = sourceView.getInt32(from, true)
    const slot = Math.imul(word << 8, HASH_FACTOR) >>> shift
    const distance = from + base - table[slot]!
    table[slot] = from + base
    const candidate = from - distance
    // Three bytes of four are the same.
    if (distance > LZF_DISTANCE_MAX || (sourceView.getInt32(candidate, true) ^ word) << 8 !== 0) {
      from++
      continue
    }
    let count = 3
    const longest = Math.min(LZF_COPY_MAX, sourceEnd - from)
    while (count < longest && source[candidate + count] === source[from + count]) count++

    to = writeLiterals(source, sourceView, literalStart, from, target, targetView, to, targetEnd)
    if (to < 0 || to + COPY_ROOM_BYTES > targetEnd) return 0
    const offset = distance - 1
    if (count - 2 < 7) {
      target[to++] = ((count - 2) << 5) | (offset >> 8)
    } else {
      target[to++] = (7 << 5) | (offset >> 8)
      target[to++] = count - 9
    }
    target[to++] = offset & 255
    from += count
    literalStart = from
    stop = Math.min(sourceEnd - WORD_BYTES + 1, literalStart + targetEnd - to - COPY_ROOM_BYTES + 1)
  }
  to = writeLiterals(source, sourceView, literalStart, sourceEnd, target, targetView, to, targetEnd)
  return to < 0 ? 0 : to - targetStart
}

/** Writes runs of at most 32 literals. @returns the position behind them, or -1 if they do not fit. */
function writeLiterals(
  source: Uint8Array,
  sourceView: DataView,
  start: number,
  end: number,
  target: Uint8Array,
  targetView: DataView,
  at: number,
  targetEnd: number,
): number {
  const length = end - start
  if (at + length + ((length + 31) >>> 5) > targetEnd) return -1
  let to = at
  for (let from = start; from < end;) {
    const count = Math.min(32, end - from)
    target[to++] = count - 1
    let done = 0
    for (; done + WORD_BYTES <= count; done += WORD_BYTES) {
      targetView.setInt32(to + done, sourceView.getInt32(from + done, true), true)
    }
    for (; done < count; done++) target[to + done] = source[from + done]!
    from += count
    to += count
  }
  return to
}
