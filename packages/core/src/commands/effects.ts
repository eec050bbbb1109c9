/**
 * What one unit (a command, or an EXEC) did, as the commands that replicas below get of it: RESP bytes, written while it
 * runs and moved on when it is over. Commands whose rule is `verbatim` or `always` say nothing themselves: the dispatcher tells
 * them as they came, if they changed something (`Keyspace.dirty`). All others tell their effects here, by the rules of
 * `propagation.ts`. It knows no replica and no backlog, and no context has one while nobody is below.
 *
 *     bytes    *1 MULTI │ *2 SELECT n │ *2 DEL k │ *3 SET k v │ … │ *1 EXEC
 *              └ always written, moved only with two effects or more ┘
 *
 * Source: redis 7.0 server.c propagatePendingCommands(), replication.c replicationFeedSlaves().
 */
import { STREAM_ID_TEXT_BYTES_MAX, type StreamId } from '../encoding/stream-id.ts'
import { ReplyEncoder } from '../resp/encoder.ts'
import type { CommandArgs } from './command.ts'

const SLAB_BYTES = 16 * 1024
const MULTI: Uint8Array = Buffer.from('*1\r\n$5\r\nMULTI\r\n')
const EXEC: Uint8Array = Buffer.from('*1\r\n$4\r\nEXEC\r\n')
/** No database is selected on the stream: the next effect says its own. */
const NO_DB = -1

const idText = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX)

/** Where they go: a backlog. */
export interface EffectsTarget {
  /** Copies `bytes[start .. end)`. */
  append(bytes: Uint8Array, start: number, end: number): void
}

export class Effects {
  readonly #encoder = new ReplyEncoder(SLAB_BYTES)
  #count = 0
  /** Database that the stream is in, with what was told but not moved on, and without it. */
  #db = NO_DB
  #movedDb = NO_DB

  constructor() {
    this.#encoder.raw(MULTI, 0, MULTI.length)
  }

  /** Commands told since the last `moveTo`. */
  get count(): number {
    return this.#count
  }

  /** Selected database at the end of what was moved on; -1: the next effect selects its own. */
  get db(): number {
    return this.#movedDb
  }

  /** Who reads the stream from here on knows of no database: the next effect selects its own. */
  forgetDb(): void {
    this.#db = this.#movedDb = NO_DB
  }

  /** A command of `words` arguments, its name included, in database `db`; the caller adds the other words. */
  begin(db: number, name: string, words: number): void {
    this.#count++
    this.#select(db)
    this.#encoder.array(words)
    this.#encoder.bulkString(name)
  }

  word(text: string): void {
    this.#encoder.bulkString(text)
  }

  /** @param value a safe integer, or a bigint. */
  integer(value: number | bigint): void {
    this.#encoder.bulkString(String(value))
  }

  id(id: StreamId): void {
    this.#encoder.bulk(idText, 0, id.writeText(idText, 0))
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    this.#encoder.bulk(source, start, end)
  }

  /** Argument `index` of the command that runs. */
  argument(args: CommandArgs, index: number): void {
    this.#encoder.bulk(args.bytes, args.start[index]!, args.end[index]!)
  }

  /** Arguments [from, to) of the command that runs. */
  argumentsOf(args: CommandArgs, from: number, to: number): void {
    for (let i = from; i < to; i++) this.argument(args, i)
  }

  /** The command as it came. */
  verbatim(args: CommandArgs, db: number): void {
    this.#count++
    this.#select(db)
    this.#encoder.array(args.count)
    this.argumentsOf(args, 0, args.count)
  }

  /** `name key` about the key in argument `index`. */
  ofKey(db: number, name: string, args: CommandArgs, index: number): void {
    this.begin(db, name, 2)
    this.argument(args, index)
  }

  /** `DEL key`, or `UNLINK key`. */
  deleted(db: number, key: Uint8Array, start: number, end: number, name: 'DEL' | 'UNLINK' = 'DEL'): void {
    this.begin(db, name, 2)
    this.bytes(key, start, end)
  }

  /**
   * Appends everything told since the last call, whole: in MULTI … EXEC if it is more than one command. The target copies.
   * @returns false: nothing was told
   */
  moveTo(target: EffectsTarget): boolean {
    if (this.#count === 0) return false
    const encoder = this.#encoder
    const isGroup = this.#count > 1
    if (isGroup) encoder.raw(EXEC, 0, EXEC.length)
    target.append(encoder.bytes, isGroup ? 0 : MULTI.length, encoder.length)
    this.#count = 0
    this.#movedDb = this.#db
    // The slab of an ordinary unit is used again; a large one goes.
    const slab = encoder.bytes
    encoder.clear()
    if (encoder.bytes !== slab) encoder.bytes.set(MULTI)
    encoder.length = MULTI.length
    return true
  }

  /** Forgets everything told since the last `moveTo`, perhaps not whole: who reads the stream begins anew. */
  discard(): void {
    this.#encoder.clear()
    this.#encoder.raw(MULTI, 0, MULTI.length)
    this.#count = 0
    this.forgetDb()
  }

  #select(db: number): void {
    if (this.#db === db) return
    this.#db = db
    this.#encoder.array(2)
    this.#encoder.bulkString('SELECT')
    this.#encoder.bulkString(String(db))
  }
}
