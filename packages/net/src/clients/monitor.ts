/**
 * The line MONITOR shows for a command: `+1700000000.123456 [0 127.0.0.1:50000] "get" "key"`.
 *
 * Source: redis 7.0 server.c call(), replication.c replicationFeedMonitors(), sds.c sdscatrepr().
 */
import { ADMIN, SKIP_MONITOR } from '@understudy/core/internal'
import type { CommandArgs, CommandMetadata } from '@understudy/core/internal'
import { CLIENT_UNIX_SOCKET } from './connection-flags.ts'
import { REDACTED, secretArguments } from './secret-arguments.ts'
import type { ClientSession } from './session.ts'

/** Redis shows everything; a line in memory has to end. */
const ARG_BYTES_MAX = 2 ** 20
const LINE_LENGTH_MAX = 2 ** 24

/** Commands with one of these flags are not shown. */
export const HIDDEN_FROM_MONITORS: number = SKIP_MONITOR | ADMIN

/** A command that was run. */
export interface MonitoredCommand {
  readonly db: number
  /** Who sent it. */
  readonly address: string
  readonly row: CommandMetadata
  readonly args: CommandArgs
}

/** What MONITOR shows of a client: `host:port`, or the path of the Unix socket, which CLIENT LIST shows with a port of 0. */
export function monitoredAddress({ address, flags }: ClientSession): string {
  return (flags & CLIENT_UNIX_SOCKET) === 0 ? address : `unix:${address.slice(0, address.lastIndexOf(':'))}`
}

/** Latin1, without CRLF and '+'. Of arguments beyond 1 MiB and lines beyond 16 MiB the rest is only counted. */
export function monitorLine({ db, address, row, args }: MonitoredCommand, now: number): string {
  // Microseconds as in Redis; the clock gives milliseconds, the rest comes from the monotonic clock.
  const micros = Math.floor((performance.now() % 1) * 1000)
  const time = `${Math.floor(now / 1000)}.${String(Math.floor(now % 1000)).padStart(3, '0')}${String(micros).padStart(3, '0')}`
  let line = `${time} [${db} ${address}]`
  const secrets = secretArguments(row, args)
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
