/** Text for messages out of bytes that may be anything. */
const BYTES_SHOWN_MAX = 128

/** `bytes[start .. end)` with everything but printable ASCII as \xNN, cut after 128 bytes. */
export function printableBytes(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < Math.min(end, start + BYTES_SHOWN_MAX); at++) {
    const byte = bytes[at]!
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c && byte !== 0x27
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return end - start > BYTES_SHOWN_MAX ? `${text}…` : text
}
