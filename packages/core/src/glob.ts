/**
 * Glob patterns on bytes, for KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\`
 * which takes the next byte as it is. Not file globs: nothing is special about `/` or a leading dot.
 *
 * Meaning follows redis 7.0 util.c stringmatchlen(), its odd corners included: a class that is never closed ends with
 * the pattern, a `]` closes a class even as its first byte, an escape inside a class cannot open a range, and an empty text
 * matches the empty pattern only (KEYS and SCAN take a pattern that is `*` alone as no pattern, so they show an empty key).
 * One corner is not followed: bytes above 0x7f are unsigned in ranges, as in Redis on arm64 and unlike Redis on x86.
 *
 * The search is iterative: a mismatch goes back to the last `*` only, which is enough because every other element
 * takes exactly one byte. So the time is at most pattern length × string length, whatever the pattern.
 */

const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const CARET = 0x5e
const DASH = 0x2d
const BACKSLASH = 0x5c

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}

/** Position behind the element that starts at `at` (not a star). */
function elementEnd(pattern: Uint8Array, at: number, end: number): number {
  const first = pattern[at]!
  if (first === BACKSLASH) return at + 1 < end ? at + 2 : at + 1
  if (first !== OPEN) return at + 1
  let i = at + 1
  if (i < end && pattern[i] === CARET) i++
  while (i < end) {
    const byte = pattern[i]!
    if (byte === BACKSLASH && i + 1 < end) i += 2
    else if (byte === CLOSE) return i + 1
    else if (i + 2 < end && pattern[i + 1] === DASH) i += 3
    else i++
  }
  return end
}

/** Does the class that starts at `at` (its `[`) take `byte`? */
function classTakes(pattern: Uint8Array, at: number, end: number, byte: number, nocase: boolean): boolean {
  let i = at + 1
  const negated = i < end && pattern[i] === CARET
  if (negated) i++
  const wanted = nocase ? lower(byte) : byte
  let found = false
  while (i < end) {
    const one = pattern[i]!
    if (one === BACKSLASH && i + 1 < end) {
      // An escaped byte is compared as it stands, also without regard to case (as Redis does).
      if (pattern[i + 1] === byte) found = true
      i += 2
    } else if (one === CLOSE) {
      break
    } else if (i + 2 < end && pattern[i + 1] === DASH) {
      let low = one
      let high = pattern[i + 2]!
      if (low > high) {
        low = high
        high = one
      }
      if (nocase) {
        low = lower(low)
        high = lower(high)
      }
      if (wanted >= low && wanted <= high) found = true
      i += 3
    } else {
      if ((nocase ? lower(one) : one) === wanted) found = true
      i++
    }
  }
  return found !== negated
}

function elementTakes(pattern: Uint8Array, at: number, end: number, byte: number, nocase: boolean): boolean {
  const first = pattern[at]!
  if (first === QUESTION) return true
  if (first === OPEN) return classTakes(pattern, at, end, byte, nocase)
  const literal = first === BACKSLASH && at + 1 < end ? pattern[at + 1]! : first
  return nocase ? lower(literal) === lower(byte) : literal === byte
}

/**
 * Does `text[textStart .. textEnd)` as a whole match `pattern[patternStart .. patternEnd)`?
 *
 * Both are only read. `nocase` folds ASCII letters. Allocates nothing; any thread. The text may be shared memory that
 * another thread is changing: the answer may then be wrong, but every access stays in bounds and the loop ends.
 */
export function globMatches(
  pattern: Uint8Array,
  patternStart: number,
  patternEnd: number,
  text: Uint8Array,
  textStart: number,
  textEnd: number,
  nocase = false,
): boolean {
  if (textStart === textEnd) return patternStart === patternEnd
  let p = patternStart
  let t = textStart
  // Where to go on after a mismatch: behind the last star, with one more byte given to it.
  let starNext = -1
  let starText = 0
  while (t < textEnd) {
    if (p < patternEnd) {
      if (pattern[p] === STAR) {
        while (p < patternEnd && pattern[p] === STAR) p++
        if (p === patternEnd) return true
        starNext = p
        starText = t
        continue
      }
      if (elementTakes(pattern, p, patternEnd, text[t]!, nocase)) {
        p = elementEnd(pattern, p, patternEnd)
        t++
        continue
      }
    }
    if (starNext < 0) return false
    p = starNext
    starText++
    t = starText
  }
  while (p < patternEnd && pattern[p] === STAR) p++
  return p === patternEnd
}
