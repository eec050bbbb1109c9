/** The commands that frame the replication stream: their names, in any case, and the database that a SELECT names. */
import type { CommandArgs } from '../commands/command.ts'
import { ProtocolError } from '../errors.ts'

/** Commands that belong to the stream itself and never reach the keyspace. */
export type FrameCommand = 'ping' | 'select' | 'multi' | 'exec' | 'replconf'

/** Largest db number that is taken for one; the owner of the keyspace has its own, lower bound. */
const DB_DIGITS_MAX = 9

const word = (text: string): Uint8Array => Buffer.from(text, 'latin1')
export const PING: Uint8Array = word('ping')
export const EXEC: Uint8Array = word('exec')
export const MULTI: Uint8Array = word('multi')
export const SELECT: Uint8Array = word('select')
export const REPLCONF: Uint8Array = word('replconf')
export const GETACK: Uint8Array = word('getack')

/** Is argument `index` the lower-case word, in any case? */
export function isArgument(args: CommandArgs, index: number, lower: Uint8Array): boolean {
  const at = args.start[index]!
  const length = args.end[index]! - at
  return length === lower.length && isWord(args.bytes, at, lower)
}

/** Of the commands in a group: one that is for the stream and does not change what follows. */
export function isFrame(args: CommandArgs): boolean {
  return isArgument(args, 0, PING) || isArgument(args, 0, REPLCONF)
}

/** Does `bytes` at `at` spell the lower-case word in any case? The caller has compared the lengths. */
export function isWord(bytes: Uint8Array, at: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) if ((bytes[at + i]! | 0x20) !== lower[i]) return false
  return true
}

/**
 * The database of a SELECT. One that does not exist is for the keyspace to refuse; one that is no number means the stream is corrupt.
 * @throws ProtocolError PROTOCOL_BAD_LENGTH
 */
export function readDb(args: CommandArgs, baseOffset: number): number {
  const start = args.count === 2 ? args.start[1]! : 0
  const end = args.count === 2 ? args.end[1]! : 0
  let db = 0
  let valid = end > start && end - start <= DB_DIGITS_MAX
  for (let i = start; valid && i < end; i++) {
    const digit = args.bytes[i]! - 48
    valid = digit >= 0 && digit <= 9
    db = db * 10 + digit
  }
  if (!valid) {
    throw new ProtocolError(
      'PROTOCOL_BAD_LENGTH',
      'SELECT on the replication stream without a database number',
      baseOffset + args.start[0]!,
    )
  }
  return db
}
