/**
 * A replica is ended and started again under a load of writes, by every way of ending that leaves a file: SIGTERM with save points,
 * SHUTDOWN SAVE, kill -9 some time after a SAVE, kill -9 in the middle of one. After each start the primary must have granted a partial
 * resync, and only that; and the data must converge.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { equalDigests } from '../support/compare-datasets.ts'
import { fillDataset } from '../support/dataset.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { WriteLoad } from '../support/write-load.ts'

export const soak: Soak = {
  about: 'a round ends a replica under writes and starts it from its file: a partial resync each time, data converge',
  stated: { count: 100 },
  slice: { count: 5, seconds: 25 },
  run,
}

const KEYS = 3000
const PER_SECOND = 3000
/** Longest time that a round waits before it ends the replica, and between SAVE and the kill. */
const WAIT_MS_MAX = 300

const ENDINGS = ['SIGTERM', 'SHUTDOWN SAVE', 'kill after SAVE', 'kill during SAVE'] as const

async function run(options: SoakOptions): Promise<SoakResult> {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  const servers: TestServer[] = []
  try {
    const primary = await startRedisServer({ directives: { 'repl-backlog-size': '256mb' } })
    servers.push(primary)
    return await play(options, primary, directory, servers)
  } finally {
    for (const server of servers) await server.kill()
    await rm(directory, { recursive: true, force: true })
  }
}

async function play(
  options: SoakOptions,
  primary: TestServer,
  directory: string,
  servers: TestServer[],
): Promise<SoakResult> {
  const { seed } = options
  const random = new SeededRandom(seed)
  const { movable } = await fillDataset(primary.port, { seed, keys: KEYS })
  const load = await WriteLoad.start(primary.port, { seed, perSecond: PER_SECOND, movable })
  const start = async (): Promise<TestServer> => {
    const directives = { replicaof: ['127.0.0.1', primary.port], save: ['100000', '1000000'] }
    const replica = await startUnderstudy({ directory, directives })
    servers.push(replica)
    await waitFor('the link', async () => (await replica.info('replication'))['master_link_status'] === 'up', {
      timeoutMs: 20_000,
    })
    return replica
  }
  let replica = await start()
  let count = 0
  for (const round of rounds(options)) {
    const ending = ENDINGS[round % ENDINGS.length]!
    try {
      await sleep(random.int(0, WAIT_MS_MAX))
      await end(replica, ending, random)
      servers.pop()
      replica = await start()
      const stats = await primary.info('stats')
      if (stats['sync_full'] !== '1') throw new Error(`${stats['sync_full']} full resyncs`)
      if (stats['sync_partial_ok'] !== String(round + 1)) throw new Error(`${stats['sync_partial_ok']} partial resyncs`)
      await load.pause()
      await equalDigests(primary, replica)
      load.resume()
    } catch (error) {
      const tail = replica.lines.slice(-25).join('\n')
      throw new Error(`seed ${seed}, round ${round} (${ending}): ${String(error)}\n${tail}`, { cause: error })
    }
    count++
  }
  await load.stop()
  return { count }
}

async function end(replica: TestServer, ending: (typeof ENDINGS)[number], random: SeededRandom): Promise<void> {
  if (ending === 'SIGTERM') return replica.stop()
  const client = await replica.raw()
  if (ending === 'SHUTDOWN SAVE') {
    client.send('SHUTDOWN SAVE\r\n')
    await client.readToEnd()
    return replica.kill()
  }
  if (ending === 'kill after SAVE') {
    await client.call('SAVE')
    await sleep(random.int(0, WAIT_MS_MAX))
  } else {
    client.send('SAVE\r\n')
    await sleep(random.int(0, 20))
  }
  return replica.kill()
}
