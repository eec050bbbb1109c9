/**
 * Glob matching over bytes as KEYS, SCAN MATCH, PSUBSCRIBE and COMMAND LIST do it.
 *
 * Source: redis 7.0 util.c stringmatchlen_impl() for the rules: `*`, `?`, `[a-z]`, `[^a]`, `\x`. Stars backtrack to the
 * newest one only, so a pattern of many stars costs pattern × text at most instead of growing exponentially.
 */
const STAR = 42
const QUESTION = 63
const OPEN = 91
const CLOSE = 93
const BACKSLASH = 92
const CARET = 94
const DASH = 45

function fold(byte: number, noCase: boolean): number {
  return noCase && byte >= 65 && byte <= 90 ? byte + 32 : byte
}

/** Does `text[from .. to)` match the whole of `pattern[patternFrom .. patternTo)`? */
export function globMatches(
  pattern: Uint8Array,
  patternFrom: number,
  patternTo: number,
  text: Uint8Array,
  from: number,
  to: number,
  noCase = false,
): boolean {
  let p = patternFrom
  let t = from
  let starPattern = -1
  let starText = 0
  for (;;) {
    if (p < patternTo && pattern[p] === STAR) {
      while (p < patternTo && pattern[p] === STAR) p++
      if (p === patternTo) return true
      starPattern = p
      starText = t
      continue
    }
    if (t === to) {
      if (p === patternTo) return true
      return false
    }
    let next = -1
    if (p < patternTo) {
      const byte = pattern[p]!
      if (byte === QUESTION) next = p + 1
      else if (byte === OPEN) next = matchClass(pattern, p, patternTo, text[t]!, noCase)
      else if (byte === BACKSLASH && p + 1 < patternTo) {
        if (fold(pattern[p + 1]!, noCase) === fold(text[t]!, noCase)) next = p + 2
      } else if (fold(byte, noCase) === fold(text[t]!, noCase)) next = p + 1
    }
    if (next >= 0) {
      p = next
      t++
    } else if (starPattern >= 0) {
      p = starPattern
      t = ++starText
    } else return false
  }
}

/** @returns the index behind the class when `byte` is in it, else -1. An unclosed class ends with the pattern. */
function matchClass(pattern: Uint8Array, open: number, patternTo: number, byte: number, noCase: boolean): number {
  let p = open + 1
  const negated = p < patternTo && pattern[p] === CARET
  if (negated) p++
  const wanted = fold(byte, noCase)
  let found = false
  for (; p < patternTo && pattern[p] !== CLOSE; p++) {
    if (pattern[p] === BACKSLASH && p + 1 < patternTo) {
      p++
      if (pattern[p] === byte) found = true
    } else if (p + 2 < patternTo && pattern[p + 1] === DASH) {
      let low = fold(pattern[p]!, noCase)
      let high = fold(pattern[p + 2]!, noCase)
      if (low > high) [low, high] = [high, low]
      if (wanted >= low && wanted <= high) found = true
      p += 2
    } else if (fold(pattern[p]!, noCase) === wanted) found = true
  }
  const behind = p < patternTo ? p + 1 : patternTo
  return found === negated ? -1 : behind
}
