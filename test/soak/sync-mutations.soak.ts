/**
 * Understudy, once in sync, is sent damaged snapshots through the socket, in both framings and both ways to load. Each
 * is refused with a line that names the byte, or, when the damage makes another valid snapshot with a right checksum,
 * taken: never a crash, never a wait beyond the time-out. After a refusal the old data are all there and are served; when
 * the damage stops, the next attempt of the link itself succeeds.
 */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fillDataset } from '../support/dataset.ts'
import { FakePrimary } from '../support/fake-primary.ts'
import { encodeCommand } from '../support/raw-client.ts'
import { type DamagedRdb, damageRdb } from '../support/damage-rdb.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  about:
    'a round sends one damaged snapshot: refused with its byte offset, or valid after all; old data stay and are served',
  stated: { count: 1000 },
  slice: { count: 40, seconds: 8 },
  run,
}

const FIXTURES = fileURLToPath(new URL('../fixtures/rdb/', import.meta.url))
const FIXTURE_BYTES_MAX = 300_000
const KEYS = 250
const REPL_TIMEOUT_SECONDS = 3
/** An attempt, its time-out, and two busy cores. */
const ROUND_MS_MAX = REPL_TIMEOUT_SECONDS * 1000 + 10_000
const RECOVERY_EVERY = 20
const REFUSED =
  /Failed trying to load the MASTER synchronization DB|I\/O error trying to sync|Timeout receiving bulk data|Bad protocol from MASTER/
const NAMES_OFFSET = /Internal error in RDB reading offset \d+ -> .*\d+/

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const sources = [...(await fixtures()), ...(await ownSnapshots(options.seed))]
  const good = sources.at(-1)!
  // Two, so that REPLICAOF to the other one is an attempt at once, without back-off.
  const primaries = [await FakePrimary.start({ snapshot: good }), await FakePrimary.start({ snapshot: good })] as const
  const replica = await startUnderstudy({
    directives: { replicaof: ['127.0.0.1', primaries[0].port], 'repl-timeout': REPL_TIMEOUT_SECONDS },
  })
  const counted: Record<string, number> = { refused: 0, valid: 0, recoveries: 0 }
  try {
    const node = new Node(replica, primaries)
    await node.inSync()
    await node.remember()
    let count = 0
    for (const round of rounds(options)) {
      const own = random.chance(0.6)
      const source = own ? sources.at(-random.int(1, 2))! : random.pick(sources)
      const mutated = damageRdb(source, random)
      const framing = random.chance(0.5) ? 'mark' : 'length'
      const load = random.chance(0.5) ? 'swapdb' : 'disabled'
      try {
        await replica.call('CONFIG', 'SET', 'repl-diskless-load', load)
        const outcome = await node.attempt(mutated, framing)
        counted[outcome]!++
        if (round % RECOVERY_EVERY === RECOVERY_EVERY - 1) {
          await node.recover(good)
          counted['recoveries']!++
        }
      } catch (error) {
        const what = `seed ${options.seed}, round ${round}, ${mutated.kind}, ${framing}, ${load}`
        const tail = replica.lines.slice(-15).join('\n')
        throw new Error(`${what}: ${String(error)}\n${tail}`, { cause: error })
      }
      count++
    }
    await node.recover(good)
    await node.noLeftOvers()
    await replica.stop()
    return { count, counted }
  } finally {
    for (const primary of primaries) await primary.stop()
    await replica.kill()
  }
}

class Node {
  readonly #replica: TestServer
  readonly #primaries: readonly [FakePrimary, FakePrimary]
  #current = 0
  #ids = 0
  #digest = ''
  #replid = ''
  #offset = ''

  constructor(replica: TestServer, primaries: readonly [FakePrimary, FakePrimary]) {
    this.#replica = replica
    this.#primaries = primaries
  }

  get #primary(): FakePrimary {
    return this.#primaries[this.#current]!
  }

  /** What must still hold after a refusal. */
  async remember(): Promise<void> {
    const info = await this.#replica.info('replication')
    this.#digest = String(await this.#replica.call('DEBUG', 'DIGEST'))
    this.#replid = info['master_replid']!
    this.#offset = info['slave_repl_offset']!
  }

  async inSync(): Promise<void> {
    const id = this.#primary.replid
    await waitFor(
      'the full resync',
      async () => {
        const info = await this.#replica.info('replication')
        return info['master_replid'] === id && info['master_link_status'] === 'up'
      },
      { timeoutMs: 30_000 },
    )
  }

  async attempt({ bytes, kind }: DamagedRdb, framing: 'mark' | 'length'): Promise<'refused' | 'valid'> {
    const replica = this.#replica
    this.#current = 1 - this.#current
    const primary = this.#primary
    primary.replid = this.#nextId()
    primary.framing = framing
    primary.takeSnapshot(bytes)
    const fromLine = replica.lines.length
    const started = performance.now()
    await replica.call('REPLICAOF', '127.0.0.1', primary.port)
    // What stands before this line is the end of the attempt before.
    const begins = `REPLICAOF 127.0.0.1:${primary.port} enabled`
    const linesOfAttempt = (): string[] => {
      const lines = replica.lines.slice(fromLine)
      const first = lines.findIndex((line) => line.includes(begins))
      return first < 0 ? [] : lines.slice(first)
    }
    const outcome = await waitFor(
      'the snapshot to be refused or taken',
      async () => {
        if (linesOfAttempt().some((line) => REFUSED.test(line))) return 'refused'
        const info = await replica.info('replication')
        const isTaken = info['master_replid'] === primary.replid && info['master_link_status'] === 'up'
        return isTaken ? 'valid' : undefined
      },
      { timeoutMs: ROUND_MS_MAX, intervalMs: 3 },
    )
    const lines = linesOfAttempt()
    if (outcome === 'refused') {
      await this.#unharmed()
      // An end mark that never came because its place was swallowed is a time-out, and names no byte.
      const timedOut = lines.some((line) => line.includes('Timeout receiving bulk data'))
      const failure = (await replica.info('replication'))['master_link_last_failure'] ?? ''
      if (timedOut) {
        if (performance.now() - started < REPL_TIMEOUT_SECONDS * 1000) throw new Error('a time-out before its time')
      } else if (!lines.some((line) => NAMES_OFFSET.test(line)) || !/\d/.test(failure)) {
        throw new Error(`the error does not name the byte: '${failure}'`)
      }
    } else {
      // Versions before 5 have none.
      if (kind === 'checksum' && Number(bytes.toString('latin1', 5, 9)) >= 5)
        throw new Error('a wrong checksum was taken')
      // Whatever the values hold now, looking at all of them harms nothing; and the stream goes on.
      primary.feed(encodeCommand('SET', 'after', 'it'))
      await replica.call('DEBUG', 'DIGEST')
      await this.#readAll()
      const offset = String(primary.offset)
      await waitFor('the stream', async () => (await replica.info('replication'))['slave_repl_offset'] === offset)
      await this.remember()
    }
    return outcome
  }

  /** The damage stops: the link comes back by itself. */
  async recover(good: Uint8Array): Promise<void> {
    for (const primary of this.#primaries) {
      primary.replid = this.#nextId()
      primary.takeSnapshot(good)
      primary.cutAll()
    }
    await this.inSync()
    await this.remember()
    const size = Number(await this.#replica.call('DBSIZE'))
    if (size === 0) throw new Error('no keys after the recovery')
  }

  async noLeftOvers(): Promise<void> {
    const files = (await readdir(this.#replica.directory)).filter((name) => name.startsWith('temp-'))
    if (files.length > 0) throw new Error(`temporary files are left: ${files.join(', ')}`)
  }

  async #unharmed(): Promise<void> {
    const info = await this.#replica.info('replication')
    if (info['master_replid'] !== this.#replid || info['slave_repl_offset'] !== this.#offset) {
      throw new Error(`the history changed: ${info['master_replid']}:${info['slave_repl_offset']}`)
    }
    const digest = String(await this.#replica.call('DEBUG', 'DIGEST'))
    if (digest !== this.#digest) throw new Error(`the old data changed: digest ${this.#digest} became ${digest}`)
    const key = await this.#replica.call('RANDOMKEY')
    if (key !== null && String(await this.#replica.call('TYPE', String(key))) === '') throw new Error('no type')
  }

  async #readAll(): Promise<void> {
    const client = await this.#replica.raw()
    const keys = (await client.callBinary('KEYS', '*')) as Buffer[]
    for (const key of keys) {
      client.send(
        Buffer.concat([
          encodeCommand('TYPE', key),
          encodeCommand('DUMP', key),
          encodeCommand('OBJECT', 'ENCODING', key),
        ]),
      )
      for (let i = 0; i < 3; i++) await client.readReply({ binary: true })
    }
    client.close()
  }

  #nextId(): string {
    return (++this.#ids).toString(16).padStart(40, 'c')
  }
}

/** Every RDB version and type there is. */
async function fixtures(): Promise<Buffer[]> {
  const out: Buffer[] = []
  for (const folder of (await readdir(FIXTURES, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    for (const name of (await readdir(join(FIXTURES, folder.name))).toSorted()) {
      if (!name.endsWith('.rdb')) continue
      const bytes = await readFile(join(FIXTURES, folder.name, name))
      if (bytes.length > 20 && bytes.length < FIXTURE_BYTES_MAX) out.push(bytes)
    }
  }
  return out
}

/** What a live redis-server sends: strings only, and all types. */
async function ownSnapshots(seed: number): Promise<Buffer[]> {
  const server = await startRedisServer()
  try {
    const out: Buffer[] = []
    for (const stringsOnly of [true, false]) {
      await server.call('FLUSHALL')
      await fillDataset(server.port, { seed, keys: KEYS, databases: [0, 4], stringsOnly })
      await server.call('SAVE')
      out.push(await readFile(join(server.directory, 'dump.rdb')))
    }
    return out
  } finally {
    await server.kill()
  }
}
