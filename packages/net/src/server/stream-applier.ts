/**
 * Applies the replication stream: finds the command, opens a unit, runs it without a reply, keeps the books. What a
 * command does is in core's command tables, the same functions that clients use; only PUBLISH and SPUBLISH are the
 * server's own.
 */
import {
  CommandRegistry,
  isSizeFault,
  KeyspaceError,
  ReplicaError,
  ReplyEncoder,
  arityFits,
  type Clock,
  type CommandArgs,
  type CommandContext,
  type CommandEntry,
  type CommandSettings,
  type CommandTable,
  type Keyspace,
  type Logger,
  type StreamGroup,
} from '@understudy/core/internal'
import type { ServerStatistics } from '../clients/statistics.ts'
import type { UnappliedCommands } from './unapplied.ts'

/** Every so many commands one is timed, and counts for all of them in cmdstat's usec. */
const TIMED_EVERY = 64
/** Longer ones are not hashed twice. */
const KEY_AHEAD_BYTES_MAX = 512

export interface StreamApplierPorts {
  readonly clock: Clock
  readonly logger: Logger
  readonly keyspace: Keyspace
  readonly settings: CommandSettings
  readonly statistics: ServerStatistics
  readonly unapplied: UnappliedCommands
  /** Index of a command in `statistics`, by full name; undefined when clients do not have it. */
  readonly statisticsIdOf: (name: string) => number | undefined
  /** Stream offset before the unit at hand. */
  readonly offset: () => number
  /** Stream offset behind it. */
  readonly toOffset: () => number
  /** Clients that wait for keys: served after each unit. */
  readonly blockedKeys: { readonly hasReady: boolean; serve(): void }
  /** MONITOR (`monitored-stream.ts`). */
  readonly monitored: { readonly isWatched: boolean; show(entry: CommandEntry, args: CommandArgs, db: number): void }
  /** propagation-error-behavior. */
  readonly onError: (text: string) => void
}

class StreamContext implements CommandContext {
  readonly reply: ReplyEncoder = new ReplyEncoder(256)
  readonly fromPrimary = true
  readonly writable = true
  readonly keyspace: Keyspace
  readonly settings: CommandSettings
  args: CommandArgs
  db = 0
  nowMs = 0

  constructor(keyspace: Keyspace, settings: CommandSettings) {
    this.keyspace = keyspace
    this.settings = settings
    this.args = { bytes: new Uint8Array(0), count: 0, start: new Int32Array(0), end: new Int32Array(0) }
    this.reply.discardReplies = true
  }
}

export class StreamApplier {
  readonly #ports: StreamApplierPorts
  readonly #context: StreamContext
  readonly #registry: CommandRegistry
  /** By id in this registry: id in the server's statistics, -1 for none. */
  readonly #statisticsId: Int32Array
  readonly #statistics: ServerStatistics
  #count = 0

  /** @param families core's data commands and the server's own for the stream. */
  constructor(families: readonly CommandTable[], ports: StreamApplierPorts) {
    this.#ports = ports
    this.#statistics = ports.statistics
    this.#registry = new CommandRegistry(families)
    this.#context = new StreamContext(ports.keyspace, ports.settings)
    this.#statisticsId = Int32Array.from(this.#registry.byId, (entry) => ports.statisticsIdOf(entry.name) ?? -1)
  }

  /** Commands applied or refused since the start. */
  get count(): number {
    return this.#count
  }

  /**
   * Comes before all commands: the wall clock is read once for those found together. The first argument is nearly always a key; of
   * another one something is touched that nobody needs.
   */
  readonly ahead = (commands: readonly CommandArgs[], count: number, db: number): void => {
    const { clock, keyspace } = this.#ports
    const { lookupsAhead, databaseCount } = keyspace
    this.#context.nowMs = clock.wallMs()
    lookupsAhead.begin(commands[0]!.bytes)
    if (count === 1 || db >= databaseCount) return
    for (let i = 0; i < count; i++) {
      const { count: words, end, start } = commands[i]!
      if (words > 1 && end[1]! - start[1]! <= KEY_AHEAD_BYTES_MAX) lookupsAhead.add(start[1]!, end[1]!)
    }
    keyspace.touchAhead(db)
  }

  /** One command outside of a group. */
  readonly command = (args: CommandArgs, db: number): void => {
    const { keyspace, blockedKeys } = this.#ports
    keyspace.counters.begin()
    try {
      this.#run(args, db)
      this.#notePosition()
    } finally {
      keyspace.counters.end()
    }
    if (blockedKeys.hasReady) blockedKeys.serve()
  }

  /** A MULTI … EXEC group: readers see all of it or nothing. */
  readonly group = (group: StreamGroup): void => {
    const { keyspace, blockedKeys } = this.#ports
    keyspace.counters.begin()
    try {
      while (group.next()) this.#run(group.args, group.db)
      this.#notePosition()
    } finally {
      keyspace.counters.end()
    }
    if (blockedKeys.hasReady) blockedKeys.serve()
  }

  /** Readers in other threads learn with the data as of which offset they are. */
  #notePosition(): void {
    this.#ports.keyspace.position.note(this.#ports.toOffset(), this.#context.nowMs)
  }

  #run(args: CommandArgs, db: number): void {
    const context = this.#context
    const { reply, keyspace } = context
    context.args = args
    context.db = db
    const isTimed = this.#count++ % TIMED_EVERY === 0
    const entry = this.#registry.resolve(args)
    if (entry === undefined) return this.#refuse(args, 'this version does not apply it')
    if (!arityFits(entry.arity, args.count)) return this.#refuse(args, 'it has a wrong number of arguments')
    const errorsBefore = reply.errorCount
    const beganMs = isTimed ? performance.now() : 0
    try {
      keyspace.checkDatabase(db)
      entry.run(context)
    } catch (error) {
      // No memory, no such database: the data would differ from here on, so the link has to hear of it.
      if (error instanceof ReplicaError) {
        const text = `'${entry.name}' at stream offset ${this.#ports.offset()} cannot be applied: ${error.message}`
        throw new KeyspaceError(error.code, text, { cause: error, retryable: error.retryable })
      }
      if (isSizeFault(error)) {
        const text = `'${entry.name}' at stream offset ${this.#ports.offset()} is too big to be applied here`
        throw new KeyspaceError('KEYSPACE_VALUE_TOO_BIG', text, { cause: error })
      }
      throw new Error(`applying '${entry.name}' at stream offset ${this.#ports.offset()} failed`, { cause: error })
    }
    this.#countCommand(entry)
    const { monitored } = this.#ports
    if (monitored.isWatched) monitored.show(entry, args, db)
    if (isTimed) this.#countTime(entry, (performance.now() - beganMs) * TIMED_EVERY)
    if (reply.errorCount !== errorsBefore) this.#failed(args, entry, reply.lastError)
  }

  #countCommand(entry: CommandEntry): void {
    const id = this.#statisticsId[entry.id]!
    if (id < 0) return
    this.#statistics.commandsProcessed++
    this.#statistics.calls[id]!++
  }

  #countTime(entry: CommandEntry, elapsedMs: number): void {
    const id = this.#statisticsId[entry.id]!
    if (id >= 0) this.#statistics.micros[id]! += elapsedMs * 1000
  }

  #failed(args: CommandArgs, entry: CommandEntry, text: string): void {
    const { logger } = this.#ports
    const statistics = this.#statistics
    const id = this.#statisticsId[entry.id]!
    if (id >= 0) statistics.failed[id]!++
    statistics.unexpectedErrorReplies++
    statistics.countError(text)
    logger.warning(
      `== CRITICAL == This replica is sending an error to its master: '${text}' after processing the command '${entry.name}'`,
    )
    this.#refuse(args, `it failed with '${text}'`)
    this.#ports.onError(text)
  }

  #refuse(args: CommandArgs, reason: string): void {
    this.#ports.unapplied.add(args, this.#ports.offset(), reason)
  }
}
