/**
 * Where the keys of the next commands of a pipeline stand, found without decoding them: whoever knows them early can have
 * their cache misses overlap. A guess and nothing more: it takes the first argument for the key, ends at whatever is unusual
 * or not yet here, and reports no error. What the bytes really are is found out by `RequestDecoder`.
 */

const CR = 13
const STAR = 42
const DOLLAR = 36
const DIGIT_0 = 48
/** A longer argument ends the search: its memory is not walked over for a guess. */
const LENGTH_DIGITS_MAX = 4
const ARGS_MAX = 9

/** Key `i` found is `bytes[starts[i] .. ends[i])`. */
export interface KeysAhead {
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/**
 * Looks for the keys of the commands in `bytes[from .. end)`, which begins with a command; as many as `found` has room for.
 * @returns how many commands were passed, all with a key
 */
export function findKeysAhead(bytes: Uint8Array, from: number, end: number, found: KeysAhead): number {
  const { starts, ends } = found
  let at = from
  let count = 0
  // The shortest that is looked for is `*2 $1 x $0`, with line ends.
  while (count < starts.length && at + 17 <= end) {
    const args = bytes[at + 1]! - DIGIT_0
    if (bytes[at] !== STAR || args < 2 || args > ARGS_MAX || bytes[at + 2] !== CR) return count
    at += 4
    for (let arg = 0; arg < args; arg++) {
      if (at + 4 > end || bytes[at] !== DOLLAR) return count
      let length = 0
      const digitsEnd = at + 1 + LENGTH_DIGITS_MAX
      for (at++; at < digitsEnd && bytes[at] !== CR; at++) length = length * 10 + bytes[at]! - DIGIT_0
      if (bytes[at] !== CR || length < 0) return count
      at += 2
      if (arg === 1) {
        starts[count] = at
        ends[count] = at + length
      }
      at += length + 2
      if (at > end) return count
    }
    count++
  }
  return count
}
