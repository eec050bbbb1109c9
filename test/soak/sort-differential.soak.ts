/**
 * SORT and SORT_RO of the same lists, sets and sorted sets in a real redis-server and here, with weights and values in strings
 * and hashes: every reply must be equal byte for byte, and the digest after each round. The order of a set that is not
 * sorted means nothing: its elements are compared without it.
 */
import {
  databaseCommands,
  datasetDigest,
  dumpCommands,
  hashCommands,
  keyCommands,
  Keyspace,
  listCommands,
  objectCommands,
  sortCommands,
  stringCommands,
} from '@understudy/core/internal'
import { CommandRunner } from '../support/command-runner.ts'
import type { RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { readAllReplies } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'

export const soak: Soak = {
  comparesReplies: true,
  about: 'a round sorts random lists, sets and sorted sets 150 times in Redis and here; replies and digests must agree',
  stated: { count: 2_000 },
  slice: { count: Infinity, seconds: 4 },
  run,
}

type Command = readonly (string | Buffer)[]

const SORTS_PER_ROUND = 150
const TABLES = [
  listCommands,
  hashCommands,
  stringCommands,
  sortCommands,
  keyCommands,
  dumpCommands,
  objectCommands,
  databaseCommands(),
] as const
const NUMBERS = [
  '0',
  '1',
  '-1',
  '10',
  '9',
  '2.5',
  '-0',
  '1e3',
  '0x10',
  ' 7',
  '9007199254740993',
  '-3.25',
  '1e-7',
  'inf',
  '-inf',
]
/** Nothing beyond the range of doubles: redis 7.0 then refuses later numbers as well, until something else clears errno. */
const ODD = ['', 'abc', 'ab', 'abd', 'B', 'é', '1x', 'nan', ' ', '1 ', 'a\0b', 'a\0c', '12\0x', '.', '-', '1e', '0x']

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const server = await startRedisServer({ directives: { databases: 1 } })
  let count = 0
  let errors = 0
  try {
    const client = await server.raw({ timeoutMs: 60_000 })
    for (const round of rounds(options)) {
      const where = `seed ${options.seed}, round ${round}`
      const resp = random.pick([2, 3] as const)
      const here = new CommandRunner(TABLES, { keyspace: new Keyspace({ databaseCount: 1 }), resp })
      await client.call('HELLO', resp)
      await client.call('FLUSHALL')
      await fill(client, here, random)
      for (let i = 0; i < SORTS_PER_ROUND; i++) {
        const command = randomSort(random)
        const expected = await client.callExact(...command)
        const actual = here.text(...command)
        if (expected.startsWith('-')) errors++
        if (actual === expected) continue
        if (isUnordered(command) && sameItems(expected, actual)) continue
        throw new Error(
          `${where}, command ${i}: ${JSON.stringify(command.map((part) => part.toString('latin1')))}\n` +
            `  Redis ${JSON.stringify(expected).slice(0, 600)}\n  here  ${JSON.stringify(actual).slice(0, 600)}`,
        )
      }
      // Sorting leaves a sorted set in its large encoding.
      const encoding = await client.callExact('OBJECT', 'ENCODING', 'zset')
      if (here.text('OBJECT', 'ENCODING', 'zset') !== encoding) throw new Error(`${where}: not ${encoding}`)
      const digest = String(await client.call('DEBUG', 'DIGEST'))
      if (digest !== datasetDigest(here.keyspace)) throw new Error(`${where}: the digests differ`)
      count++
    }
  } finally {
    await server.stop()
  }
  return { count, counted: { sorts: count * SORTS_PER_ROUND, errors } }
}

async function fill(client: RawClient, here: CommandRunner, random: SeededRandom): Promise<void> {
  const pool = random.chance(0.6) ? NUMBERS : [...NUMBERS, ...ODD]
  const texts = Array.from({ length: random.pick([1, 5, 12, 40, 150]) }, () =>
    random.chance(0.5) ? random.pick(pool) : String(random.int(-50, 500)),
  )
  const both = async (...command: string[]): Promise<void> => {
    await client.call(...command)
    here.run(...command)
  }
  /** For types whose commands are others' matter. */
  const copied = async (key: string): Promise<void> => {
    here.run('RESTORE', key, 0, (await client.callBinary('DUMP', key)) as Buffer, 'REPLACE')
  }
  await both('RPUSH', 'list', ...texts, ...(random.chance(0.2) ? ['x'.repeat(20_000)] : []))
  await both('SET', 'string', 'v')
  // ALPHA compares up to a zero byte: what is equal then keeps the order of the hash table.
  const members = texts.map((text) => text.replace('\0', '0'))
  await client.call('SADD', 'set', ...members)
  await client.call('SADD', 'ints', ...texts.map((_, i) => String(i)))
  await client.call('ZADD', 'zset', ...members.flatMap((text, i) => [String(i % 7), text]))
  for (const key of ['set', 'ints', 'zset']) await copied(key)
  const weights = random.chance(0.6) ? NUMBERS : [...NUMBERS, ...ODD]
  for (const text of new Set(texts)) {
    if (random.chance(0.8)) await both('SET', `w_${text}`, random.pick(weights))
    if (random.chance(0.8)) await both('HSET', `h_${text}`, 'f', random.pick(weights), 'g->x', text)
    if (random.chance(0.1)) await both('HSET', `h_${text}`, 'long', 'y'.repeat(9000))
    if (random.chance(0.05)) await both('RPUSH', `v_${text}`, 'not a string')
    else if (random.chance(0.5))
      await both('SET', `v_${text}`, random.chance(0.05) ? 'z'.repeat(40_000) : `value of ${text}`)
  }
}

const PATTERNS = [
  '#',
  'w_*',
  'h_*->f',
  'h_*->none',
  'h_*->long',
  'v_*',
  'nothing',
  'w_*->',
  '*',
  'h_*->g->x',
  '#x',
  '',
  'w_*_*',
]

function randomSort(random: SeededRandom): Command {
  const key = random.pick(['list', 'list', 'set', 'ints', 'zset', 'none', 'string', 'stored'])
  const command: (string | Buffer)[] = [random.pick(['SORT', 'SORT', 'SORT_RO', 'sort']), key]
  const small = (): string =>
    random.chance(0.9) ? String(random.int(-3, 20)) : random.pick(['x', '', '9223372036854775807', '-5'])
  for (let left = random.int(0, 5); left > 0; left--) {
    switch (random.int(0, 9)) {
      case 0:
        command.push(random.pick(['ASC', 'DESC', 'desc']))
        break
      case 1:
      case 2:
        command.push(random.pick(['ALPHA', 'alpha']))
        break
      case 3:
        command.push('LIMIT', small(), small())
        break
      case 4:
        command.push('BY', random.pick(['nosort', 'w_*', 'h_*->f', 'v_*', 'nosort', '*']))
        break
      case 5:
      case 6:
        command.push('GET', random.pick(PATTERNS))
        break
      case 7:
        if (random.chance(0.5)) command.push('STORE', random.pick(['stored', 'stored', 'list2', 'set2', 'string2']))
        break
      case 8:
        if (random.chance(0.1)) command.push(random.pick(['x', 'LIMIT', 'BY', 'GET', 'STORE']))
        break
      default:
    }
  }
  // What is stored must not depend on Redis' hash table.
  for (let at; isUnordered(command) && (at = command.indexOf('STORE')) > 0;) command.splice(at, 2)
  return command
}

/** A set as it comes, or what Redis takes out of a hash table and then finds equal. */
function isUnordered(command: Command): boolean {
  const upper = command.map((part) => String(part).toUpperCase())
  if (!['SET', 'INTS', 'ZSET'].includes(upper[1]!)) return false
  return upper.includes('NOSORT') || (upper.includes('ALPHA') && upper.includes('BY'))
}

function sameItems(expected: string, actual: string): boolean {
  const items = (text: string): string =>
    JSON.stringify([readAllReplies(Buffer.from(text, 'latin1'))].flat(3).map(String).sort())
  return items(expected) === items(actual) || expected.split('\r\n')[0] === actual.split('\r\n')[0]
}
