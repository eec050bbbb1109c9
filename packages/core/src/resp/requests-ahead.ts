/**
 * The next requests of a pipeline, found together: whoever runs them sees early which keys come next, and none is parsed twice, since
 * `RequestDecoder.next()` takes them from here. What is found is what the decoder would find: arrays of few and short arguments, all
 * here, written as every client writes them. It ends at whatever is unusual, which the decoder then looks at itself.
 *
 *   begins   0        1        2       count
 *            |request |request |request|        bytes[begins[i] .. begins[i + 1])
 *   argument j of request i:  bytes[starts[i * ARGS_AHEAD_MAX + j] .. ends[…])
 */
import { REQUESTS_AHEAD_MAX } from '../limits.ts'
import { NO_BYTES } from '../memory/view-holders.ts'

const CR = 13
const STAR = 42
const DOLLAR = 36
const DIGIT_0 = 48
const DIGIT_9 = 57
/** A longer argument ends the search: it is not walked over twice when its end is not here. */
const LENGTH_DIGITS_MAX = 4
export const ARG_AHEAD_BYTES_MAX: number = 10 ** LENGTH_DIGITS_MAX - 1
/** Arguments of a request, its command's name included. */
export const ARGS_AHEAD_MAX = 8

export class RequestsAhead {
  /** Who looked ahead: nobody else's next requests are these. */
  owner: object | undefined
  bytes: Uint8Array = NO_BYTES
  readonly begins: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX + 1)
  readonly counts: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX)
  readonly starts: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX * ARGS_AHEAD_MAX)
  readonly ends: Int32Array = new Int32Array(REQUESTS_AHEAD_MAX * ARGS_AHEAD_MAX)
  count = 0
  /** The first that was not taken. */
  next = 0

  /** Forgets what was found, and the bytes. */
  clear(): void {
    this.owner = undefined
    this.bytes = NO_BYTES
    this.count = this.next = 0
  }

  /** Finds requests in `bytes[from .. limit)`, which begins with one. The bytes have to stay as they are until the last is taken. */
  find(owner: object, bytes: Uint8Array, from: number, limit: number): void {
    const { begins, counts, ends, starts } = this
    this.owner = owner
    this.bytes = bytes
    this.next = 0
    let count = 0
    let at = from
    // The shortest is `*1 $0`, with line ends.
    search: while (count < REQUESTS_AHEAD_MAX && at + 10 <= limit) {
      const args = bytes[at + 1]! - DIGIT_0
      if (bytes[at] !== STAR || args < 1 || args > ARGS_AHEAD_MAX || bytes[at + 2] !== CR) break
      begins[count] = at
      at += 4
      const first = count * ARGS_AHEAD_MAX
      for (let arg = first; arg < first + args; arg++) {
        if (at + 4 > limit || bytes[at] !== DOLLAR) break search
        let digit = bytes[at + 1]!
        // No leading zeros: that is left to the decoder, which knows what to say.
        if (digit < DIGIT_0 || digit > DIGIT_9 || (digit === DIGIT_0 && bytes[at + 2] !== CR)) break search
        let length = digit - DIGIT_0
        const digitsEnd = at + 1 + LENGTH_DIGITS_MAX
        for (at += 2; at < digitsEnd; at++) {
          digit = bytes[at]!
          if (digit < DIGIT_0 || digit > DIGIT_9) break
          length = length * 10 + digit - DIGIT_0
        }
        if (at >= limit || bytes[at] !== CR) break search
        at += 2
        starts[arg] = at
        at += length
        ends[arg] = at
        at += 2
        if (at > limit) break search
      }
      counts[count++] = args
      begins[count] = at
    }
    this.count = count
  }
}

/** Of all decoders of this thread, which run one after the other. */
export const requestsAhead: RequestsAhead = new RequestsAhead()
