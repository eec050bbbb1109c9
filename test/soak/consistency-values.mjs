/** Values that carry their own checksum, for both threads of the consistency soak. */

/**
 * FNV-1a over everything behind the first four bytes.
 * @param {Uint8Array} value
 */
export function checksum(value) {
  let hash = 0x811c9dc5
  for (let i = 4; i < value.length; i++) hash = Math.imul(hash ^ (value[i] ?? 0), 0x01000193)
  return hash >>> 0
}
