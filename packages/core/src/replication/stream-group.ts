/**
 * A MULTI … EXEC group of the stream, as it is handed over when its EXEC is here.
 */
import type { CommandArgs } from '../commands/command.ts'
import { CommandParser } from './command-parser.ts'
import { isArgument, PING, readDb, REPLCONF, SELECT } from './frame-commands.ts'

/**
 * One MULTI … EXEC group, complete in the input buffer. Walked as often as needed (once to find the shards, once to
 * apply): `rewind(); while (next()) use(args, db)`. Borrowed until the handler returns.
 */
export class StreamGroup {
  /** Commands that `next()` will show. */
  commandCount = 0
  /** Database of the current command; behind the last one, of the group's end. */
  db = 0
  /** PING or REPLCONF stand among the commands. */
  hasFrames = false
  #parser = new CommandParser(new Uint8Array(0), Number.MAX_SAFE_INTEGER)
  #first = 0
  #last = 0
  #firstDb = 0
  #baseOffset = 0

  get args(): CommandArgs {
    return this.#parser.args
  }

  /** Stream offset before the MULTI. */
  get fromOffset(): number {
    return this.#baseOffset + this.#first
  }

  /** @internal `bytes[first .. last)` runs from the MULTI to before the EXEC and has been parsed once. */
  open(bytes: Uint8Array, first: number, last: number, db: number, baseOffset: number): void {
    this.#parser.rebase(bytes, 0)
    this.#parser.baseOffset = baseOffset
    this.#first = first
    this.#last = last
    this.#firstDb = db
    this.#baseOffset = baseOffset
    this.hasFrames = false
    this.rewind()
  }

  rewind(): void {
    this.#parser.reset()
    this.#parser.cursor = this.#first
    this.#parser.tail = this.#last
    this.#parser.parse()
    this.db = this.#firstDb
  }

  /** Moves to the next command, following SELECTs and passing over the other frame commands. */
  next(): boolean {
    while (this.nextAny()) {
      const args = this.#parser.args
      if (isArgument(args, 0, SELECT)) {
        this.db = readDb(args, this.#baseOffset)
        this.hasFrames = true
      } else if (isArgument(args, 0, PING) || isArgument(args, 0, REPLCONF)) {
        this.hasFrames = true
      } else {
        return true
      }
    }
    return false
  }

  /** @internal Moves to the next command of any kind. */
  nextAny(): boolean {
    while (this.#parser.parse()) if (this.#parser.args.count > 0) return true
    return false
  }
}
