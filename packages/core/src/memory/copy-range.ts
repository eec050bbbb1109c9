/**
 * Copying long ranges to, from and within shared memory.
 *
 * V8 copies shared memory eight bytes at a time only where both ranges lie alike in their eight bytes, else byte by byte (v8
 * src/base/atomicops.h Relaxed_Memmove), which takes several times as long (`bench micro`). Private memory is copied natively however it
 * lies. So a range that lies otherwise goes through a private buffer, in which it is moved to where it lies as it has to:
 *
 *     source     …..abcdefgh…      shared, 5 behind a multiple of 8
 *     buffer     …..abcdefgh…      at 5, eight bytes at a time
 *     buffer     ..abcdefgh……      at 2, natively
 *     target     ..abcdefgh……      shared, 2 behind a multiple of 8
 *
 * One of the copies in shared memory falls away when source or target are private themselves.
 */

const BUFFER_BYTES = 65_536
/** Below, going through the buffer costs more than it saves. */
const LONG_BYTES_MIN = 512
const WORD_MASK = 7

/** With room for where in a word a range begins. */
const buffer: Uint8Array = new Uint8Array(BUFFER_BYTES + WORD_MASK + 1)

/** Copies `source[start .. end)` to `target[at …)`. They may be the same array if the ranges do not overlap. */
export function copyRange(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  const sourcePlace = (source.byteOffset + start) & WORD_MASK
  const targetPlace = (target.byteOffset + at) & WORD_MASK
  const isAlike = sourcePlace === targetPlace
  if (isAlike || end - start < LONG_BYTES_MIN || (isPrivate(source) && isPrivate(target))) {
    target.set(source.subarray(start, end), at)
    return
  }
  let from = start
  let to = at
  // The first piece ends where the next ones begin as it did: the buffer is a whole number of words.
  while (from < end) {
    const next = Math.min(end, from + BUFFER_BYTES)
    copyPiece(source, from, next, sourcePlace, target, to, targetPlace)
    to += next - from
    from = next
  }
}

/** Moves `bytes[start .. end)` to `at` in the same array; the ranges may overlap. */
export function moveRange(bytes: Uint8Array, start: number, end: number, at: number): void {
  const length = end - start
  const sourcePlace = (bytes.byteOffset + start) & WORD_MASK
  const targetPlace = (bytes.byteOffset + at) & WORD_MASK
  if (sourcePlace === targetPlace || length < LONG_BYTES_MIN || isPrivate(bytes)) {
    bytes.copyWithin(at, start, end)
    return
  }
  const pieces = Math.ceil(length / BUFFER_BYTES)
  for (let i = 0; i < pieces; i++) {
    // Upwards the last piece goes first, so that none is overwritten before it has been moved.
    const offset = (at > start ? pieces - 1 - i : i) * BUFFER_BYTES
    const from = start + offset
    copyPiece(bytes, from, Math.min(end, from + BUFFER_BYTES), sourcePlace, bytes, at + offset, targetPlace)
  }
}

/** Copies at most BUFFER_BYTES. */
function copyPiece(
  source: Uint8Array,
  start: number,
  end: number,
  sourcePlace: number,
  target: Uint8Array,
  at: number,
  targetPlace: number,
): void {
  const length = end - start
  if (isPrivate(source)) {
    buffer.set(source.subarray(start, end), targetPlace)
  } else {
    buffer.set(source.subarray(start, end), sourcePlace)
    if (isPrivate(target)) {
      target.set(buffer.subarray(sourcePlace, sourcePlace + length), at)
      return
    }
    buffer.copyWithin(targetPlace, sourcePlace, sourcePlace + length)
  }
  target.set(buffer.subarray(targetPlace, targetPlace + length), at)
}

function isPrivate(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof ArrayBuffer
}
