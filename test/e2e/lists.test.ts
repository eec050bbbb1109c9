/**
 * A primary's lists of every size, in every encoding that a redis-server writes them in, loaded and then changed by every
 * command that it can send: the replica's digests are the primary's.
 */
import { afterEach, expect, it } from 'vitest'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import type { Argument, RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { linkIs } from './topology.ts'

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.kill()
})

async function start(server: Promise<TestServer>): Promise<TestServer> {
  const started = await server
  servers.push(started)
  return started
}

const SIZES = [1, 3, 100, 700, 5000, 40_000, 100_000]

async function fill(client: RawClient, random: SeededRandom): Promise<void> {
  const commands: Argument[][] = []
  for (const [i, size] of SIZES.entries()) {
    for (let from = 0; from < size; from += 1000) {
      const count = Math.min(1000, size - from)
      commands.push(['RPUSH', `list:${i}`, ...Array.from({ length: count }, () => element(random))])
    }
  }
  commands.push(['RPUSH', 'list:long', ...[20_000, 9000, 16_378, 1_048_576, 3].map((length) => random.bytes(length))])
  await client.pipeline(commands)
}

function element(random: SeededRandom): Argument {
  if (random.chance(0.4)) return random.int(-5000, 70_000)
  if (random.chance(0.001)) return random.bytes(random.int(4000, 20_000))
  return random.chance(0.5) ? `element ${random.int(0, 100)}` : random.text(random.int(0, 90))
}

function change(random: SeededRandom): Argument[] {
  const key = `list:${random.int(0, SIZES.length - 1)}`
  const other = `list:${random.int(0, SIZES.length - 1)}`
  const end = (): string => random.pick(['LEFT', 'RIGHT'])
  switch (random.int(0, 16)) {
    case 0:
    case 1:
    case 2:
      return [random.pick(['LPUSH', 'RPUSH']), key, element(random), element(random)]
    case 3:
      return [random.pick(['LPUSHX', 'RPUSHX']), key, element(random)]
    case 4:
      return [random.pick(['LPOP', 'RPOP']), key]
    case 5:
      return [random.pick(['LPOP', 'RPOP']), key, random.int(0, 4)]
    case 6:
      return ['LSET', key, random.int(-1, 0), element(random)]
    case 7:
      return ['LSET', 'list:4', random.int(0, 500), element(random)]
    case 8:
      return ['LINSERT', key, random.pick(['BEFORE', 'AFTER']), `element ${random.int(0, 100)}`, element(random)]
    case 9:
      return ['LREM', key, random.int(-3, 3), `element ${random.int(0, 100)}`]
    case 10:
      return ['LTRIM', key, random.int(0, 2), random.int(-2, -1)]
    case 11:
      return ['LMOVE', key, other, end(), end()]
    case 12:
      return random.chance(0.5) ? ['BRPOPLPUSH', key, other, 0.01] : ['BLMOVE', key, 'list:long', end(), end(), 0.01]
    case 13:
      return ['LMPOP', 2, 'none', key, end(), 'COUNT', random.int(1, 5)]
    case 14:
      return ['BLMPOP', 0.01, 2, 'none', key, end()]
    case 15:
      return random.chance(0.2) ? ['COPY', 'list:3', 'list:0', 'REPLACE'] : ['EXPIRE', key, 10_000]
    default:
      return ['SORT', 'list:3', 'ALPHA', 'LIMIT', 5, 300, 'STORE', 'sorted']
  }
}

const VARIANTS: readonly Directives[] = [
  { 'repl-diskless-sync': 'no', rdbcompression: 'no' },
  { 'repl-diskless-sync': 'yes', 'list-max-listpack-size': '20', 'list-compress-depth': '1' },
]

it.each([0, 1])('variant %i', { timeout: 120_000 }, async (index) => {
  const variant = VARIANTS[index]!
  const random = new SeededRandom(index + 1)
  const primary = await start(startRedisServer({ directives: variant }))
  const client = await primary.raw({ timeoutMs: 30_000 })
  await fill(client, random)
  const nodeSize = variant['list-max-listpack-size'] ?? '-2'
  const directives = { 'list-max-listpack-size': nodeSize, replicaof: ['127.0.0.1', primary.port] }
  const replica = await start(startUnderstudy({ directives }))
  await linkIs(replica, 'up')
  await equalDigests(primary, replica)
  for (let round = 0; round < 3; round++) {
    await client.pipeline(Array.from({ length: 1000 }, () => change(random)))
    await equalDigests(primary, replica)
  }
  expect((await replica.info('replication'))['stream_commands_not_applied']).toBe('0')
  // Freed in slices while the stream goes on.
  await client.pipeline([['FLUSHALL'], ...SIZES.map((_, i) => ['RPUSH', `list:${i}`, 'x'])])
  await untilEqualOffsets(primary, replica)
  expect(await replica.call('LRANGE', 'list:3', 0, -1)).toEqual(['x'])
  await equalDigests(primary, replica)
})
