/**
 * A primary's sorted sets of every size, loaded and then changed by every command that it can send: digests and encodings of
 * the replica are the primary's.
 */
import type { Argument, RawClient } from '../support/raw-client.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { Directives } from '../support/test-server.ts'
import { followsType } from './follow-type.ts'

const KEYS = Array.from({ length: 8 }, (_, i) => `zset:${i}`)
/**
 * One score for all, in which alone ZREMRANGEBYLEX is told what to remove: over mixed scores it depends on the random levels of a skiplist, and
 * two stock servers part ways, too.
 */
const OF_ONE_SCORE = 'zset:names'
const OTHERS = [OF_ONE_SCORE, 'zset:long', 'stored', 'geo', 'near']

async function fill(client: RawClient, random: SeededRandom): Promise<void> {
  const commands: Argument[][] = []
  for (const [i, size] of [3, 100, 128, 129, 700, 3000, 15_000].entries()) {
    for (let from = 0; from < size; from += 500) {
      const names = Array.from({ length: Math.min(500, size - from) }, (_, j) => from + j)
      commands.push(['ZADD', `zset:${i}`, ...names.flatMap((n) => [score(random), `member:${n}`])])
    }
  }
  for (const key of ['zset:7', OF_ONE_SCORE])
    commands.push(['ZADD', key, ...Array.from({ length: 2000 }, (_, n) => [0, `m${n * 7}`]).flat()])
  commands.push(['ZADD', 'zset:long', 1, random.bytes(20_000), 1, random.bytes(70_000), '-inf', 'x'.repeat(100)])
  commands.push(['GEOADD', 'geo', ...Array.from({ length: 500 }, (_, n) => [...position(random), `place ${n}`]).flat()])
  await client.pipeline(commands)
}

function score(random: SeededRandom): Argument {
  if (random.chance(0.4)) return random.int(-50, 50)
  if (random.chance(0.5)) return random.int(-1000, 1000) / 8
  return random.chance(0.02) ? random.pick(['inf', '-inf', '-0']) : (random.float() - 0.5) * 10 ** random.int(-10, 10)
}

function position(random: SeededRandom): Argument[] {
  return [random.float() * 360 - 180, random.float() * 170 - 85]
}

function change(random: SeededRandom): Argument[] {
  const key = `zset:${random.int(0, 7)}`
  const other = `zset:${random.int(0, 4)}`
  const member = `member:${random.int(0, 900)}`
  switch (random.int(0, 20)) {
    case 0:
    case 1:
    case 2:
      return ['ZADD', key, score(random), member, score(random), `new:${random.int(0, 2000)}`]
    case 3:
      return ['ZADD', key, ...random.pick([['GT'], ['LT'], ['NX'], ['XX', 'CH']]), score(random), member]
    case 4:
      return ['ZINCRBY', key, score(random), member]
    case 5:
    case 6:
      return ['ZREM', key, member, `new:${random.int(0, 2000)}`]
    case 7:
      return [random.pick(['ZPOPMIN', 'ZPOPMAX']), key, random.int(1, 5)]
    case 8:
      return ['ZMPOP', 2, 'none', key, random.pick(['MIN', 'MAX']), 'COUNT', random.int(1, 5)]
    case 9:
      return ['ZREMRANGEBYRANK', key, random.int(0, 100), random.int(0, 110)]
    case 10:
      return ['ZREMRANGEBYSCORE', key, 10, `(${10 + random.float()}`]
    case 11:
      return random.chance(0.3)
        ? ['ZADD', OF_ONE_SCORE, ...Array.from({ length: 50 }, () => [0, `m${random.int(0, 9000)}`]).flat()]
        : ['ZREMRANGEBYLEX', OF_ONE_SCORE, `[m${random.int(0, 9000)}`, `(m${random.int(0, 9000)}`]
    case 12:
      return [
        'ZUNIONSTORE',
        'stored',
        2,
        key,
        other,
        'WEIGHTS',
        2,
        random.int(0, 3),
        'AGGREGATE',
        random.pick(['MIN', 'SUM']),
      ]
    case 13:
      return [random.pick(['ZINTERSTORE', 'ZDIFFSTORE']), 'stored', 2, key, other]
    case 14:
      return ['ZRANGESTORE', other, key, 0, random.int(0, 200)]
    case 15:
      return ['COPY', key, other, 'REPLACE']
    case 16:
      return random.chance(0.2) ? ['RENAME', 'stored', other] : ['EXPIRE', key, 10_000]
    case 17:
      return ['GEOADD', 'geo', ...position(random), `place ${random.int(0, 600)}`]
    case 18:
      return ['GEOSEARCHSTORE', 'near', 'geo', 'FROMLONLAT', ...position(random), 'BYRADIUS', 2000, 'km']
    case 19:
      return ['GEORADIUS', 'geo', ...position(random), 3000, 'km', 'STORE', 'near']
    default:
      return ['BZPOPMIN', 'none', key, 1]
  }
}

const VARIANTS: readonly Directives[] = [
  { 'repl-diskless-sync': 'no', rdbcompression: 'no' },
  { 'repl-diskless-sync': 'yes', 'zset-max-listpack-entries': '2000', 'zset-max-listpack-value': '30000' },
]

followsType({
  variants: VARIANTS,
  fill,
  change,
  encodedKeys: [...KEYS, ...OTHERS],
  last: { make: ['ZADD', 'zset:3', 1, 'x'], read: ['ZRANGE', 'zset:3', 0, -1] },
  rounds: 3,
})
