/**
 * What a command is: one row of data and the function that runs it. Rows are collected per family
 * (`string.ts`, `key.ts` …) and merged by `table.ts`; `net` adds the families that need sockets (CLIENT, HELLO …).
 *
 * One function serves clients and the replication stream. It reads its arguments by index from shared byte arrays,
 * changes the keyspace through its writer interface and writes its reply into an encoder; on the stream the encoder
 * drops everything but errors. No argument is ever turned into a string or Buffer on a hot path.
 */
import type { ReplyEncoder } from '../resp/encoder.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { KeyWait } from './blocking.ts'
import type { Effects } from './effects.ts'
import type { PropagationRule } from './propagation.ts'
import type { ReplySlices } from './reply-slices.ts'
import type { EncodingThresholds } from '../values/thresholds.ts'

/**
 * The arguments of one command: argument `i` (0 is the name) is `bytes[start[i] .. end[i])`.
 * Borrowed: valid until the command's function returns.
 */
export interface CommandArgs {
  bytes: Uint8Array
  count: number
  start: Int32Array
  end: Int32Array
}

/** Directives that change what commands do. One object per engine; CONFIG SET writes it between two commands. */
export interface CommandSettings {
  /** proto-max-bulk-len: longest string a client may make (bytes). The stream is not bound by it. */
  protoMaxBulkBytes: number
  /** hll-sparse-max-bytes: a longer sparse HyperLogLog (header included) becomes dense. */
  hllSparseMaxBytes: number
  /** hash-max-listpack-entries and its like: when Redis would change the encoding of a value. */
  encodings: EncodingThresholds
  /** DEBUG SET-ACTIVE-EXPIRE: may a writable node delete expired keys that nobody touches? Default: yes. */
  activeExpire?: boolean
  /** RDB version of the snapshot that the data came in: that of the release which they are to be compared with. Default: 7.0's. */
  dataRdbVersion?: number
}

/**
 * Everything that a command which only reads may touch, in any thread. One instance per connection (and one for the stream),
 * reused for every command.
 */
export interface ReadContext {
  readonly args: CommandArgs
  readonly reply: ReplyEncoder
  readonly keyspace: KeyspaceReads
  /** Selected database. */
  db: number
  /** Wall clock at the start of this command, milliseconds since 1970. */
  nowMs: number
  /** True on the replication stream: no expiry, READONLY, OOM or size checks (redis 7.0 server.c mustObeyClient). */
  readonly fromPrimary: boolean
  /**
   * True when a client's read may store what it computed, as PFCOUNT does on a primary. Whoever sets it sends such
   * changes to the replicas below.
   */
  readonly writable?: boolean
  readonly settings: CommandSettings
  /** Where a write tells replicas below what it did, by the rule of its row; undefined while nobody is to be told. */
  readonly effects?: Effects | undefined
  /** Lets the connection wait for keys: see `blocking.ts`, whose `waitForKeys` is what commands call. */
  wait?(wait: KeyWait): void
}

/** Everything a command may touch, on the writer's thread. */
export interface CommandContext extends ReadContext {
  readonly keyspace: Keyspace
}

/** [first, last, step] key positions as in COMMAND INFO; last may be negative (counted from the end), 0 means no key. */
export type KeyPositions = readonly [first: number, last: number, step: number]

/** Beside what Redis derives from flags and group: COMMAND INFO and COMMAND DOCS. */
export interface CommandMetadata {
  /** ACL categories that do not follow from the flags and the group, without '@': `dangerous` for KEYS. */
  readonly categories?: readonly string[]
  /** False when the ACL category of the group does not apply (SORT is not in @keyspace). */
  readonly groupCategory?: boolean
  /** Command tips: `nondeterministic_output` … */
  readonly tips?: readonly string[]
  /** How keys are used, in Redis' words (`OW update`, `RM delete` …), when it does not follow from the flags. */
  readonly keyFlags?: readonly string[]
  /** The same for the keys of a concrete request, where it follows from the arguments: goes with `variable_flags`. */
  readonly keyFlagsOfRequest?: (args: CommandArgs) => readonly string[]
  /**
   * Where keys are found by a keyword: from this argument on it is searched, and behind it the first half are keys (XREAD's
   * STREAMS). Goes with `findKeys`.
   */
  readonly keyKeyword?: readonly [keyword: string, startFrom: number]
  /** Key specifications in the short form of `parseKeySpec`, when there are several or they are no range. */
  readonly keySpecs?: readonly string[]
  /** Indexes of arguments that must not be shown to anybody, such as passwords: MONITOR and SLOWLOG ask for them. */
  readonly secrets?: (args: CommandArgs) => readonly number[]
  /** Big-O for COMMAND DOCS. */
  readonly complexity?: string
  /** Arguments in one line for HELP: `<id> [TIMEOUT|ERROR]`. */
  readonly usage?: string
}

interface RowFacts<Context extends CommandContext> extends CommandMetadata {
  /** Number of arguments including the name; negative: at least that many. */
  readonly arity: number
  readonly flags: number
  readonly keys: KeyPositions
  readonly since: string
  /** Group in COMMAND DOCS: string, bitmap, generic, hyperloglog, connection, server … */
  readonly group: string
  /** One sentence for COMMAND DOCS. */
  readonly summary: string
  /** What replicas below get when the command changed something; `verbatim` when not given. See `propagation.ts`. */
  readonly propagate?: PropagationRule
  /** For commands whose keys do not follow `keys` (MOVABLE_KEYS): appends the indexes of key arguments to `into`. */
  readonly findKeys?: (args: CommandArgs, into: number[]) => void
  /**
   * Subcommands of a container (CONFIG GET …), by upper-case name. The table looks the second argument up here, checks
   * its arity and flags, and runs its own `run`, or the container's when it has none.
   */
  readonly subcommands?: Readonly<Record<string, SubcommandRow<Context>>>
}

/**
 * What a row runs: `read` in any thread, over any view of the dataset; `run` on the writer's thread only. A read with `slices` may be
 * given up when its reply turns out to be long, and its reply be made in slices (one object a reply) from a pin: of its first argument's
 * key, or of everything when the row has no key. It calls `reply.expectItems()` where a number of items tells that early.
 */
export type RowFunction<Context extends CommandContext = CommandContext> =
  | { readonly run: (context: Context) => void; readonly read?: undefined; readonly slices?: undefined }
  | { readonly read: (context: ReadContext) => void; readonly slices?: () => ReplySlices; readonly run?: undefined }

export type CommandRow<Context extends CommandContext = CommandContext> = RowFacts<Context> & RowFunction<Context>

export type SubcommandRow<Context extends CommandContext = CommandContext> = Omit<RowFacts<Context>, 'subcommands'> &
  (RowFunction<Context> | { readonly run?: undefined; readonly read?: undefined; readonly slices?: undefined })

/** Upper-case name -> row. */
export type CommandTable<Context extends CommandContext = CommandContext> = Readonly<
  Record<string, CommandRow<Context>>
>
