/** A ReplicaLink with everything around it, writing down what it does. */
import {
  DEFAULT_THRESHOLDS,
  BacklogWriter,
  type CommandArgs,
  DEFAULT_HANDSHAKE,
  type LinkState,
  ReplicationHistory,
  type StreamGroup,
} from '@understudy/core/internal'
import { ReplicaLink, type ReplicaLinkConfig, type ReplicaLinkPorts } from '@understudy/net'
import { FakeRdbLoader, type FakeLoaderOptions } from '../../support/fake-rdb-loader.ts'
import { waitFor } from '../../support/wait-for.ts'

export interface FixtureOptions {
  readonly config?: Partial<ReplicaLinkConfig>
  readonly ports?: Partial<ReplicaLinkPorts>
  readonly loader?: FakeLoaderOptions
  readonly history?: ReplicationHistory
  readonly backlogBytes?: number
}

function textOf(args: CommandArgs): string {
  const words: string[] = []
  for (let i = 0; i < args.count; i++) {
    words.push(Buffer.from(args.bytes.subarray(args.start[i], args.end[i])).toString('latin1'))
  }
  return words.join(' ')
}

export class LinkFixture {
  readonly link: ReplicaLink
  readonly loader: FakeRdbLoader
  readonly backlog: BacklogWriter
  readonly commands: string[] = []
  readonly groups: string[][] = []
  readonly states: LinkState['name'][] = []
  readonly log: string[] = []
  swaps = 0
  drops = 0
  historyChanges = 0
  isEmpty = true

  constructor(options: FixtureOptions = {}) {
    const history = options.history ?? new ReplicationHistory()
    this.loader = new FakeRdbLoader(options.loader)
    this.backlog = new BacklogWriter(options.backlogBytes ?? 1024 * 1024, history.replOffset)
    const write =
      (level: string) =>
      (text: string): void => {
        this.log.push(`${level} ${text}`)
      }
    this.link = new ReplicaLink(
      {
        replTimeoutMs: 5000,
        handshake: { ...DEFAULT_HANDSHAKE, listeningPort: 7001 },
        sourceAddress: '',
        disableNoDelay: false,
        tls: undefined,
        disklessLoad: 'swapdb',
        directory: '/nowhere',
        dbFileName: 'dump.rdb',
        deleteSyncFiles: false,
        databaseCount: 16,
        hashSeed: new Uint8Array(16),
        encodings: { ...DEFAULT_THRESHOLDS },
        tracksFrequency: false,
        verifyChecksum: true,
        keyLoadDelayMicros: 0,
        spill: { memoryBytesMax: 1 << 20, fileBytesMax: 64 << 20 },
        ...options.config,
      },
      {
        clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
        logger: {
          debug: write('debug'),
          verbose: write('verbose'),
          notice: write('notice'),
          warning: write('warning'),
        },
        loader: this.loader,
        backlog: this.backlog,
        applyCommand: (args, db) => {
          this.commands.push(`${db} ${textOf(args)}`)
        },
        applyGroup: (group: StreamGroup) => {
          const commands: string[] = []
          while (group.next()) commands.push(`${group.db} ${textOf(group.args)}`)
          this.groups.push(commands)
        },
        onFullSync: () => {
          this.swaps++
          this.isEmpty = false
        },
        dropData: () => {
          this.drops++
          this.isEmpty = true
        },
        isEmpty: () => this.isEmpty,
        onHistoryChanged: () => {
          this.historyChanges++
        },
        onState: (name) => this.states.push(name),
        random: () => 0.5,
        ...options.ports,
      },
      history,
    )
  }

  async connected(timeoutMs = 10_000): Promise<void> {
    await this.inState('connected', timeoutMs)
  }

  async inState(name: LinkState['name'], timeoutMs = 10_000): Promise<void> {
    await waitFor(`the link to be ${name}`, () => this.link.state.name === name, { timeoutMs, intervalMs: 2 })
  }

  /** Until everything up to `offset` is applied. */
  async applied(offset: number, timeoutMs = 10_000): Promise<void> {
    await waitFor(`offset ${offset}`, () => this.link.getStatus().appliedOffset >= offset, { timeoutMs, intervalMs: 2 })
  }
}
