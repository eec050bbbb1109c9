/**
 * Commands of the stream, some at a time: they are found together and then handed over one by one, so that whoever applies them can
 * see early which keys come next. Each is parsed once.
 *
 *   commands   0  1  2 … count-1 │ count
 *              found, to be applied │ the parser's: may hold the beginning of a command whose rest has not come
 */
import type { CommandArgs } from '../commands/command.ts'
import { COMMANDS_AHEAD_MAX } from '../limits.ts'
import { type CommandParser, newCommandArgs, trimCommandArgs } from './command-parser.ts'

export class CommandsAhead {
  readonly commands: CommandArgs[]
  /** Command `i` ends before `bytes[ends[i]]`. */
  readonly ends: Int32Array = new Int32Array(COMMANDS_AHEAD_MAX)
  count = 0
  readonly #parser: CommandParser

  /** @param parser of which nobody else asks for commands. */
  constructor(parser: CommandParser) {
    this.#parser = parser
    this.commands = Array.from({ length: COMMANDS_AHEAD_MAX }, () => newCommandArgs(parser.args.bytes))
    this.commands.unshift(parser.args)
  }

  /** They will be parsed from another array. Not while commands are found but not applied. */
  rebase(bytes: Uint8Array): void {
    for (const args of this.commands) args.bytes = bytes
  }

  /**
   * Finds the next commands: as many as there is room for, none after one that ends at `stopAt` or behind it.
   * @param isUnit a command is a unit of its own, not a part of a group. @returns false when no whole command is there.
   * @throws ProtocolError when the first one is malformed; behind others it is met again by the next call.
   */
  find(stopAt: number, isUnit: boolean): boolean {
    const { commands, ends } = this
    const parser = this.#parser
    const first = parser.args
    this.trim()
    commands[this.count] = commands[0]!
    commands[0] = first
    this.count = 0
    let count = 0
    try {
      while (count < COMMANDS_AHEAD_MAX && parser.parse()) {
        ends[count++] = parser.cursor
        parser.args = commands[count]!
        if (isUnit) parser.unitStart = parser.cursor
        if (parser.cursor >= stopAt) break
      }
    } catch (error) {
      if (count === 0) throw error
    }
    this.count = count
    return count > 0
  }

  /** What was found has been handed over: gives back position arrays that unusually long commands made large. */
  trim(): void {
    for (let i = 0; i < this.count; i++) trimCommandArgs(this.commands[i]!)
  }
}
