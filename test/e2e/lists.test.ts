/**
 * A primary's lists of every size, in every encoding that a redis-server writes them in, loaded and then changed by every
 * command that it can send: the replica's digests are the primary's.
 */
import type { Argument, RawClient } from '../support/raw-client.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { Directives } from '../support/test-server.ts'
import { followsType } from './follow-type.ts'

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

followsType({
  variants: VARIANTS,
  fill,
  change,
  encodedKeys: [],
  last: { make: ['RPUSH', 'list:3', 'x'], read: ['LRANGE', 'list:3', 0, -1] },
  rounds: 2,
})
