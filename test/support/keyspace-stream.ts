/** The way of the replication stream into a keyspace, without sockets: RESP bytes, the command stream, the stream applier. */
import {
  type Clock,
  type CommandSettings,
  CommandStream,
  dataCommandFamilies,
  type Keyspace,
  LibraryStore,
  type Logger,
} from '@understudy/core/internal'
import { defaultClientSettings, ServerStatistics, StreamApplier, UnappliedCommands } from '@understudy/net/internal'

const clock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }
const silent: Logger = { debug() {}, verbose() {}, notice() {}, warning() {} }

export class KeyspaceStream {
  readonly #stream = new CommandStream({ clock })
  readonly #applier: StreamApplier

  constructor(keyspace: Keyspace, settings: CommandSettings = defaultClientSettings()) {
    const memory = (): never => {
      throw new Error('nobody asks')
    }
    this.#applier = new StreamApplier(dataCommandFamilies({ libraries: new LibraryStore(), memory }), {
      clock,
      logger: silent,
      keyspace,
      settings,
      statistics: new ServerStatistics(1024),
      unapplied: new UnappliedCommands(silent),
      blockedKeys: { hasReady: false, serve: () => {} },
      monitored: { isWatched: false, show: () => {} },
      statisticsIdOf: () => undefined,
      offset: () => this.#stream.fromOffset,
      toOffset: () => this.#stream.toOffset,
      onError: (text) => {
        throw new Error(`the stream failed: ${text}`)
      },
    })
    this.#stream.begin(0, 0)
  }

  /** Commands applied. */
  get count(): number {
    return this.#applier.count
  }

  /** Applies whole commands. @throws when one fails. */
  apply(bytes: Uint8Array): void {
    const { ahead, command, group } = this.#applier
    this.#stream.push(bytes)
    while (this.#stream.drain({ ahead, command, group, getAck() {} }) === 'more');
  }
}
