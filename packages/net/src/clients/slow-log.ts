/**
 * The slow log: the newest commands that took longer than slowlog-log-slower-than. Arguments are shortened as in redis
 * 7.0 slowlog.c slowlogCreateEntry().
 */
import type { CommandArgs } from '@understudy/core/internal'
import { argText } from '@understudy/core/internal'
import { REDACTED } from './secret-arguments.ts'

const ARGS_MAX = 32
const ARG_BYTES_MAX = 128

export interface SlowLogEntry {
  readonly id: number
  /** Seconds since 1970. */
  readonly time: number
  readonly micros: number
  /** Latin1. */
  readonly args: readonly string[]
  readonly address: string
  readonly name: string
}

export class SlowLog {
  /** Newest first. */
  readonly entries: SlowLogEntry[] = []
  #nextId = 0

  /** @param args as `shortenedArgs` gives them. */
  add(args: readonly string[], micros: number, time: number, address: string, name: string, lengthMax: number): void {
    this.entries.unshift({ id: this.#nextId++, time, micros, args, address, name })
    if (this.entries.length > lengthMax) this.entries.length = Math.max(0, lengthMax)
  }

  clear(): void {
    this.entries.length = 0
  }
}

/** Latin1; long lists and long arguments are cut. @param secrets indexes of arguments that are not shown */
export function shortenedArgs(args: CommandArgs, secrets: readonly number[]): string[] {
  const kept = Math.min(args.count, ARGS_MAX)
  const texts: string[] = []
  for (let i = 0; i < kept; i++) {
    if (kept !== args.count && i === kept - 1) texts.push(`... (${args.count - kept + 1} more arguments)`)
    else if (secrets.includes(i)) texts.push(REDACTED)
    else {
      const length = args.end[i]! - args.start[i]!
      if (length > ARG_BYTES_MAX) {
        const start = args.start[i]!
        const head = Buffer.from(args.bytes.subarray(start, start + ARG_BYTES_MAX)).toString('latin1')
        texts.push(`${head}... (${length - ARG_BYTES_MAX} more bytes)`)
      } else texts.push(argText(args, i))
    }
  }
  return texts
}
