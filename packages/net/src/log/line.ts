/**
 * One line of the log in Redis' format, which scripts and people know:
 *
 *   5168:S 20 Nov 2026 23:49:52.015 * Connecting to MASTER 127.0.0.1:6379
 *   pid  │                          └ level: . debug  - verbose  * notice  # warning
 *        └ role: M primary, S replica, C child or not known yet, X sentinel
 *
 * Time is local. Source: redis 7.0 server.c serverLogRaw().
 */

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning'

/** Order and numbers as pino has them: a level lets through its own and higher ones. */
export const LOG_LEVELS: Readonly<Record<LogLevel, number>> = { debug: 20, verbose: 25, notice: 30, warning: 40 }

export type LogRole = 'M' | 'S' | 'C' | 'X'

const MARKS: Readonly<Record<number, string>> = { 20: '.', 25: '-', 30: '*', 40: '#' }
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What is beyond is cut: a message may quote what a peer sent. */
const MESSAGE_LENGTH_MAX = 4096

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Control characters as \n, \r, \t or \xHH, so that a message stays one line and says nothing to a terminal. */
export function escapeControls(message: string): string {
  // oxlint-disable-next-line no-control-regex
  return message.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    const code = character.charCodeAt(0)
    return NAMED[character] ?? (code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`)
  })
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0')
}

/** `20 Nov 2026 23:49:52.015`, local time. */
export function formatTime(wallMs: number): string {
  const time = new Date(wallMs)
  const date = `${digits(time.getDate(), 2)} ${MONTHS[time.getMonth()]} ${time.getFullYear()}`
  const clock = `${digits(time.getHours(), 2)}:${digits(time.getMinutes(), 2)}:${digits(time.getSeconds(), 2)}`
  return `${date} ${clock}.${digits(time.getMilliseconds(), 3)}`
}

/** The line with its newline. @param level One of the numbers of `LOG_LEVELS`. */
export function formatLine(pid: number, role: LogRole, wallMs: number, level: number, message: string): string {
  const cut = message.length > MESSAGE_LENGTH_MAX ? `${message.slice(0, MESSAGE_LENGTH_MAX)}...` : message
  return `${pid}:${role} ${formatTime(wallMs)} ${MARKS[level] ?? '#'} ${escapeControls(cut)}\n`
}
