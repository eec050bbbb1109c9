/** SET commands as a primary sends them, prebuilt in a few large buffers. */
import { KEY_BYTES, VALUE_BYTES } from './dataset.mjs'

const BEFORE_KEY = Buffer.from(`*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n`, 'latin1')
const BEFORE_VALUE = Buffer.from(`\r\n$${VALUE_BYTES}\r\n`, 'latin1')
export const SET_BYTES = BEFORE_KEY.length + KEY_BYTES + BEFORE_VALUE.length + VALUE_BYTES + 2

const BUFFER_BYTES_MAX = 4 * 1024 * 1024
const COMMANDS_PER_BUFFER = Math.floor(BUFFER_BYTES_MAX / SET_BYTES)

/**
 * SETs of the records [from, to) of `dataset` with the values of `round`.
 *
 * @param {import('./dataset.mjs').Dataset} dataset
 * @param {number} from
 * @param {number} to
 * @param {number} round
 * @returns {Buffer[]} whole commands each
 */
export function buildSets(dataset, from, to, round) {
  /** @type {Buffer[]} */
  const buffers = []
  for (let first = from; first < to; first += COMMANDS_PER_BUFFER) {
    const last = Math.min(to, first + COMMANDS_PER_BUFFER)
    const buffer = Buffer.allocUnsafeSlow((last - first) * SET_BYTES)
    let at = 0
    for (let index = first; index < last; index++) {
      buffer.set(BEFORE_KEY, at)
      at += BEFORE_KEY.length
      dataset.writeKey(index, buffer, at)
      at += KEY_BYTES
      buffer.set(BEFORE_VALUE, at)
      at += BEFORE_VALUE.length
      dataset.writeValue(index, round, buffer, at)
      at += VALUE_BYTES
      buffer[at++] = 13
      buffer[at++] = 10
    }
    buffers.push(buffer)
  }
  return buffers
}

/**
 * SETs of the first `count` records, some ten thousand at a time, so that they need not all be there at once.
 *
 * @param {import('./dataset.mjs').Dataset} dataset
 * @param {number} count
 * @param {number} [round]
 */
export function* setsInTurn(dataset, count, round = 0) {
  for (let from = 0; from < count; from += COMMANDS_PER_BUFFER) {
    yield* buildSets(dataset, from, Math.min(count, from + COMMANDS_PER_BUFFER), round)
  }
}
