/** Sorted sets beside a stock server: replies, encodings, digests, payloads; and one of many members against a plain array. */
import { strict as assert } from 'node:assert'
import { describe, expect } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import type { Argument } from '../../support/raw-client.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { useStockPair } from '../../support/stock-pair.ts'
import { dataCommandFamilies, LibraryStore } from '@understudy/core/internal'
import { itOfReference as it } from '../../support/reference.ts'

const ZSETS = ['z', 'y', 'x']
const KEYS = [...ZSETS, 'text', 'ints', 'words', 'target', 'absent']

describe('sorted sets', () => {
  const pair = useStockPair()

  function member(random: SeededRandom): Argument {
    const kind = random.float()
    if (kind < 0.6) return `member:${random.int(0, 60)}`
    if (kind < 0.85) return random.int(-200, 70_000)
    if (kind < 0.88) return ''
    if (kind < 0.96) return random.bytes(random.int(1, 40))
    return 'm'.repeat(random.int(60, 5000))
  }

  function score(random: SeededRandom): Argument {
    const kind = random.float()
    if (kind < 0.5) return random.int(-20, 20)
    if (kind < 0.6) return random.int(-1e15, 1e15)
    if (kind < 0.8) return random.int(-1000, 1000) / 8
    if (kind < 0.9) return (random.float() - 0.5) * 10 ** random.int(-20, 20)
    return random.pick([
      'inf',
      '-inf',
      '-0',
      '0',
      '1e100',
      '1e-300',
      '+5',
      '0x10',
      '.5',
      '5.',
      '3.0',
      '1e17',
      '123456789012345678',
    ])
  }

  function bound(random: SeededRandom): Argument {
    const text = random.chance(0.15) ? random.pick(['', 'x', 'nan', ' 1', '1e400', '(']) : String(score(random))
    return random.chance(0.3) ? `(${text}` : text
  }

  function lexBound(random: SeededRandom): Argument {
    const kind = random.float()
    if (kind < 0.15) return '-'
    if (kind < 0.3) return '+'
    if (kind < 0.35) return random.pick(['', 'x', '+x', '-1', '5'])
    return Buffer.concat([Buffer.from(random.pick(['[', '('])), Buffer.from(String(member(random)))])
  }

  function options(random: SeededRandom, ...all: Argument[][]): Argument[] {
    return all.filter(() => random.chance(0.3)).flat()
  }

  function limit(random: SeededRandom): Argument[] {
    return ['LIMIT', random.pick([0, 1, 3, 100, -1]), random.pick([0, 1, 5, 50, -1, -2, 'x'])]
  }

  async function step(random: SeededRandom): Promise<void> {
    const key = random.chance(0.95) ? random.pick(ZSETS) : random.pick(['text', 'absent', 'ints'])
    switch (random.int(0, 31)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        await pair.same('ZADD', key, score(random), member(random))
        return
      case 5:
      case 6:
        await pair.same(
          'ZADD',
          key,
          ...Array.from({ length: random.int(1, 20) }, () => [score(random), member(random)]).flat(),
        )
        return
      case 7:
      case 8:
        await pair.same(
          'ZADD',
          key,
          ...options(random, ['NX'], ['XX'], ['GT'], ['LT'], ['CH'], ['INCR']),
          random.chance(0.05) ? 'x' : score(random),
          member(random),
          ...(random.chance(0.2) ? [score(random), member(random)] : []),
        )
        return
      case 9:
        await pair.same('ZINCRBY', key, score(random), member(random))
        return
      case 10:
      case 11:
        await pair.same('ZREM', key, ...Array.from({ length: random.int(1, 6) }, () => member(random)))
        return
      case 12:
        await pair.same(random.pick(['ZSCORE', 'ZRANK', 'ZREVRANK']), key, member(random))
        return
      case 13:
        await pair.same('ZMSCORE', key, member(random), member(random), member(random))
        return
      case 14:
        await pair.same(
          random.pick(['ZRANGE', 'ZREVRANGE']),
          key,
          random.int(-70, 70),
          random.int(-70, 70),
          ...options(random, ['WITHSCORES']),
        )
        return
      case 15:
      case 16:
        await pair.same(
          random.pick(['ZRANGEBYSCORE', 'ZREVRANGEBYSCORE']),
          key,
          bound(random),
          bound(random),
          ...options(random, ['WITHSCORES'], limit(random)),
        )
        return
      case 17:
        await pair.same('ZCOUNT', key, bound(random), bound(random))
        return
      case 18:
        await pair.same(
          'ZRANGE',
          key,
          bound(random),
          bound(random),
          ...options(random, ['BYSCORE'], ['REV'], ['WITHSCORES'], limit(random)),
        )
        return
      case 19:
        await pair.same(
          'ZRANGESTORE',
          'target',
          key,
          bound(random),
          bound(random),
          'BYSCORE',
          ...options(random, ['REV'], limit(random)),
        )
        return
      case 20:
        await pair.same(
          'ZRANGESTORE',
          random.pick(['target', key]),
          key,
          random.int(-70, 70),
          random.int(-70, 70),
          ...options(random, ['REV']),
        )
        return
      case 21:
        await pair.same('ZREMRANGEBYRANK', key, random.int(-70, 70), random.int(-70, 70))
        return
      case 22:
        if (random.chance(0.3)) await pair.same('ZREMRANGEBYSCORE', key, bound(random), bound(random))
        return
      case 23:
        await pair.same(
          random.pick(['ZPOPMIN', 'ZPOPMAX']),
          key,
          ...options(random, [random.pick([0, 1, 3, -1, 'x', 20])]),
        )
        return
      case 24:
        await pair.same(
          'ZMPOP',
          2,
          random.pick(['absent', 'z']),
          random.pick(['y', 'x', 'text']),
          random.pick(['MIN', 'MAX']),
          ...options(random, ['COUNT', random.pick([1, 4, 0])]),
        )
        return
      case 25:
        await pair.same(
          random.pick(['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']),
          random.pick(['target', 'x']),
          2,
          random.pick([...ZSETS, 'ints', 'absent']),
          random.pick([...ZSETS, 'words', 'ints', 'text']),
          ...options(
            random,
            ['WEIGHTS', random.pick([1, 2, 'inf', '-0.5']), random.pick([1, 3, 'x'])],
            ['AGGREGATE', random.pick(['MIN', 'MAX', 'SUM', 'x'])],
          ),
        )
        return
      case 26:
        await pair.same(
          random.pick(['ZUNION', 'ZINTER', 'ZDIFF']),
          random.pick([2, 2, 2, 1, 3, 0, 'x']),
          random.pick([...ZSETS, 'ints']),
          random.pick([...ZSETS, 'words']),
          ...options(random, ['WITHSCORES']),
        )
        return
      case 27:
        await pair.same(
          'ZINTERCARD',
          2,
          random.pick(ZSETS),
          random.pick(['x', 'ints', 'words']),
          ...options(random, ['LIMIT', random.pick([0, 1, 3, -1])]),
        )
        return
      case 28:
        await pair.same(
          ...random.pick([
            ['COPY', key, random.pick(ZSETS), 'REPLACE'],
            ['RENAME', key, random.pick(ZSETS)],
            ['EXPIRE', key, 10_000],
            ['PERSIST', key],
          ] as Argument[][]),
        )
        return
      case 29: {
        await pair.sameElements(1, 'ZRANDMEMBER', key, 100_000)
        await pair.same('ZRANDMEMBER', key, random.pick(['x', 0, '-9223372036854775808']))
        await pair.same('ZCARD', key)
        return
      }
      case 30: {
        const theirs = (await pair.client.callBinary('DUMP', key)) as Buffer | null
        if (theirs !== null) await pair.same('RESTORE', random.pick(ZSETS), 0, theirs, 'REPLACE')
        return
      }
      default:
        await pair.same('OBJECT', 'ENCODING', random.pick([key, 'target']))
    }
  }

  async function addSets(): Promise<void> {
    await pair.client.call('SADD', 'ints', 1, 2, 3, 5, 70, -100)
    await pair.client.call('SADD', 'words', ...Array.from({ length: 60 }, (_, i) => `member:${i * 2}`), 5)
    for (const key of ['ints', 'words']) {
      const payload = (await pair.client.callBinary('DUMP', key)) as Buffer
      await pair.same('RESTORE', key, 0, payload, 'REPLACE')
    }
    await pair.same('SET', 'text', 'x')
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('answer as a stock server does, seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    await pair.begin(random.pick([2, 3] as const), `seed ${seed}`)
    await addSets()
    if (seed % 2 === 0) {
      for (const key of ZSETS) {
        await pair.same('ZADD', key, ...Array.from({ length: 200 }, () => [score(random), member(random)]).flat())
      }
    }
    for (let i = 0; i < 600; i++) await step(random)
    await pair.check(KEYS)
  })

  it.each([1, 2])('are searched by name as in a stock server, seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    await pair.begin(2, `lex ${seed}`)
    for (let i = 0; i < 300; i++) {
      await pair.same('ZADD', 'z', ...Array.from({ length: 5 }, () => [0, member(random)]).flat())
      const range = [lexBound(random), lexBound(random)]
      await pair.same(random.pick(['ZRANGEBYLEX', 'ZREVRANGEBYLEX']), 'z', ...range, ...options(random, limit(random)))
      await pair.same('ZLEXCOUNT', 'z', ...range)
      await pair.same('ZRANGE', 'z', ...range, 'BYLEX', ...options(random, ['REV'], ['WITHSCORES'], limit(random)))
      await pair.same('ZRANGESTORE', 'target', 'z', ...range, 'BYLEX', ...options(random, ['REV'], limit(random)))
      await pair.same('ZRANK', 'z', member(random))
      if (random.chance(0.1)) await pair.same('ZREMRANGEBYLEX', 'z', ...range)
    }
    await pair.check(KEYS)
  })

  it('are united, intersected and subtracted by the thousand', async () => {
    await pair.begin(2, 'by the thousand')
    const random = new SeededRandom(11)
    for (const key of ZSETS) {
      // Few scores, so that members decide; some members are too long for their records.
      for (let i = 0; i < 30; i++) {
        const pairs = Array.from({ length: 100 }, () => [
          random.pick([random.int(0, 5), random.int(0, 1000) / 8, 'inf', -0]),
          random.chance(0.02) ? `${'m'.repeat(9000)}${random.int(0, 300)}` : `member:${random.int(0, 4000)}`,
        ])
        await pair.same('ZADD', key, ...pairs.flat())
      }
    }
    await pair.same('SADD', 'words', ...Array.from({ length: 3000 }, (_, i) => `member:${i}`))
    for (const operation of ['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']) {
      for (const sources of [
        ['z', 'y'],
        ['x', 'words'],
        ['words', 'z'],
        ['z', 'y', 'x'],
      ]) {
        await pair.same(operation, 'target', sources.length, ...sources)
        await pair.same('ZRANGE', 'target', 0, -1, 'WITHSCORES')
        await pair.same(operation.replace('STORE', ''), sources.length, ...sources, 'WITHSCORES')
      }
    }
    await pair.same('ZRANGESTORE', 'target', 'z', 100, 2000)
    await pair.same('ZRANGE', 'target', 0, -1, 'WITHSCORES')
    await pair.same('ZRANGESTORE', 'target', 'z', '(5', 0, 'BYSCORE', 'REV')
    await pair.same('ZRANGE', 'target', 0, -1, 'WITHSCORES')
    for (let i = 0; i < 1000 && pair.keyspace.lazyFreePending > 0; i++) pair.runner.run('MEMORY', 'PURGE')
    checkKeyspace(pair.keyspace)
  })

  it('change their encoding when a stock server does', async () => {
    await pair.begin(2, 'encodings')
    for (let i = 0; i < 132; i++) {
      await pair.same('ZADD', 'z', i / 3, `m${i}`)
      if (i > 120) await pair.same('OBJECT', 'ENCODING', 'z')
    }
    for (let i = 0; i < 130; i++) await pair.same('ZREM', 'z', `m${i}`)
    await pair.same('OBJECT', 'ENCODING', 'z')
    await pair.same('ZADD', 'z', '-0', 'zero')
    await pair.same('ZSCORE', 'z', 'zero')
    await pair.same('ZADD', 'y', 1, 'v'.repeat(64), '-0', 'zero')
    await pair.same('ZSCORE', 'y', 'zero')
    await pair.same('OBJECT', 'ENCODING', 'y')
    await pair.same('ZADD', 'y', 1, 'v'.repeat(65))
    await pair.same('OBJECT', 'ENCODING', 'y')
    // More bytes than we hold packed, and still a listpack there.
    for (let i = 0; i < 127; i++) await pair.same('ZADD', 'x', i / 7, `${i}`.padStart(64, '-'))
    await pair.same('OBJECT', 'ENCODING', 'x')
    await pair.same('ZRANGE', 'x', 0, -1, 'WITHSCORES')
    await pair.same('COPY', 'x', 'target')
    await pair.same('OBJECT', 'ENCODING', 'target')
    await pair.check(KEYS)
    await pair.same('ZADD', 'x', 1, 'a', 2, 'b')
    await pair.same('OBJECT', 'ENCODING', 'x')
    await pair.check(KEYS)
  })

  it('refuse what is wrong with the same words', async () => {
    await pair.begin(2, 'errors')
    await pair.same('SET', 'text', 'x')
    await pair.same('ZADD', 'z', 1, 'a', 'inf', 'b')
    for (const command of [
      ['ZADD', 'z', 1],
      ['ZADD', 'z', 1, 'a', 2],
      ['ZADD', 'z', 'NX', 'XX', 1, 'a'],
      ['ZADD', 'z', 'NX', 'GT', 1, 'a'],
      ['ZADD', 'z', 'GT', 'LT', 1, 'a'],
      ['ZADD', 'z', 'INCR', 1, 'a', 2, 'b'],
      ['ZADD', 'z', 'INCR', '-inf', 'b'],
      ['ZADD', 'text', 'x', 'a'],
      ['ZADD', 'absent', 'XX', 1, 'a'],
      ['ZADD', 'absent', 'XX', 'INCR', 1, 'a'],
      ['ZADD', 'z', 'nan', 'a'],
      ['ZADD', 'z', '', 'a'],
      ['ZADD', 'z', ' 1', 'a'],
      ['ZADD', 'z', '1 ', 'a'],
      ['ZADD', 'z', '1e400', 'a'],
      ['ZADD', 'z', '1e-400', 'a'],
      ['ZADD', 'z', '0x', 'a'],
      ['ZADD', 'z', '1e', 'a'],
      ['ZINCRBY', 'z', 'x', 'a'],
      ['ZINCRBY', 'z', 'NX', 'e33'],
      ['ZINCRBY', 'z', 'incr', 'a'],
      ['ZINCRBY', 'z', '-inf', 'b'],
      ['ZRANGE', 'z', 'a', 1],
      ['ZRANGE', 'z', 0, 'a'],
      ['ZRANGE', 'z', 0, 1, 'LIMIT', 0, 1],
      ['ZRANGE', 'z', 0, 1, 'LIMIT', 0, -1],
      ['ZRANGE', 'z', '-', '+', 'BYLEX', 'WITHSCORES'],
      ['ZRANGE', 'z', 0, 1, 'BYLEX'],
      ['ZRANGE', 'z', 'x', 1, 'BYSCORE'],
      ['ZRANGE', 'z', 0, 1, 'x'],
      ['ZREVRANGE', 'z', 0, 1, 'REV'],
      ['ZRANGEBYSCORE', 'z', 0, 1, 'LIMIT', 0],
      ['ZRANGEBYSCORE', 'z', 0, 1, 'LIMIT', 'x', 1],
      ['ZRANGEBYLEX', 'z', '-', '+', 'WITHSCORES'],
      ['ZRANGESTORE', 'y', 'z', 0, 1, 'WITHSCORES'],
      ['ZRANGESTORE', 'y', 'text', 0, 1],
      ['ZRANGESTORE', 'y', 'absent', 0, 1],
      ['ZREMRANGEBYRANK', 'z', 'x', 1],
      ['ZREMRANGEBYRANK', 'text', 'x', 1],
      ['ZPOPMIN', 'z', 1, 2],
      ['ZPOPMIN', 'text', 0],
      ['ZPOPMIN', 'absent', 0],
      ['ZPOPMIN', 'z', '-1'],
      ['ZMPOP', 0, 'z', 'MIN'],
      ['ZMPOP', 1, 'z', 'x'],
      ['ZMPOP', 2, 'z', 'MIN'],
      ['ZMPOP', 1, 'absent', 'MIN'],
      ['ZMPOP', 1, 'z', 'MIN', 'COUNT', 0],
      ['ZMPOP', 1, 'z', 'MIN', 'COUNT', 1, 'COUNT', 1],
      ['ZMPOP', 1, 'text', 'MIN'],
      ['BZPOPMIN', 'text', 'z', 0],
      ['BZPOPMIN', 'z', -1],
      ['BZPOPMIN', 'z', 'x'],
      ['BZMPOP', 'x', 1, 'z', 'MIN'],
      ['BZMPOP', 0, 1, 'text', 'MIN'],
      ['BZMPOP', '1e300', 3, 'z', 'text'],
      ['BZMPOP', '', 4, 'z', 'text'],
      ['BZMPOP', '', '', 'z', 'text'],
      ['BZMPOP', '1e300', 1, 'z', 'MIN'],
      ['BZPOPMIN', 'z', '1e300'],
      ['ZUNION', 1, 'text'],
      ['ZUNION', 'x', 'text'],
      ['ZUNION', 0, 'z'],
      ['ZINTERCARD', 0, 'z'],
      ['ZINTERCARD', 1, 'z', 'LIMIT', 'x'],
      ['ZINTERCARD', 1, 'z', 'LIMIT', -1],
      ['ZINTERCARD', 1, 'z', 'WEIGHTS', 1],
      ['ZUNIONSTORE', 'y', 0, 'z'],
      ['ZUNIONSTORE', 'y', 1, 'z', 'WITHSCORES'],
      ['ZUNIONSTORE', 'y', 1, 'z', 'WEIGHTS', 'x'],
      ['ZUNIONSTORE', 'y', 1, 'z', 'WEIGHTS'],
      ['ZDIFF', 1, 'z', 'WEIGHTS', 1],
      ['ZRANDMEMBER', 'z', 1, 'x'],
      ['ZRANDMEMBER', 'z', 1, 'WITHSCORES', 'x'],
      ['ZRANDMEMBER', 'z', '9223372036854775807', 'WITHSCORES'],
      ['ZSCAN', 'z', 'x'],
      ['ZSCAN', 'z', 0, 'COUNT', 0],
      ['ZSCAN', 'absent', 0, 'x'],
      ['ZSCAN', 'text', 0, 'x'],
      ['ZSCAN', 'z', 0],
      ['ZRANDMEMBER', 'text'],
      ['ZRANDMEMBER', 'absent'],
      ['ZRANDMEMBER', 'absent', 2],
      ['ZMSCORE', 'text', 'a'],
      ['ZMSCORE', 'absent', 'a', 'b'],
    ] as Argument[][]) {
      await pair.same(...command)
    }
    for (const name of [
      'ZCARD',
      'ZSCORE',
      'ZRANK',
      'ZREVRANK',
      'ZREM',
      'ZCOUNT',
      'ZLEXCOUNT',
      'ZRANGE',
      'ZREMRANGEBYSCORE',
      'ZREMRANGEBYLEX',
      'ZINCRBY',
    ]) {
      const lex = ['-', '+']
      const rest = {
        ZCARD: [],
        ZCOUNT: [0, 1],
        ZLEXCOUNT: lex,
        ZRANGE: [0, 1],
        ZREMRANGEBYSCORE: [0, 1],
        ZREMRANGEBYLEX: lex,
        ZINCRBY: [1, 'm'],
      }[name] ?? ['m']
      await pair.same(name, 'text', ...rest)
      if (name !== 'ZINCRBY') await pair.same(name, 'absent', ...rest)
    }
  })

  it('are restored by a stock server from our payloads', async () => {
    await pair.begin(2, 'dump')
    const random = new SeededRandom(9)
    for (const [key, count] of [
      ['z', 3],
      ['y', 100],
      ['x', 3000],
    ] as const) {
      await pair.same(
        'ZADD',
        key,
        ...Array.from({ length: count }, (_, i) => [random.int(0, 1000) / 8, `m${i}`]).flat(),
      )
      const theirs = await pair.client.callBinary('DUMP', key)
      const [payload] = readAllReplies(pair.runner.run('DUMP', key), true)
      // 'y' is compressed, and two compressors need not agree.
      if (key !== 'y') expect((payload as Buffer).toString('hex'), key).toBe((theirs as Buffer).toString('hex'))
      await pair.client.call('DEL', key)
      expect(await pair.client.call('RESTORE', key, 0, payload as Buffer)).toBe('OK')
    }
    await pair.check(KEYS)
  })

  it.each([2, 3] as const)('are walked and drawn from, RESP%i', async (resp) => {
    await pair.begin(resp, 'walks')
    const { runner } = pair
    const all = Array.from({ length: 3000 }, (_, i) => `m${i}`)
    runner.run('ZADD', 'z', ...all.flatMap((name, i) => [i / 4, name]))
    for (const count of [7, 100]) {
      const seen = new Set<string>()
      let cursor = '0'
      do {
        const [reply] = readAllReplies(runner.run('ZSCAN', 'z', cursor, 'COUNT', count))
        const [next, items] = reply as [string, string[]]
        for (let i = 0; i < items.length; i += 2) {
          expect(Number(items[i + 1])).toBe(Number(items[i]!.slice(1)) / 4)
          seen.add(items[i]!)
        }
        cursor = next
      } while (cursor !== '0')
      expect(seen.size).toBe(3000)
    }
    for (const count of [5, 1500, 3000, 5000]) {
      const [reply] = readAllReplies(runner.run('ZRANDMEMBER', 'z', count))
      expect(new Set(reply as string[]).size).toBe(Math.min(count, 3000))
    }
    const [repeated] = readAllReplies(runner.run('ZRANDMEMBER', 'z', -4000, 'WITHSCORES'))
    expect(((repeated as Reply[]).flat() as string[]).length).toBe(8000)
    await pair.same('ZADD', 'y', 1.5, 'a')
    await pair.same('ZRANDMEMBER', 'y')
    await pair.same('ZRANDMEMBER', 'y', -3, 'WITHSCORES')
    await pair.same('ZRANDMEMBER', 'y', 3, 'WITHSCORES')
    await pair.same('ZSCAN', 'y', 0)
    await pair.same('ZPOPMIN', 'y', 2)
  })

  it('of many members do what a sorted array does', () => {
    const random = new SeededRandom(4)
    const runner = new CommandRunner(
      dataCommandFamilies({ libraries: new LibraryStore(), memory: () => expect.unreachable() }),
    )
    const model = new Map<string, number>()
    for (let i = 0; i < 60_000; i++) {
      const name = `member:${random.int(0, 20_000)}`
      if (random.chance(0.7)) {
        const value = random.int(0, 5000) / 4
        assert.equal(runner.text('ZADD', 'z', value, name), model.has(name) ? ':0\r\n' : ':1\r\n')
        model.set(name, value)
      } else assert.equal(runner.text('ZREM', 'z', name), model.delete(name) ? ':1\r\n' : ':0\r\n')
    }
    const sorted = [...model].toSorted(([a, x], [b, y]) => x - y || Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const [all] = readAllReplies(runner.run('ZRANGE', 'z', 0, -1))
    expect(all).toEqual(sorted.map(([name]) => name))
    for (let i = 0; i < sorted.length; i += 37) expect(runner.text('ZRANK', 'z', sorted[i]![0])).toBe(`:${i}\r\n`)
    checkKeyspace(runner.keyspace)
    runner.run('COPY', 'z', 'copy')
    runner.run('RENAME', 'copy', 'renamed')
    checkKeyspace(runner.keyspace)
    expect(runner.text('DEL', 'z')).toBe(':1\r\n')
    expect(runner.keyspace.lazyFreePending).toBeGreaterThan(0)
    while (runner.keyspace.freeSlice(1));
    expect(readAllReplies(runner.run('ZRANGE', 'renamed', 0, -1))[0]).toEqual(all)
    checkKeyspace(runner.keyspace)
    expect(runner.text('ZREMRANGEBYRANK', 'renamed', 0, -1)).toBe(`:${model.size}\r\n`)
    while (runner.keyspace.freeSlice(100));
    expect(checkKeyspace(runner.keyspace).keys).toBe(0)
  })
})

it('ZRANK and ZREVRANK … WITHSCORE, as in Redis 7.2', () => {
  const runner = new CommandRunner(dataCommandFamilies({ libraries: new LibraryStore(), memory: () => ({}) as never }))
  for (const members of [3, 2000]) {
    for (let i = 0; i < members; i++) runner.run('ZADD', 'z', i / 2, `m${i}`)
    expect(runner.text('ZRANK', 'z', 'm1', 'WITHSCORE')).toBe('*2\r\n:1\r\n$3\r\n0.5\r\n')
    expect(runner.text('ZREVRANK', 'z', 'm1', 'withscore')).toBe(`*2\r\n:${members - 2}\r\n$3\r\n0.5\r\n`)
    expect(runner.text('ZRANK', 'z', 'none', 'WITHSCORE')).toBe('*-1\r\n')
    expect(runner.text('ZRANK', 'none', 'm1', 'WITHSCORE')).toBe('*-1\r\n')
    expect(runner.text('ZRANK', 'z', 'm1', 'x')).toBe("-ERR wrong number of arguments for 'zrank' command\r\n")
  }
  runner.resp = 3
  expect(runner.text('ZRANK', 'z', 'm1', 'WITHSCORE')).toBe('*2\r\n:1\r\n,0.5\r\n')
  expect(runner.text('ZRANK', 'z', 'none', 'WITHSCORE')).toBe('_\r\n')
})
