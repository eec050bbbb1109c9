/**
 * The line MONITOR shows for a command: `+1700000000.123456 [0 127.0.0.1:50000] "get" "key"`.
 *
 * Source: redis 7.0 replication.c replicationFeedMonitors(), sds.c sdscatrepr().
 */
import type { CommandArgs, CommandEntry } from '@understudy/core/internal'
import { REDACTED, secretArguments } from './secret-arguments.ts'
import type { ClientSession } from './session.ts'

/** Redis shows everything; a line in memory has to end. */
const ARG_BYTES_MAX = 2 ** 20
const LINE_LENGTH_MAX = 2 ** 24

/** Latin1, without CRLF and '+'. Of arguments beyond 1 MiB and lines beyond 16 MiB the rest is only counted. */
export function monitorLine(session: ClientSession, entry: CommandEntry<ClientSession>): string {
  const now = session.server.clock.wallMs()
  // Microseconds as in Redis; the clock gives milliseconds, the rest comes from the monotonic clock.
  const micros = Math.floor((performance.now() % 1) * 1000)
  const time = `${Math.floor(now / 1000)}.${String(Math.floor(now % 1000)).padStart(3, '0')}${String(micros).padStart(3, '0')}`
  let line = `${time} [${session.db} ${session.address}]`
  const { args } = session
  const secrets = secretArguments(entry.row, args)
  for (let i = 0; i < args.count; i++) {
    if (line.length > LINE_LENGTH_MAX) return `${line} "... (${args.count - i} more arguments)"`
    line += secrets.includes(i) ? ` "${REDACTED}"` : ` ${quote(args, i)}`
  }
  return line
}

function quote(args: CommandArgs, index: number): string {
  let text = '"'
  const argEnd = args.end[index]!
  const end = Math.min(argEnd, args.start[index]! + ARG_BYTES_MAX)
  for (let i = args.start[index]!; i < end; i++) {
    const byte = args.bytes[i]!
    if (byte === 34 || byte === 92) text += `\\${String.fromCharCode(byte)}`
    else if (byte === 10) text += '\\n'
    else if (byte === 13) text += '\\r'
    else if (byte === 9) text += '\\t'
    else if (byte === 7) text += '\\a'
    else if (byte === 8) text += '\\b'
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return argEnd === end ? `${text}"` : `${text}... (${argEnd - end} more bytes)"`
}
