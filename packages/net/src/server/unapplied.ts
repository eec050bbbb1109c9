/**
 * The record of stream commands that changed nothing here although they changed the primary: of a type or name this
 * version does not apply, or refused with an error. Nothing is skipped in silence: each is counted by name with its
 * first and last offset and a sample key, logged once per name and then at growing distances, and shown in INFO.
 */
import type { CommandArgs, Logger } from '@understudy/core/internal'

interface Unapplied {
  count: number
  firstOffset: number
  lastOffset: number
  sampleKey: string
  /** Count at which the next log line is due. */
  nextLogAt: number
}

/** Names are the primary's: a hostile one may invent them without end. */
const NAMES_MAX = 256
const OTHERS = 'other'
const SHOWN_KEY_BYTES = 64

export class UnappliedCommands {
  readonly #byName = new Map<string, Unapplied>()
  readonly #logger: Logger
  /** Of all names. */
  total = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** @param offset stream offset before the command. @param reason why, as a half sentence. */
  add(args: CommandArgs, offset: number, reason: string): void {
    let name = text(args, 0).toLowerCase()
    this.total++
    let known = this.#byName.get(name)
    if (known === undefined) {
      if (this.#byName.size >= NAMES_MAX) name = OTHERS
      known = this.#byName.get(name)
      if (known === undefined) {
        known = { count: 0, firstOffset: offset, lastOffset: offset, sampleKey: text(args, 1), nextLogAt: 1 }
        this.#byName.set(name, known)
      }
    }
    known.count++
    known.lastOffset = offset
    if (known.count < known.nextLogAt) return
    known.nextLogAt *= 100
    this.#logger.warning(
      `The primary's command '${name}' was not applied: ${reason}. Key '${text(args, 1)}', offset ${offset}, ` +
        `${known.count} so far; what it changed differs here until the next full resync (INFO replication counts it).`,
    )
  }

  /** After a full resync the data are whole again. */
  clear(): void {
    this.#byName.clear()
  }

  /** For INFO: one line per name. */
  lines(): string[] {
    const lines = [`stream_commands_not_applied:${this.total}`]
    for (const [name, { count, firstOffset, lastOffset, sampleKey }] of this.#byName) {
      const shown = name.replace(/[^a-z0-9_.|-]/g, '?')
      lines.push(
        `not_applied_${shown}:count=${count},first_offset=${firstOffset},last_offset=${lastOffset},key=${sampleKey}`,
      )
    }
    return lines
  }
}

function text(args: CommandArgs, index: number): string {
  if (index >= args.count) return ''
  const start = args.start[index]!
  const end = Math.min(args.end[index]!, start + SHOWN_KEY_BYTES)
  let shown = ''
  for (let i = start; i < end; i++) {
    const byte = args.bytes[i]!
    shown += byte > 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return shown
}
