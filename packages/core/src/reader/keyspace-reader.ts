/**
 * Reading the dataset inside of an application, in any thread that was given a handle: synchronous, typed, without a network.
 * Every call is of one moment of the replication stream, `together()` makes several calls so (docs/consistency.md). Clients
 * are answered by the same code: strings are read here by the same lookups and the same protocol, all else by the functions
 * of the commands, whose replies are decoded.
 *
 * Keys, fields and members are strings (as UTF-8) or bytes. Results are strings (decoded as UTF-8); methods that end in `Buffer`
 * give bytes, always as copies. A key that has expired is absent.
 */
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
import { hashKey, hashOrder, hashTag } from '../keyspace/key-hash.ts'
import { FLAG_CHUNKED, FLAG_EXPIRE } from '../keyspace/layout.ts'
import { DISTURBED, guardRead } from '../keyspace/read-guard.ts'
import type { ReaderHandle } from '../keyspace/readers.ts'
import { READ_PATIENCE_MS, ReadTooLong, SharedKeyspace } from '../keyspace/shared-keyspace.ts'
import { HLL_SPARSE_BYTES_MAX, PROTO_MAX_BULK_BYTES } from '../limits.ts'
import { copyBytes } from '../memory/copy-bytes.ts'
import { ReplyEncoder } from '../resp/encoder.ts'
import { WRONG_TYPE } from '../resp/error-replies.ts'
import { DEFAULT_THRESHOLDS } from '../values/thresholds.ts'
import { BorrowedValue } from './borrowed-value.ts'
import { type ReadArgument, ReadArguments } from './read-arguments.ts'
import { ReplyValues } from './reply-values.ts'

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

// What becomes of a string value that was found.
const AS_TEXT = 0
const AS_BUFFER = 1
const AS_VIEW = 2
type Form = typeof AS_TEXT | typeof AS_BUFFER | typeof AS_VIEW
type Value = string | Buffer | BorrowedValue

/** Buffers of at most this length share a slab. */
const SLAB_VALUE_BYTES_MAX = 1024
const SLAB_BYTES = 32 * 1024

const SETTINGS: CommandSettings = {
  protoMaxBulkBytes: PROTO_MAX_BULK_BYTES,
  hllSparseMaxBytes: HLL_SPARSE_BYTES_MAX,
  encodings: DEFAULT_THRESHOLDS,
}

/** Not in Node's types, and twice as quick as toString() for short text; it takes any bytes as `this`. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice: (this: Uint8Array, start: number, end: number) => string
}

export class KeyspaceReader {
  readonly #keyspace: SharedKeyspace
  readonly #args = new ReadArguments()
  readonly #reply = new ReplyEncoder()
  readonly #values = new ReplyValues()
  readonly #context: SharedReadContext
  readonly #borrowed = new BorrowedValue()
  /** Inside of `together()`: its attempt is the one that counts. */
  #isTogether = false
  /** One time for all keys of an attempt; -1: not looked yet. */
  #nowMs = -1
  // Of the keys of one call: their hashes, and what was touched.
  #order = new Int32Array(16)
  #tag = new Int32Array(16)
  #near = new Int32Array(16)
  #slab: Buffer = Buffer.alloc(0)
  #slabView: DataView = new DataView(new ArrayBuffer(0))
  #slabUsed = 0

  /** Opens a reader in the thread that received the handle. */
  constructor(handle: ReaderHandle, options: KeyspaceReaderOptions = {}) {
    const keyspace = new SharedKeyspace(handle)
    this.#keyspace = keyspace
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
    this.db = options.db ?? 0
  }

  /** The database that is read. */
  get db(): number {
    return this.#context.db
  }

  /** @throws KeyspaceError KEYSPACE_BAD_DATABASE */
  set db(db: number) {
    this.#keyspace.checkDatabase(db)
    this.#context.db = db
  }

  /** No reads after this. The writer notices by itself. */
  close(): void {
    this.#keyspace.close()
  }

  /** Attempts that had to be repeated because the data changed under them, since the reader was opened. */
  get retries(): number {
    return this.#keyspace.retries
  }

  /** Applied offset of the replication stream as of which the last read was. 0 before there is one. */
  get offset(): number {
    return this.#keyspace.offset
  }

  /** Milliseconds since the link role applied that offset; from a silent primary it comes to more than the real lag. */
  get lagMs(): number {
    return Math.max(0, Date.now() - this.#keyspace.appliedAtMs)
  }

  /** Replication ID of the stream, 40 hexadecimal digits. */
  get replid(): string {
    return this.#keyspace.replid
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
   * @returns what `read` returned. @throws as any read.
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
    })
    return result as Result
  }

  // ---- strings ----------------------------------------------------------------------------------------------------

  /**
   * The string at a key; undefined when there is none. As of all reads:
   * @throws KeyspaceError WRONG_TYPE when the key holds another type; ReplicaError NOT_READY when this reader was closed, or
   * the writer does not let go of the data for seconds.
   */
  get(key: Name): string | undefined {
    return this.#read(key, AS_TEXT) as string | undefined
  }

  getBuffer(key: Name): Buffer | undefined {
    return this.#read(key, AS_BUFFER) as Buffer | undefined
  }

  /** The string where it lies, not validated: see `BorrowedValue`. Good until the next read of this reader. */
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

  #read(key: Name, form: Form): Value | undefined {
    const args = this.#args
    args.clear()
    args.add(key)
    if (this.#isTogether) {
      this.#hash()
      return this.#valueOf(0, form, true)
    }
    const keyspace = this.#keyspace
    for (let attempt = 1; ; attempt++) {
      keyspace.begin()
      const { generation } = keyspace
      const outer = guardRead(generation)
      this.#nowMs = -1
      this.#hash()
      try {
        const value = this.#valueOf(0, form, true)
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

  /** Hashes the only key. */
  #hash(): void {
    const { bytes, end } = this.#args
    hashKey(this.#keyspace.generation.seed, bytes, 0, end[0]!)
    this.#order[0] = hashOrder
    this.#tag[0] = hashTag
  }

  #readAll(keys: readonly Name[], form: Form): (Value | undefined)[] {
    const args = this.#args
    args.clear()
    for (let i = 0; i < keys.length; i++) args.add(keys[i]!)
    const values: (Value | undefined)[] = []
    this.#attempt(() => {
      this.#touchAll()
      values.length = 0
      for (let i = 0; i < args.count; i++) values.push(this.#valueOf(i, form, false))
    })
    return values
  }

  /** Hashes all keys and brings nearer what their lookups need, so that their cache misses overlap. */
  #touchAll(): void {
    const { bytes, count, start, end } = this.#args
    const keyspace = this.#keyspace
    const { db } = this.#context
    const { seed } = keyspace.generation
    if (count > this.#order.length) {
      this.#order = new Int32Array(count)
      this.#tag = new Int32Array(count)
      this.#near = new Int32Array(count)
    }
    for (let i = 0; i < count; i++) {
      hashKey(seed, bytes, start[i]!, end[i]!)
      this.#order[i] = hashOrder
      this.#tag[i] = hashTag
      this.#near[i] = keyspace.touchSlot(db, hashOrder, hashTag)
    }
    for (let i = 0; i < count; i++) this.#near[i] = keyspace.touchRecord(this.#order[i]!, this.#near[i]!)
  }

  /** The string at the key of argument `index`, which was hashed, as it looks now. @param strict is another type an error? Else it is absent. */
  #valueOf(index: number, form: Form, strict: boolean): Value | undefined {
    const { bytes, start, end } = this.#args
    const keyspace = this.#keyspace
    const { db } = this.#context
    if (!keyspace.lookupHashed(db, this.#order[index]!, this.#tag[index]!, bytes, start[index]!, end[index]!)) {
      return undefined
    }
    const { entry } = keyspace
    if ((entry.flags & FLAG_EXPIRE) !== 0 && entry.expireAtMs >= 0) {
      if (this.#nowMs === -1) this.#nowMs = Date.now()
      if (this.#nowMs > entry.expireAtMs) return undefined
    }
    if (entry.rdbType !== 0) {
      if (!strict) return undefined
      throw new KeyspaceError('WRONG_TYPE', WRONG_TYPE)
    }
    const isChunked = (entry.flags & FLAG_CHUNKED) !== 0
    if (form === AS_BUFFER) return isChunked ? entry.toBuffer() : this.#copyOut(entry.start, entry.start + entry.length)
    if (form === AS_TEXT) {
      if (isChunked) return entry.toBuffer().toString()
      return utf8Slice.call(entry.bytes, entry.start, entry.start + entry.length)
    }
    const { generation } = keyspace
    return isChunked
      ? this.#borrowed.pointAtCopy(generation, entry.toBuffer())
      : this.#borrowed.point(generation, entry)
  }

  /** A Buffer of the bytes of `entry`; short ones share a slab, as Node's own do. */
  #copyOut(start: number, end: number): Buffer {
    const { entry } = this.#keyspace
    const length = end - start
    if (length > SLAB_VALUE_BYTES_MAX) return entry.toBuffer()
    if (this.#slabUsed + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabView = new DataView(this.#slab.buffer, this.#slab.byteOffset, SLAB_BYTES)
      this.#slabUsed = 0
    }
    const at = this.#slabUsed
    copyBytes(entry.bytes, entry.view, start, end, this.#slab, this.#slabView, at)
    this.#slabUsed = at + ((length + 7) & ~7)
    return this.#slab.subarray(at, at + length)
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
      this.#keyspace.attempt(
        () => {
          this.#nowMs = this.#context.nowMs = Date.now()
          work()
        },
        () => {},
        READ_PATIENCE_MS,
      )
    } catch (error) {
      throw error instanceof ReadTooLong ? stuck() : error
    }
  }

  #deadline = 0

  #keepTrying(attempt: number): void {
    if (attempt === 1) this.#deadline = performance.now() + READ_PATIENCE_MS
    else if (performance.now() > this.#deadline) throw stuck()
    this.#keyspace.failed(attempt)
  }
}

function stuck(): ReplicaError {
  return new ReplicaError('NOT_READY', 'the writer did not let go of the data', { retryable: true })
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
