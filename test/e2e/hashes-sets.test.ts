/**
 * A primary's hashes and sets of every size, loaded and then changed by every command that it can send: digests and encodings
 * of the replica are the primary's.
 */
import type { Argument, RawClient } from '../support/raw-client.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { Directives } from '../support/test-server.ts'
import { followsType } from './follow-type.ts'

const KEYS = Array.from({ length: 12 }, (_, i) => (i < 6 ? `hash:${i}` : `set:${i}`))

async function fill(client: RawClient, random: SeededRandom): Promise<void> {
  const commands: Argument[][] = []
  for (const [i, size] of [3, 100, 511, 600, 5000, 15_000].entries()) {
    for (let from = 0; from < size; from += 500) {
      const names = Array.from({ length: Math.min(500, size - from) }, (_, j) => from + j)
      commands.push(['HSET', `hash:${i}`, ...names.flatMap((n) => [`field:${n}`, random.text(random.int(0, 30))])])
      commands.push(['SADD', `set:${i + 6}`, ...names.map((n) => (i % 2 === 0 ? n * 1000 : `member ${n}`))])
    }
  }
  // Beyond the window of a loader: values that come in pieces.
  commands.push(['HSET', 'hash:wide', 'f', random.bytes(3_000_000), 'g', random.text(70)])
  commands.push(['HSET', 'hash:long', random.bytes(20_000), 'v', 'f', 'x'.repeat(20_000)])
  await client.pipeline(commands)
}

function change(random: SeededRandom): Argument[] {
  const hash = `hash:${random.int(0, 7)}`
  const set = `set:${random.int(5, 12)}`
  const field = `field:${random.int(0, 700)}`
  const member = random.chance(0.5) ? random.int(0, 700) * 1000 : `member ${random.int(0, 700)}`
  switch (random.int(0, 15)) {
    case 0:
      return ['HSET', hash, field, random.text(random.int(0, 90)), `g${field}`, random.int(0, 9)]
    case 1:
      return ['HINCRBY', hash, `n${random.int(0, 9)}`, random.int(-9, 9)]
    case 2:
      return ['HINCRBYFLOAT', hash, `n${random.int(0, 9)}`, '0.1']
    case 3:
      return ['HDEL', hash, field, `g${field}`]
    case 4:
      return ['HSETNX', hash, field, 'new']
    case 5:
      return ['SADD', set, member, random.int(0, 100_000)]
    case 6:
      return ['SREM', set, member]
    case 7:
      return ['SPOP', set, random.int(1, 20)]
    case 8:
      return ['SPOP', set]
    case 9:
      return ['SMOVE', set, `set:${random.int(5, 12)}`, member]
    case 10:
      return [random.pick(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']), 'set:5', set, `set:${random.int(5, 12)}`]
    case 11:
      return ['COPY', hash, `hash:${random.int(6, 7)}`, 'REPLACE']
    case 12:
      return random.chance(0.1) ? ['RENAME', `set:5`, 'set:12'] : ['EXPIRE', hash, 10_000]
    case 13:
      return random.chance(0.1) ? ['DEL', 'hash:6', 'hash:7'] : ['HMSET', hash, field, 'v']
    case 14:
      return ['PERSIST', random.pick([hash, set])]
    default:
      return ['HSET', hash, field, random.int(0, 1000)]
  }
}

const VARIANTS: readonly Directives[] = [
  { 'repl-diskless-sync': 'no', rdbcompression: 'no' },
  { 'repl-diskless-sync': 'yes', 'hash-max-listpack-entries': '5000', 'set-max-intset-entries': '3000' },
]

followsType({
  variants: VARIANTS,
  fill,
  change,
  encodedKeys: [...KEYS, 'hash:wide', 'hash:long'],
  last: { make: ['SADD', 'set:6', 'x'], read: ['SMEMBERS', 'set:6'] },
  rounds: 3,
})
