/** Bytes for the benchmarks of single functions: always the same. */
import { Dataset, KEY_BYTES, VALUE_BYTES } from './dataset.mjs'
import { buildSets } from './set-commands.mjs'

export const MICRO_SEED = 1
/** Items of one call: enough to hide the call, few enough for many samples. */
export const KEYS_AT_ONCE = 4096

const dataset = new Dataset(MICRO_SEED)

/**
 * Keys side by side, KEY_BYTES each.
 *
 * @param {number} count
 * @param {number} [from] Index of the first one.
 */
export function keyBytes(count, from = 0) {
  const bytes = new Uint8Array(count * KEY_BYTES)
  for (let i = 0; i < count; i++) dataset.writeKey(from + i, bytes, i * KEY_BYTES)
  return bytes
}

/**
 * Values side by side, VALUE_BYTES each.
 *
 * @param {number} count
 * @param {number} [round]
 */
export function valueBytes(count, round = 0) {
  const bytes = new Uint8Array(count * VALUE_BYTES)
  for (let i = 0; i < count; i++) dataset.writeValue(i, round, bytes, i * VALUE_BYTES)
  return bytes
}

/**
 * SETs as on a replication stream.
 *
 * @param {number} count
 */
export function setCommands(count) {
  return Buffer.concat(buildSets(dataset, 0, count, 0))
}
