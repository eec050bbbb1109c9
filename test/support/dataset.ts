/**
 * Fills a redis-server with keys of every type and encoding in several databases, the same ones for the same seed:
 * strings (int, embstr, raw, large), hashes, sets, sorted sets, lists and streams in their small and large encodings,
 * streams with groups, consumers and pending entries, HyperLogLogs (sparse and dense), bitmaps, binary keys, some TTLs.
 */
import { CountingClient } from './counting-client.ts'
import type { Argument } from './raw-client.ts'
import { SeededRandom } from './seeded-random.ts'

export interface DatasetOptions {
  readonly seed: number
  readonly keys: number
  /** Default 0, 1, 2, 5 and 15. */
  readonly databases?: readonly number[]
  /** Strings, bitmaps and HyperLogLogs only. */
  readonly stringsOnly?: boolean
  /** Default 1 in 10. */
  readonly expiringShare?: number
}

export interface Dataset {
  readonly keys: number
  /** Keys by type name as TYPE says it. */
  readonly byType: ReadonlyMap<string, number>
  /** Some keys of database 0 of other types than string, for RENAME, COPY and MOVE. */
  readonly movable: readonly string[]
}

type Maker = (key: Argument, random: SeededRandom) => readonly (readonly Argument[])[]

interface Kind {
  readonly name: string
  readonly type: string
  /** Among all keys. */
  readonly weight: number
  readonly make: Maker
}

const HOUR_MS = 3_600_000
const MOVABLE_MAX = 2000
const BATCH = 500

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
const flat = (count: number, make: (index: number) => readonly Argument[]): Argument[] => times(count, make).flat()

function bitmap(key: Argument, random: SeededRandom): Argument[][] {
  return times(3, () => ['SETBIT', key, random.int(0, 4000), 1])
}

function hyperLogLog(key: Argument, random: SeededRandom, count: number): Argument[][] {
  return [['PFADD', key, ...times(count, () => random.text(9))]]
}

/** A stream with deleted entries, two groups, consumers and pending entries. */
function stream(key: Argument, random: SeededRandom, entries: number): Argument[][] {
  const commands: Argument[][] = times(entries, (i) => [
    'XADD',
    key,
    `${1000 + i}-${i % 3}`,
    'field',
    random.text(5),
    'n',
    i,
  ])
  commands.push(
    ['XDEL', key, '1001-1'],
    ['XGROUP', 'CREATE', key, 'readers', '0'],
    ['XGROUP', 'CREATE', key, 'late', '$'],
  )
  commands.push(['XREADGROUP', 'GROUP', 'readers', random.text(4), 'COUNT', 3, 'STREAMS', key, '>'])
  commands.push(['XREADGROUP', 'GROUP', 'readers', 'b\u0000in', 'COUNT', 2, 'STREAMS', key, '>'])
  commands.push(['XACK', key, 'readers', '1000-0'], ['XGROUP', 'CREATECONSUMER', key, 'late', 'idle'])
  return commands
}

const STRING_KINDS: readonly Kind[] = [
  { name: 'int', type: 'string', weight: 20, make: (key, random) => [['SET', key, random.int(-(2 ** 40), 2 ** 40)]] },
  { name: 'tiny', type: 'string', weight: 4, make: (key, random) => [['SET', key, random.int(0, 9999)]] },
  { name: 'embstr', type: 'string', weight: 20, make: (key, random) => [['SET', key, random.text(random.int(0, 44))]] },
  { name: 'raw', type: 'string', weight: 10, make: (key, random) => [['SET', key, random.text(random.int(45, 400))]] },
  { name: 'lzf', type: 'string', weight: 4, make: (key, random) => [['SET', key, random.text(4).repeat(60)]] },
  { name: 'bytes', type: 'string', weight: 3, make: (key, random) => [['SET', key, random.bytes(random.int(1, 80))]] },
  { name: 'large', type: 'string', weight: 0.05, make: (key, random) => [['SET', key, random.text(97).repeat(400)]] },
  { name: 'bitmap', type: 'string', weight: 2, make: bitmap },
  { name: 'pf-sparse', type: 'string', weight: 1.5, make: (key, random) => hyperLogLog(key, random, 12) },
  { name: 'pf-dense', type: 'string', weight: 0.1, make: (key, random) => hyperLogLog(key, random, 2500) },
]

const OTHER_KINDS: readonly Kind[] = [
  {
    name: 'hash',
    type: 'hash',
    weight: 10,
    make: (key, random) => [['HSET', key, ...flat(random.int(1, 5), (i) => [`f${i}`, random.text(random.int(0, 20))])]],
  },
  {
    name: 'hash-large',
    type: 'hash',
    weight: 0.2,
    make: (key, random) => [['HSET', key, ...flat(200, (i) => [`field${i}`, random.int(0, 10 ** 9)])]],
  },
  {
    name: 'hash-long',
    type: 'hash',
    weight: 0.3,
    make: (key, random) => [['HSET', key, 'f', random.text(300), random.bytes(6), random.bytes(9)]],
  },
  {
    name: 'intset',
    type: 'set',
    weight: 4,
    make: (key, random) => {
      const span = random.pick([100, 100_000, 2 ** 45])
      return [['SADD', key, ...times(random.int(1, 12), () => random.int(-span, span))]]
    },
  },
  {
    name: 'set',
    type: 'set',
    weight: 4,
    make: (key, random) => [['SADD', key, ...times(random.int(1, 6), () => random.text(random.int(1, 15)))]],
  },
  {
    name: 'set-large',
    type: 'set',
    weight: 0.2,
    make: (key, random) => [['SADD', key, ...times(700, () => random.text(6))]],
  },
  {
    name: 'zset',
    type: 'zset',
    weight: 6,
    make: (key, random) => [['ZADD', key, ...flat(random.int(1, 6), () => [random.float() * 1000, random.text(6)])]],
  },
  {
    name: 'zset-odd',
    type: 'zset',
    weight: 1,
    make: (key, random) => [['ZADD', key, 'inf', 'a', '-inf', 'b', random.int(0, 9), 'c', 0.1, 'd', 1e300, 'e']],
  },
  {
    name: 'zset-large',
    type: 'zset',
    weight: 0.2,
    make: (key, random) => [['ZADD', key, ...flat(200, () => [random.float() * 10 ** 6, random.text(8)])]],
  },
  {
    name: 'list',
    type: 'list',
    weight: 7,
    make: (key, random) => [['RPUSH', key, ...times(random.int(1, 7), (i) => (i % 2 === 0 ? i : random.text(12)))]],
  },
  {
    name: 'list-large',
    type: 'list',
    weight: 0.15,
    make: (key, random) => [['LPUSH', key, ...times(300, () => random.text(random.int(1, 90)))]],
  },
  { name: 'stream', type: 'stream', weight: 0.6, make: (key, random) => stream(key, random, random.int(4, 8)) },
  { name: 'stream-large', type: 'stream', weight: 0.05, make: (key, random) => stream(key, random, 250) },
]

/** Fills the server on `port` over one pipelined connection. @throws when a command is answered with an error. */
export async function fillDataset(port: number, options: DatasetOptions): Promise<Dataset> {
  const random = new SeededRandom(options.seed)
  const kinds = options.stringsOnly === true ? STRING_KINDS : [...STRING_KINDS, ...OTHER_KINDS]
  const weights = kinds.reduce((sum, kind) => sum + kind.weight, 0)
  const databases = options.databases ?? [0, 1, 2, 5, 15]
  const expiringShare = options.expiringShare ?? 0.1
  const byType = new Map<string, number>()
  const movable: string[] = []
  const client = await CountingClient.connect(port)
  let batch: (readonly Argument[])[] = []
  for (const [d, db] of databases.entries()) {
    batch.push(['SELECT', db])
    // The first database gets half of the keys.
    const left = databases.length - 1
    const share =
      left === 0 ? options.keys : d === 0 ? Math.ceil(options.keys / 2) : Math.floor(options.keys / 2 / left)
    const until = d === left ? options.keys - [...byType.values()].reduce((a, b) => a + b, 0) : share
    for (let i = 0; i < until; i++) {
      // Every kind once in each database, whatever its weight.
      const kind = kinds[i] ?? pickKind(kinds, random.float() * weights)
      const name = `${kind.name}:${i}`
      const isBinary = random.chance(0.03)
      const key = isBinary ? Buffer.concat([Buffer.from(`${name}:\r\n`), random.bytes(4)]) : name
      batch.push(...kind.make(key, random))
      byType.set(kind.type, (byType.get(kind.type) ?? 0) + 1)
      if (random.chance(expiringShare)) {
        batch.push(['PEXPIREAT', key, Date.now() + HOUR_MS + random.int(0, 1000 * HOUR_MS)])
      } else if (db === 0 && !isBinary && kind.type !== 'string' && movable.length < MOVABLE_MAX) {
        movable.push(name)
      }
      if (batch.length < BATCH) continue
      await client.send(batch)
      batch = []
    }
  }
  await client.send(batch)
  await client.settled()
  client.close()
  if (client.errorCount > 0)
    throw new Error(`filling the dataset: ${client.errorCount} errors, first ${client.errors[0]}`)
  return { keys: options.keys, byType, movable }
}

function pickKind(kinds: readonly Kind[], at: number): Kind {
  let left = at
  for (const kind of kinds) {
    left -= kind.weight
    if (left < 0) return kind
  }
  return kinds[0]!
}
