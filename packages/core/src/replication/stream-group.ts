/**
 * A MULTI … EXEC group of the stream, as it is handed over when its EXEC is here.
 */
import type { CommandArgs } from '../commands/command.ts'
import { CommandParser, trimCommandArgs } from './command-parser.ts'
import { isArgument, isFrame, readDb, SELECT } from './frame-commands.ts'

const NO_BYTES: Uint8Array = new Uint8Array(0)

/**
 * One MULTI … EXEC group, complete in the input buffer. `while (next()) use(args, db)`, as often as needed, with a `rewind()` in
 * between. Borrowed until the handler returns.
 */
export class StreamGroup {
  /** Database of the current command; behind the last one, of the group's end. */
  db = 0
  readonly #parser = new CommandParser(NO_BYTES, Number.MAX_SAFE_INTEGER)
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
    this.rewind()
  }

  /** @internal It was handed over: holds neither the input buffer any more nor what an unusually long command needed. */
  close(): void {
    this.#parser.reset()
    this.#parser.rebase(NO_BYTES, 0)
    trimCommandArgs(this.#parser.args)
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
      if (isArgument(args, 0, SELECT)) this.db = readDb(args, this.#baseOffset)
      else if (!isFrame(args)) return true
    }
    return false
  }

  /** @internal Moves to the next command of any kind. */
  nextAny(): boolean {
    while (this.#parser.parse()) if (this.#parser.args.count > 0) return true
    return false
  }
}
