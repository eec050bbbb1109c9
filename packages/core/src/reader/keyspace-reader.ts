/**
 * Reading the dataset inside of an application, in any thread that was given a handle: synchronous, typed, without a network.
 * Every call is of one moment of the replication stream, `together()` makes several calls so (docs/consistency.md). Clients
 * are answered by the same code: strings are read here by the same lookups and the same protocol, all else by the functions
 * of the commands, whose replies are decoded.
 *
 * Keys, fields and members are strings (as UTF-8) or bytes. Results are strings (decoded as UTF-8); methods that end in `Buffer`
 * give bytes, always as copies. A key that has expired is absent.
 */
import { isPromise } from 'node:util/types'
import type { CommandRow, CommandSettings, CommandTable } from '../commands/command.ts'
import { expireCommands } from '../commands/expire.ts'
import { hashCommands } from '../commands/hash.ts'
import { keyCommands } from '../commands/key.ts'
import { listCommands } from '../commands/list.ts'
import { scanCommands } from '../commands/scan.ts'
import { setCommands } from '../commands/set.ts'
import type { SharedReadContext } from '../commands/shared-read.ts'
import { streamCommands } from '../commands/stream.ts'
import { zsetCommands } from '../commands/zset.ts'
import { KeyspaceError, ReplicaError } from '../errors.ts'
import { DISTURBED, guardRead } from '../keyspace/read-guard.ts'
import type { ReaderHandle } from '../keyspace/readers.ts'
import { READ_PATIENCE_MS, ReadTooLong, SharedKeyspace } from '../keyspace/shared-keyspace.ts'
import { HLL_SPARSE_BYTES_MAX, PROTO_MAX_BULK_BYTES } from '../limits.ts'
import { ReplyEncoder } from '../resp/encoder.ts'
import { WRONG_TYPE } from '../resp/error-replies.ts'
import { DEFAULT_THRESHOLDS } from '../values/thresholds.ts'
import type { BorrowedValue } from './borrowed-value.ts'
import { type ReadArgument, ReadArguments } from './read-arguments.ts'
import { ReplyValues } from './reply-values.ts'
import { AS_BUFFER, AS_TEXT, AS_VIEW, type StringForm, type StringRead, StringReads } from './string-reads.ts'

/** A key, field or member: text as UTF-8, or bytes. */
export type Name = string | Uint8Array

export interface KeyspaceReaderOptions {
  /** Database to read, 0 when left out; `db` changes it. */
  readonly db?: number
}

export interface ScanOptions {
  /** Glob pattern of keys. */
  readonly match?: string
  /** About how many keys a call looks at. */
  readonly count?: number
  /** As TYPE names it. */
  readonly type?: string
}

export interface StreamEntry {
  readonly id: string
  /** Fields and values in their order; a field may come twice. */
  readonly fields: readonly (readonly [field: string, value: string])[]
}

const SETTINGS: CommandSettings = {
  protoMaxBulkBytes: PROTO_MAX_BULK_BYTES,
  hllSparseMaxBytes: HLL_SPARSE_BYTES_MAX,
  encodings: DEFAULT_THRESHOLDS,
}

export class KeyspaceReader {
  readonly #keyspace: SharedKeyspace
  readonly #args = new ReadArguments()
  readonly #reply = new ReplyEncoder()
  readonly #values = new ReplyValues()
  readonly #context: SharedReadContext
  readonly #strings: StringReads
  /** Inside of `together()`: its attempt is the one that counts. */
  #isTogether = false
  /** When a string read has lasted too long; set by its first failure. */
  #deadline = 0
  /**
   * Opens a reader in the thread that received the handle, which is for one reader.
   * @throws KeyspaceError KEYSPACE_BAD_DATABASE, the handle is used up then, too; ReplicaError BAD_ARGUMENT when it was opened before, or its
   * port is closed or was transferred to another thread, NOT_READY when this thread has taken it back
   */
  constructor(handle: ReaderHandle, options: KeyspaceReaderOptions = {}) {
    requireHandle(handle)
    const keyspace = new SharedKeyspace(handle)
    this.#keyspace = keyspace
    this.#strings = new StringReads(keyspace, this.#args)
    this.#context = {
      args: this.#args,
      reply: this.#reply,
      keyspace,
      db: 0,
      nowMs: 0,
      fromPrimary: false,
      settings: SETTINGS,
    }
    // Doubles, maps and sets tell themselves apart from text.
    this.#reply.resp = 3
    try {
      this.db = options.db ?? 0
    } catch (error) {
      // Nobody else can: the writer would go on counting, and telling a reader of which there is none.
      this.close()
      throw error
    }
  }

  /** The database that is read. */
  get db(): number {
    return this.#context.db
  }

  /** @throws KeyspaceError KEYSPACE_BAD_DATABASE */
  set db(db: number) {
    this.#keyspace.checkDatabase(db)
    this.#context.db = db
    this.#strings.db = db
  }

  /** No reads after this, and no view of before is valid. The writer notices by itself. */
  close(): void {
    this.#keyspace.close()
    // The writer may leave the protocol, by which a view tells whether the data were changed.
    this.#strings.letGo()
  }

  /** Attempts that had to be repeated because the data changed under them, since the reader was opened. */
  get retries(): number {
    return this.#keyspace.retries
  }

  /**
   * Applied offset of the replication stream as of which the last read was. 0 before there is one. Of several reads as one it is
   * known when `together()` has returned, not inside.
   */
  get offset(): number {
    return this.#keyspace.offset
  }

  /**
   * Milliseconds since the link role applied that offset; from a silent primary it comes to more than the real lag. Infinity before the
   * first read.
   */
  get lagMs(): number {
    const { appliedAtMs } = this.#keyspace
    return appliedAtMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Date.now() - appliedAtMs)
  }

  /** Replication ID of the stream, 40 hexadecimal digits. A read like any other. */
  get replid(): string {
    let replid = ''
    this.#attempt(() => (replid = this.#keyspace.replidNow()))
    return replid
  }

  /** Called between looking and validating; tests widen the race window with it. */
  set beforeValidation(call: (() => void) | undefined) {
    this.#keyspace.beforeValidation = call
  }

  /** The test of the consistency test leaves validation out; nobody else may. */
  skipValidation(): void {
    this.#keyspace.skipValidation()
  }

  /**
   * Makes several reads of this reader as one: all of one moment. `read` may run more than once, and must do nothing else.
   * Views are not for here: they outlast a read.
   * @returns what `read` returned. @throws ReplicaError as the reads in it do, and what `read` throws; KeyspaceError BAD_ARGUMENT when it is
   * asynchronous: what it reads after it has waited is of other moments.
   */
  together<Result>(read: () => Result): Result {
    if (this.#isTogether) return read()
    let result: Result | undefined
    this.#attempt(() => {
      this.#isTogether = true
      try {
        result = read()
      } finally {
        this.#isTogether = false
      }
      refusePromise(result)
    })
    return result as Result
  }

  // ---- strings ----------------------------------------------------------------------------------------------------

  /**
   * The string at a key; undefined when there is none. As of all reads:
   * @throws KeyspaceError WRONG_TYPE when the key holds another type; ReplicaError NOT_READY when this reader was closed, when
   * the node was never synced and so has no dataset, or when the data it reads were changed again and again for five
   * seconds while it read them (retryable). The writer leaves a read some milliseconds: longer ones (all of a very large hash) need a
   * pause of the writes to their shards. As of all that give strings:
   * @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG for 512 MiB and more, as JavaScript has no such strings; `getBuffer` and `view` give them.
   */
  get(key: Name): string | undefined {
    return this.#read(key, AS_TEXT) as string | undefined
  }

  getBuffer(key: Name): Buffer | undefined {
    return this.#read(key, AS_BUFFER) as Buffer | undefined
  }

  /**
   * The string where it lies, or a copy of one that is too long to lie in one piece; to be validated, see `BorrowedValue`. Good until the next
   * read of this reader.
   */
  view(key: Name): BorrowedValue | undefined {
    return this.#read(key, AS_VIEW) as BorrowedValue | undefined
  }

  /** The strings at several keys, of one moment; undefined for a key that is absent or of another type. */
  mget(keys: readonly Name[]): (string | undefined)[] {
    return this.#readAll(keys, AS_TEXT) as (string | undefined)[]
  }

  mgetBuffer(keys: readonly Name[]): (Buffer | undefined)[] {
    return this.#readAll(keys, AS_BUFFER) as (Buffer | undefined)[]
  }

  // ---- keys -------------------------------------------------------------------------------------------------------

  /** How many of the keys exist; one named twice counts twice. */
  exists(...keys: readonly Name[]): number {
    return this.#number(EXISTS, keys)
  }

  /** As TYPE names it; `none` when the key is absent. */
  type(key: Name): string {
    return this.#open(TYPE, [key]).text()!
  }

  /** Seconds to live, rounded as TTL does it; -1 without an end, -2 when the key is absent. */
  ttl(key: Name): number {
    return this.#number(TTL, [key])
  }

  /** When the key expires, milliseconds since 1970; -1 never, -2 when it is absent. */
  expireAtMs(key: Name): number {
    return this.#number(PEXPIRETIME, [key])
  }

  /** A page of keys. Begin with cursor 0; the cursor returned is 0 at the end. Promises what SCAN promises. */
  scan(cursor: number, options: ScanOptions = {}): { cursor: number; keys: string[] } {
    const values = this.#openScan(cursor, options)
    return { cursor: Number(values.text()), keys: texts(values) }
  }

  scanBuffer(cursor: number, options: ScanOptions = {}): { cursor: number; keys: Buffer[] } {
    const values = this.#openScan(cursor, options)
    return { cursor: Number(values.text()), keys: buffers(values) }
  }

  // ---- hashes -----------------------------------------------------------------------------------------------------

  hget(key: Name, field: Name): string | undefined {
    return this.#open(HGET, [key, field]).text()
  }

  hgetBuffer(key: Name, field: Name): Buffer | undefined {
    return this.#open(HGET, [key, field]).buffer()
  }

  /** All fields with their values; empty when the key is absent. */
  hgetall(key: Name): Map<string, string> {
    const values = this.#open(HGETALL, [key])
    const fields = new Map<string, string>()
    for (let left = values.number(); left > 0; left--) fields.set(values.text()!, values.text()!)
    return fields
  }

  hgetallBuffer(key: Name): (readonly [field: Buffer, value: Buffer])[] {
    const values = this.#open(HGETALL, [key])
    return Array.from({ length: values.number() }, () => [values.buffer()!, values.buffer()!] as const)
  }

  // ---- lists ------------------------------------------------------------------------------------------------------

  /** Elements `start` to `stop`, both included; negative ones count from the end. */
  lrange(key: Name, start: number, stop: number): string[] {
    return texts(this.#open(LRANGE, [key, start, stop]))
  }

  lrangeBuffer(key: Name, start: number, stop: number): Buffer[] {
    return buffers(this.#open(LRANGE, [key, start, stop]))
  }

  // ---- sets -------------------------------------------------------------------------------------------------------

  smembers(key: Name): string[] {
    return texts(this.#open(SMEMBERS, [key]))
  }

  smembersBuffer(key: Name): Buffer[] {
    return buffers(this.#open(SMEMBERS, [key]))
  }

  sismember(key: Name, member: Name): boolean {
    return this.#number(SISMEMBER, [key, member]) === 1
  }

  // ---- sorted sets ------------------------------------------------------------------------------------------------

  zscore(key: Name, member: Name): number | undefined {
    const values = this.#open(ZSCORE, [key, member])
    return values.isNull ? undefined : values.number()
  }

  /** Members of ranks `start` to `stop`, both included; negative ones count from the end. */
  zrange(key: Name, start: number, stop: number): string[] {
    return texts(this.#open(ZRANGE, [key, start, stop]))
  }

  zrangeBuffer(key: Name, start: number, stop: number): Buffer[] {
    return buffers(this.#open(ZRANGE, [key, start, stop]))
  }

  zrangeWithScores(key: Name, start: number, stop: number): (readonly [member: string, score: number])[] {
    const values = this.#open(ZRANGE, [key, start, stop, 'WITHSCORES'])
    return Array.from({ length: values.number() }, () => {
      values.number()
      return [values.text()!, values.number()] as const
    })
  }

  // ---- streams ----------------------------------------------------------------------------------------------------

  /** Entries from ID `start` to `end`, `-` and `+` being the ends. @param count most of them. */
  xrange(key: Name, start: string, end: string, count?: number): StreamEntry[] {
    const values = this.#open(XRANGE, count === undefined ? [key, start, end] : [key, start, end, 'COUNT', count])
    return Array.from({ length: values.number() }, () => {
      values.number()
      const id = values.text()!
      const fields = Array.from({ length: values.number() / 2 }, () => [values.text()!, values.text()!] as const)
      return { id, fields }
    })
  }

  // ---- the way of strings -----------------------------------------------------------------------------------------

  #read(key: Name, form: StringForm): StringRead | undefined {
    const args = this.#args
    args.clear()
    args.add(key)
    if (this.#isTogether) return this.#strings.valueOfOnly(form)
    const keyspace = this.#keyspace
    for (let attempt = 1; ; attempt++) {
      keyspace.begin()
      const { generation } = keyspace
      const outer = guardRead(generation)
      this.#strings.begin(-1)
      try {
        const value = this.#strings.valueOfOnly(form)
        keyspace.beforeValidation?.()
        if (keyspace.validate()) return value
      } catch (error) {
        // What was thrown over torn data means nothing.
        if (error !== DISTURBED && keyspace.validate()) throw error
      } finally {
        guardRead(outer)
      }
      this.#keepTrying(attempt)
    }
  }

  #readAll(keys: readonly Name[], form: StringForm): (StringRead | undefined)[] {
    requireArray(keys)
    const args = this.#args
    args.clear()
    for (let i = 0; i < keys.length; i++) args.add(keys[i]!)
    const values: (StringRead | undefined)[] = []
    this.#attempt(() => {
      values.length = 0
      this.#strings.valuesOfAll(form, values)
    })
    return values
  }

  // ---- the way of commands ----------------------------------------------------------------------------------------

  /** Runs a command that reads and opens its reply. */
  #open(row: CommandRow, args: readonly ReadArgument[]): ReplyValues {
    this.#args.clear()
    this.#args.add('')
    for (const argument of args) this.#args.add(argument)
    this.#attempt(() => {
      this.#reply.clear()
      row.read!(this.#context)
    })
    // Inside of several reads nothing is validated yet, and a torn reply could not be decoded.
    if (this.#isTogether) this.#keyspace.generation.check()
    const values = this.#values.open(this.#reply.pending())
    const error = values.error()
    if (error === WRONG_TYPE) throw new KeyspaceError('WRONG_TYPE', error)
    if (error !== undefined) throw new KeyspaceError('BAD_ARGUMENT', error)
    return values
  }

  #number(row: CommandRow, args: readonly ReadArgument[]): number {
    return this.#open(row, args).number()
  }

  #openScan(cursor: number, { match, count, type }: ScanOptions): ReplyValues {
    const args: ReadArgument[] = [cursor]
    if (match !== undefined) args.push('MATCH', match)
    if (count !== undefined) args.push('COUNT', count)
    if (type !== undefined) args.push('TYPE', type)
    const values = this.#open(SCAN, args)
    values.number()
    return values
  }

  #attempt(work: () => void): void {
    if (this.#isTogether) {
      work()
      return
    }
    try {
      const run = (): void => {
        this.#context.nowMs = Date.now()
        this.#strings.begin(this.#context.nowMs)
        work()
      }
      this.#keyspace.attempt({ run, undo: () => {} }, READ_PATIENCE_MS)
    } catch (error) {
      throw error instanceof ReadTooLong ? stuck() : error
    }
  }

  #keepTrying(attempt: number): void {
    if (attempt === 1) this.#deadline = performance.now() + READ_PATIENCE_MS
    else if (performance.now() > this.#deadline) throw stuck()
    this.#keyspace.failed(attempt)
  }
}

function stuck(): ReplicaError {
  return new ReplicaError(
    'NOT_READY',
    'the data changed again and again while they were read: too long a read for so many writes',
    { retryable: true },
  )
}

/** Most often it is all of `workerData`, or nothing. */
function requireHandle(handle: unknown): void {
  const isHandle = typeof handle === 'object' && handle !== null && 'generation' in handle && 'port' in handle
  if (!isHandle) throw new KeyspaceError('BAD_ARGUMENT', 'a reader is opened with what readers.attach() returned')
}

/** What an asynchronous function reads after it has waited is not of the moment that was validated. */
function refusePromise(result: unknown): void {
  if (!isPromise(result)) return
  // It goes on, and nobody will hear how.
  result.catch(() => {})
  throw new KeyspaceError('BAD_ARGUMENT', 'reads of one moment are made without waiting: not by an async function')
}

/** JavaScript passes what it likes; text and bytes, too, have a length and elements. */
function requireArray(keys: unknown): void {
  if (!Array.isArray(keys)) throw new KeyspaceError('BAD_ARGUMENT', 'keys are given as an array')
}

function texts(values: ReplyValues): string[] {
  return Array.from({ length: values.number() }, () => values.text()!)
}

function buffers(values: ReplyValues): Buffer[] {
  return Array.from({ length: values.number() }, () => values.buffer()!)
}

function row(table: CommandTable, name: string): CommandRow {
  return table[name]!
}

const EXISTS = row(keyCommands, 'EXISTS')
const TYPE = row(keyCommands, 'TYPE')
const TTL = row(expireCommands, 'TTL')
const PEXPIRETIME = row(expireCommands, 'PEXPIRETIME')
const SCAN = row(scanCommands, 'SCAN')
const HGET = row(hashCommands, 'HGET')
const HGETALL = row(hashCommands, 'HGETALL')
const LRANGE = row(listCommands, 'LRANGE')
const SMEMBERS = row(setCommands, 'SMEMBERS')
const SISMEMBER = row(setCommands, 'SISMEMBER')
const ZSCORE = row(zsetCommands, 'ZSCORE')
const ZRANGE = row(zsetCommands, 'ZRANGE')
const XRANGE = row(streamCommands, 'XRANGE')
