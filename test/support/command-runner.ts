/**
 * Runs commands in this process against a keyspace of its own: what the dispatcher does around a command (name, arity,
 * one unit per command), without sockets. Replies are the exact bytes.
 *
 *   const runner = new CommandRunner([stringCommands])
 *   runner.run('SET', 'k', 'v').toString()      '+OK\r\n'
 *   runner.fromPrimary = true                   as the replication stream would run it
 */
import {
  type CommandArgs,
  type CommandContext,
  type CommandRow,
  type CommandSettings,
  type CommandTable,
  HLL_SPARSE_BYTES_MAX,
  DEFAULT_THRESHOLDS,
  Keyspace,
  PROTO_MAX_BULK_BYTES,
  ReplyEncoder,
} from '@understudy/core/internal'

type Argument = string | number | bigint | Uint8Array

/** Bytes around the arguments, so that a command which takes `bytes` for its own is found out. */
const MARGIN_BYTES = 3

class RunnerContext implements CommandContext {
  readonly args: CommandArgs = { bytes: new Uint8Array(0), count: 0, start: new Int32Array(8), end: new Int32Array(8) }
  readonly reply = new ReplyEncoder()
  readonly keyspace: Keyspace
  readonly settings: CommandSettings = {
    protoMaxBulkBytes: PROTO_MAX_BULK_BYTES,
    hllSparseMaxBytes: HLL_SPARSE_BYTES_MAX,
    encodings: { ...DEFAULT_THRESHOLDS },
  }
  db = 0
  nowMs = 0
  fromPrimary = false
  writable = true

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace
  }
}

export interface CommandRunnerOptions {
  /** Default: a new one with 16 databases. */
  readonly keyspace?: Keyspace
  readonly fromPrimary?: boolean
  readonly resp?: 2 | 3
  /** A fixed clock, in milliseconds since 1970. Default: the time of each command. */
  readonly nowMs?: number
}

export class CommandRunner {
  readonly context: RunnerContext
  /** Fixed time of the following commands; undefined: the wall clock. */
  nowMs: number | undefined
  readonly #rows = new Map<string, CommandRow>()

  constructor(tables: readonly CommandTable[], options: CommandRunnerOptions = {}) {
    this.context = new RunnerContext(options.keyspace ?? new Keyspace({ databaseCount: 16 }))
    this.context.fromPrimary = options.fromPrimary ?? false
    this.context.reply.resp = options.resp ?? 2
    this.nowMs = options.nowMs
    for (const table of tables) for (const [name, row] of Object.entries(table)) this.#rows.set(name, row)
  }

  get keyspace(): Keyspace {
    return this.context.keyspace
  }

  get settings(): CommandSettings {
    return this.context.settings
  }

  set fromPrimary(value: boolean) {
    this.context.fromPrimary = value
  }

  /** False: as on a read-only replica. The runner does not refuse writes then; it only tells the commands. */
  set writable(value: boolean) {
    this.context.writable = value
  }

  set resp(value: 2 | 3) {
    this.context.reply.resp = value
  }

  set db(value: number) {
    this.context.db = value
  }

  get errorCount(): number {
    return this.context.reply.errorCount
  }

  has(name: string): boolean {
    return this.#rows.has(name)
  }

  /** Runs one command and returns the bytes of its reply (a copy). Text arguments are UTF-8. */
  run(...command: readonly Argument[]): Buffer {
    return this.#run(command)
  }

  #run(command: readonly Argument[]): Buffer {
    const { context } = this
    const name = String(command[0])
    const row = this.#rows.get(name.toUpperCase())
    context.reply.clear()
    context.nowMs = this.nowMs ?? Date.now()
    if (row === undefined) throw new Error(`the runner has no command '${name}'`)
    if (row.arity > 0 ? command.length !== row.arity : command.length < -row.arity) {
      context.reply.error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`)
    } else {
      this.#setArgs(command)
      context.keyspace.begin()
      try {
        const code = row.run ?? row.read
        code(context)
      } finally {
        context.keyspace.end()
      }
    }
    return Buffer.from(context.reply.pending())
  }

  /** As `run`, as Latin-1 text: easy to compare. */
  text(...command: readonly Argument[]): string {
    return this.#run(command).toString('latin1')
  }

  /** The same of more words than a call can have arguments. */
  textOf(command: readonly Argument[]): string {
    return this.#run(command).toString('latin1')
  }

  /** The raw value and type of a key, for checks behind the commands' back; undefined when absent (expired keys are there). */
  peek(key: string | Uint8Array): { rdbType: number; value: Buffer; expireAtMs: number; raw: boolean } | undefined {
    const bytes = Buffer.from(key)
    const { keyspace, db } = this.context
    if (!keyspace.lookup(db, bytes, 0, bytes.length)) return undefined
    const { entry } = keyspace
    return { rdbType: entry.rdbType, value: entry.toBuffer(), expireAtMs: entry.expireAtMs, raw: entry.isRaw }
  }

  /** Is the key there for a client? */
  isAlive(key: Uint8Array): boolean {
    const { keyspace, db } = this.context
    return keyspace.lookupAlive(db, key, 0, key.length, this.nowMs ?? Date.now())
  }

  /** Puts a value of any type as the loader would: `rdbType` and its RDB bytes. */
  put(key: string | Uint8Array, rdbType: number, value: Uint8Array, expireAtMs = -1): void {
    const bytes = Buffer.from(key)
    const { keyspace, db } = this.context
    keyspace.begin()
    keyspace.put(db, bytes, 0, bytes.length, rdbType, 0, value, 0, value.length, expireAtMs)
    keyspace.end()
  }

  #setArgs(command: readonly Argument[]): void {
    const { args } = this.context
    if (args.start.length < command.length) {
      args.start = new Int32Array(command.length * 2)
      args.end = new Int32Array(command.length * 2)
    }
    const parts: Uint8Array[] = []
    let at = 0
    for (const [i, argument] of command.entries()) {
      const bytes = argument instanceof Uint8Array ? argument : Buffer.from(String(argument))
      parts.push(Buffer.alloc(MARGIN_BYTES, 0x39), bytes)
      args.start[i] = at + MARGIN_BYTES
      at = args.end[i] = at + MARGIN_BYTES + bytes.length
    }
    parts.push(Buffer.alloc(MARGIN_BYTES, 0x39))
    args.bytes = Buffer.concat(parts)
    args.count = command.length
  }
}
