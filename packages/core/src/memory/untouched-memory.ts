/**
 * Shared memory of which no page was touched. The C allocator hands out what was used before, and clears all of it at once: a
 * mebibyte held the thread for three milliseconds where pages are slow to come. Growable buffers are not its, and come from the system,
 * which clears a page when it is first written.
 *
 * @returns a buffer of this length that never grows. Views on it are given a length: one that follows the buffer's costs ten times as much per access.
 */
export function untouchedMemory(byteLength: number): SharedArrayBuffer {
  return new SharedArrayBuffer(byteLength, { maxByteLength: byteLength })
}
