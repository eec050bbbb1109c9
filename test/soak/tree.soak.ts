/**
 * redis-server → Understudy → Understudy → redis-server, under a mixed load over all types. The links between them are cut at
 * random bytes (see link-cutter.ts for what must hold after each cut), and the nodes are ended and started again in turn. At the
 * end the uppermost link is cut inside a MULTI group, the primary is killed and the node below it promoted; then the links below
 * that are cut, under writes of its own. Whatever happens: one replid and one offset along the chain, equal digests, and exactly
 * the resyncs that were due, which are partial but where a cut made the upstream forget what was missing.
 */
import { STRING_BYTES_MAX } from '../fuzz/draw.ts'
import { type MixedLoadOptions, MixedLoad } from '../fuzz/mixed-load.ts'
import { SocketEndpoint } from '../fuzz/endpoint.ts'
import { compareReplica, DifferenceFound } from '../fuzz/state.ts'
import { equalDigests } from '../support/compare-datasets.ts'
import { type Cut, CuttingProxy } from '../support/cutting-proxy.ts'
import { fillDataset } from '../support/dataset.ts'
import { LinkCutter } from '../support/link-cutter.ts'
import { ResyncLedger, type Resyncs } from '../support/resync-ledger.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult, withLogs } from '../support/soak.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { TreeNode } from '../support/tree-node.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  about:
    'a round cuts links of redis, Understudy, Understudy, redis 5 times and restarts a node; then one is promoted; all equal',
  stated: { count: 40 },
  slice: { count: 1 },
  run,
}

const KEYS = 2000
const BACKLOG = '256mb'
const DIRECTIVES: Directives = {
  'repl-backlog-size': BACKLOG,
  'repl-diskless-sync-delay': 0,
  'shutdown-timeout': 10,
  'proto-max-bulk-len': STRING_BYTES_MAX,
  // A listpack holds -0 as 0, and whether a sorted set is one depends, in Redis, on whether it was loaded or followed.
  'zset-max-listpack-entries': 0,
}
/** Of every round; those that follow are drawn. */
const CERTAIN_PLACES: readonly Cut['place'][] = ['command', 'group']
const DRAWN_PLACES: readonly Cut['place'][] = [
  'command',
  'group',
  'handshake',
  'command',
  'group',
  'handshake',
  'snapshot',
]
const DRAWN = 3
/** Index of the node that is started again, by round. */
const RESTARTED = [1, 0, 2, 3]
/** Rounds of cuts below the promoted node, of all rounds. */
const PROMOTED_SHARE = 0.3
const LOAD: MixedLoadOptions = {
  // What fails half way Redis tells no replica: BITFIELD that overflows lengthens its string, PFADD to a damaged one changes registers.
  without: ['BITFIELD', 'PFADD'],
  // A machine of two cores carries four servers, too.
  batchMs: 30,
  benchmarkMs: 500,
}
const SKIPPED_BYTES = 30_000
const GROUP_BYTES = 140
/** Nobody listens there. */
const CLOSED_PORT = 1
const LEAF = 3

async function run(options: SoakOptions): Promise<SoakResult> {
  const tree = new Tree(options)
  try {
    return await tree.play()
  } finally {
    await tree.remove()
  }
}

class Tree {
  readonly #options: SoakOptions
  readonly #random: SeededRandom
  /** From the primary to the leaf. */
  readonly #nodes: TreeNode[] = []
  /** Above the node of the same index is the one of #nodes, below it the next. */
  readonly #proxies: CuttingProxy[] = []
  readonly #cutters: LinkCutter[] = []
  readonly #ledger = new ResyncLedger()
  readonly #restarts: Record<string, number> = {}
  /** Restarts for which the backlog above did not reach back far enough. */
  #beyondWindow = 0
  #load!: MixedLoad
  /** Index of the primary. */
  #top = 0

  constructor(options: SoakOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
  }

  async play(): Promise<SoakResult> {
    await this.#start()
    let count = 0
    for (const round of rounds(this.#options)) {
      await this.#cuts(`round ${round}`)
      await this.#restart(`round ${round}`, RESTARTED[round % RESTARTED.length]!)
      count++
    }
    const cuts = this.#cutsByPlace()
    for (const place of CERTAIN_PLACES) {
      if (cuts[place]! < count) throw new Error(`${cuts[place]} cuts inside a ${place} in ${count} rounds`)
    }
    await this.#inPart('the promotion', () => this.#promote())
    for (let i = 0; i < count * PROMOTED_SHARE; i++) await this.#cuts(`round ${i} below the promoted node`)
    await this.#load.stop()
    for (const node of this.#nodes.slice(this.#top)) node.checkLog()
    const { commands: generated, benchmarks } = this.#load
    const counted = {
      ...cuts,
      ...this.#restarts,
      'restarts beyond the window': this.#beyondWindow,
      'cuts below the promoted node': sum(this.#cutsByPlace()) - sum(cuts),
      ...this.#ledger.total,
      generated,
      benchmarks,
    }
    return { count, counted }
  }

  async remove(): Promise<void> {
    await this.#load?.stop().catch(() => {})
    for (const proxy of this.#proxies) await proxy.stop()
    for (const node of this.#nodes) await node.remove()
  }

  async #start(): Promise<void> {
    const { seed } = this.#options
    const primary = await this.#newNode('redis')
    const { port } = primary.server
    await fillDataset(port, { seed, keys: KEYS })
    this.#load = await MixedLoad.start(port, seed, LOAD)
    for (let index = 0; index < LEAF; index++) {
      const proxy = await CuttingProxy.start(port)
      proxy.drop(true)
      this.#proxies.push(proxy)
    }
    await Promise.all((['understudy', 'understudy', 'redis'] as const).map((kind) => this.#newNode(kind)))
    for (const [index, proxy] of this.#proxies.entries()) {
      const node = this.#nodes[index]!
      proxy.primaryPort = node.server.port
      proxy.release()
      const cutter = this.#newCutter(index)
      this.#cutters.push(cutter)
      await cutter.linkUp()
      this.#ledger.expect(node, { full: 1 })
    }
    await this.#ledger.settled()
    await this.#cutters[0]!.converged()
  }

  /** Starts one below the last. */
  async #newNode(kind: 'redis' | 'understudy'): Promise<TreeNode> {
    const index = this.#nodes.length
    const proxy = this.#proxies[index - 1]
    const directives = proxy === undefined ? DIRECTIVES : { ...DIRECTIVES, replicaof: ['127.0.0.1', proxy.port] }
    const name = `node ${index} (${kind})`
    const node = new TreeNode({ name, kind, directives, random: this.#random, firstEnding: index })
    this.#nodes.push(node)
    await node.start()
    this.#ledger.started(node)
    return node
  }

  /** Of the link between the node of this index and the one below. */
  #newCutter(index: number): LinkCutter {
    const [above, below] = this.#nodes.slice(index)
    const isTop = (): boolean => this.#top === index
    return new LinkCutter({
      random: this.#random,
      proxy: this.#proxies[index]!,
      load: this.#load,
      backlog: BACKLOG,
      compare: () => this.#compare(),
      get primary() {
        return above!.server
      },
      get replica() {
        return below!.server
      },
      get mayChangeId() {
        return isTop()
      },
    })
  }

  /** Cuts a few links, one after the other. */
  async #cuts(when: string): Promise<void> {
    const drawn = Array.from({ length: DRAWN }, () => this.#random.pick(DRAWN_PLACES))
    for (const place of [...CERTAIN_PLACES, ...drawn]) {
      // A stock replica gives up its history when a full resync begins, so that a cut snapshot leaves it with none.
      const index = this.#random.int(this.#top, place === 'snapshot' ? LEAF - 2 : LEAF - 1)
      await this.#inPart(`${when}, a cut in a ${place} below node ${index}`, () => this.#cut(index, place))
    }
  }

  async #cut(index: number, place: Cut['place']): Promise<void> {
    const { psyncs } = this.#proxies[index]!
    const before = psyncs.length
    await this.#cutters[index]!.round(place)
    const requests = psyncs.length - before
    if (place === 'snapshot') {
      this.#expect(index, { full: requests, refused: requests })
      // One snapshot was cut. What nodes further below had ends with each of the others.
      for (let below = index + 1; below < LEAF; below++) {
        this.#expect(below, { full: requests - 1, refused: requests - 1 })
      }
    } else this.#expect(index, { partial: requests })
    await this.#ledger.settled()
  }

  /** A node is ended and comes back, as its next way of ending has it. */
  async #restart(when: string, index: number): Promise<void> {
    const node = this.#nodes[index]!
    const ending = node.nextEnding
    this.#restarts[ending] = (this.#restarts[ending] ?? 0) + 1
    await this.#inPart(`${when}, ${node.name} and ${ending}`, async () => {
      const isPrimary = index === this.#top
      if (isPrimary) await this.#load.pause()
      await node.end()
      const above = this.#proxies[index - 1]
      const requests = above?.psyncs.length ?? 0
      const proxy = this.#proxies[index]
      // Whoever follows it finds nobody there, or somebody who does not answer yet.
      if (proxy !== undefined) {
        proxy.primaryPort = CLOSED_PORT
        if (this.#random.chance(0.5)) proxy.drop(true)
      }
      await node.start()
      this.#ledger.started(node)
      if (above !== undefined) {
        const { offset } = await waitFor('its request', () => above.psyncs[requests])
        await this.#expectResync(index, offset)
      }
      if (proxy !== undefined) {
        proxy.primaryPort = node.server.port
        proxy.release()
      }
      if (isPrimary) {
        // Its history has another id now, and everybody comes again to hear of it.
        for (let below = index; below < LEAF; below++) this.#expect(below, { partial: 1 })
        await this.#load.moveTo(node.server.port)
        this.#load.resume()
      }
      await this.#ledger.settled()
      await this.#cutters[this.#top]!.converged()
    })
  }

  /** A node came back and asks for this byte: what it and the one below it have to be given. */
  async #expectResync(index: number, offset: number): Promise<void> {
    const { server } = this.#nodes[index - 1]!
    const first = Number((await server.info('replication'))['repl_backlog_first_byte_offset'])
    if (offset >= first) {
      this.#expect(index - 1, { partial: 1 })
      if (index < LEAF) this.#expect(index, { partial: 1 })
    } else {
      // A kill took the file that was being saved; the one before is too old, and all below begin anew.
      this.#beyondWindow++
      for (let at = index - 1; at < LEAF; at++) this.#expect(at, { full: 1, refused: 1 })
    }
  }

  /** The primary is lost while half a group is on its way, and the node below it takes over. */
  async #promote(): Promise<void> {
    const [primary, promoted] = this.#nodes
    const random = this.#random
    const { master_replid: replid } = await promoted!.server.info('replication')
    const { lastBoundary } = await this.#proxies[0]!.cut({
      place: 'group',
      after: random.int(0, SKIPPED_BYTES),
      into: random.int(1, GROUP_BYTES),
    })
    await this.#load.pause()
    await primary!.remove()
    this.#ledger.ended(primary!)
    this.#top = 1
    await waitFor('all that came whole', async () => {
      const { master_repl_offset: offset } = await promoted!.server.info('replication')
      if (Number(offset) !== lastBoundary) throw new Error(`it is at ${offset}, and ${lastBoundary} bytes are whole`)
      return true
    })
    await this.#compare()
    await promoted!.server.call('REPLICAOF', 'NO', 'ONE')
    for (let index = this.#top; index < LEAF; index++) this.#expect(index, { partial: 1 })
    await this.#load.moveTo(promoted!.server.port)
    this.#load.resume()
    await this.#ledger.settled()
    const info = await promoted!.server.info('replication')
    const history = [info['role'], info['master_replid2'], info['second_repl_offset']].join(' ')
    if (history !== `master ${replid} ${lastBoundary + 1}`) {
      throw new Error(`it calls itself '${history}', promoted at ${lastBoundary} of ${replid}`)
    }
    await this.#cutters[this.#top]!.converged()
  }

  /** All have the same data at one offset of one history. */
  async #compare(): Promise<void> {
    const [top, ...below] = this.#nodes.slice(this.#top)
    for (const { name, server } of below) {
      try {
        await equalDigests(top!.server, server)
      } catch (error) {
        throw new Error(`${name}: ${String(error)}\n${await shownDifferences(top!.server, server)}`, { cause: error })
      }
    }
    await waitFor('one replid', async () => {
      const { master_replid: replid } = await top!.server.info('replication')
      for (const { name, server } of below) {
        const found = (await server.info('replication'))['master_replid']
        if (found !== replid) throw new Error(`${name} has ${found}, and ${top!.name} ${replid}`)
      }
      return true
    })
  }

  #expect(index: number, resyncs: Partial<Resyncs>): void {
    this.#ledger.expect(this.#nodes[index]!, resyncs)
  }

  /** A failure says where it was, and what the nodes logged last. */
  async #inPart(where: string, run: () => Promise<void>): Promise<void> {
    await withLogs(`seed ${this.#options.seed}, ${where}`, this.#nodes, run)
  }

  #cutsByPlace(): Record<string, number> {
    const sums: Record<string, number> = {}
    for (const place of new Set(DRAWN_PLACES)) {
      sums[place] = this.#cutters.reduce((sum, { counted }) => sum + counted[place]!, 0)
    }
    return sums
  }
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((total, count) => total + count, 0)

/** Which keys differ, for the message. */
async function shownDifferences(primary: TestServer, replica: TestServer): Promise<string> {
  try {
    await compareReplica({
      primary: await SocketEndpoint.connect('the primary', primary.port),
      replica: await SocketEndpoint.connect('the replica', replica.port),
    })
    return 'key by key nothing differs any more'
  } catch (error) {
    return error instanceof DifferenceFound ? JSON.stringify(error.difference) : String(error)
  }
}
