/**
 * Reads arguments of a command where speed does not matter: as text, as a keyword, as an integer. Texts are latin1, one
 * character per byte, so that nothing is lost on the way back into a reply (`ReplyEncoder.bulkLatin1`, `error`).
 */
import type { CommandArgs } from './command.ts'

/** The longest text: a string of V8 ends a little below 512 MiB, and a message has words around it. */
const TEXT_BYTES_MAX = 2 ** 29 - 2 ** 12

/** Argument `index` as text, one character per byte. @param bytesMax what is beyond is cut */
export function argText(args: CommandArgs, index: number, bytesMax: number = TEXT_BYTES_MAX): string {
  const start = args.start[index]!
  const { buffer, byteOffset } = args.bytes
  return Buffer.from(buffer, byteOffset + start, Math.min(args.end[index]! - start, bytesMax)).toString('latin1')
}

/** A copy of the bytes of argument `index`. */
export function argBytes(args: CommandArgs, index: number): Buffer {
  return Buffer.from(args.bytes.subarray(args.start[index], args.end[index]))
}

/** Is argument `index` this keyword, in any case? @param keyword upper-case ASCII. */
export function argIs(args: CommandArgs, index: number, keyword: string): boolean {
  const start = args.start[index]!
  if (args.end[index]! - start !== keyword.length) return false
  for (let i = 0; i < keyword.length; i++) {
    let byte = args.bytes[start + i]!
    if (byte >= 97 && byte <= 122) byte -= 32
    if (byte !== keyword.charCodeAt(i)) return false
  }
  return true
}

/**
 * Argument `index` as an integer written the way Redis wants it (no sign but '-', no leading zeros, no spaces).
 * @returns NaN when it is not one, or not a safe integer.
 */
export function argInteger(args: CommandArgs, index: number): number {
  const start = args.start[index]!
  const end = args.end[index]!
  const bytes = args.bytes
  let at = start
  const negative = at < end && bytes[at] === 45
  if (negative) at++
  const digits = end - at
  if (digits < 1 || digits > 16) return Number.NaN
  if (bytes[at] === 48) return digits === 1 && !negative ? 0 : Number.NaN
  let value = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  if (value > Number.MAX_SAFE_INTEGER) return Number.NaN
  return negative ? -value : value
}
