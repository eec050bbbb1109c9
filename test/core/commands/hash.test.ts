/** Hashes beside a stock server: replies, encodings, digests, payloads; and a table of many fields against a Map. */
import { strict as assert } from 'node:assert'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import type { Argument } from '../../support/raw-client.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { useStockPair } from '../../support/stock-pair.ts'
import { dataCommandFamilies, LibraryStore } from '@understudy/core/internal'

const KEYS = ['h', 'i', 'j', 'text', 'absent']

describe('hashes', () => {
  const pair = useStockPair()

  function field(random: SeededRandom): Argument {
    const kind = random.float()
    if (kind < 0.6) return `field:${random.int(0, 40)}`
    if (kind < 0.85) return random.int(-200, 70_000)
    if (kind < 0.9) return ''
    if (kind < 0.96) return random.bytes(random.int(1, 64))
    return 'f'.repeat(random.int(60, 9000))
  }

  function value(random: SeededRandom): Argument {
    const kind = random.float()
    if (kind < 0.4) return random.int(-100_000, 100_000)
    if (kind < 0.5) return random.pick(['9223372036854775807', '-9223372036854775808', '1.5', '007', '', 'inf', '1e3'])
    if (kind < 0.9) return random.text(random.int(0, 64))
    if (kind < 0.97) return random.text(random.int(64, 800))
    return random.text(random.int(800, 30_000))
  }

  function pairs(random: SeededRandom, count: number): Argument[] {
    return Array.from({ length: count }, () => [field(random), value(random)]).flat()
  }

  async function step(random: SeededRandom): Promise<void> {
    const key = random.chance(0.95) ? random.pick(['h', 'i', 'j']) : random.pick(['text', 'absent'])
    switch (random.int(0, 21)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        await pair.same('HSET', key, field(random), value(random))
        return
      case 5:
        await pair.same(random.pick(['HSET', 'HMSET']), key, ...pairs(random, random.int(1, 30)))
        return
      case 6:
        await pair.same('HSETNX', key, field(random), value(random))
        return
      case 7:
        await pair.same('HINCRBY', key, field(random), random.pick([1, -5, '9223372036854775807', 'x', '1.0', 70_000]))
        return
      case 8:
        await pair.same(
          'HINCRBYFLOAT',
          key,
          field(random),
          random.pick([1, '0.1', '-2.5e3', 'nan', 'inf', 'x', '1e400']),
        )
        return
      case 9:
      case 10:
        await pair.same('HDEL', key, ...Array.from({ length: random.int(1, 8) }, () => field(random)))
        return
      case 11:
        await pair.same(random.pick(['HGET', 'HEXISTS', 'HSTRLEN']), key, field(random))
        return
      case 12:
        await pair.same('HMGET', key, field(random), field(random), field(random))
        return
      case 13:
        await pair.sameElements(2, 'HGETALL', key)
        return
      case 14:
        await pair.sameElements(1, random.pick(['HKEYS', 'HVALS']), key)
        return
      case 15:
        await pair.same('HLEN', key)
        return
      case 16:
        await pair.same(random.pick(['RENAME', 'COPY']), key, random.pick(['i', 'j']))
        return
      case 17:
        await pair.same('COPY', key, random.pick(['i', 'j']), 'REPLACE')
        return
      case 18:
        await pair.same(
          ...random.pick([
            ['PERSIST', key],
            ['EXPIRE', key, 10_000],
            ['SET', 'text', 'x'],
          ] as Argument[][]),
        )
        return
      case 19: {
        // All at once, so that the order does not matter.
        await pair.sameElements(1, 'HRANDFIELD', key, 100_000)
        await pair.same('HRANDFIELD', key, random.pick(['x', 0, '-9223372036854775808']))
        return
      }
      case 20: {
        const theirs = (await pair.client.callBinary('DUMP', key)) as Buffer | null
        if (theirs !== null) await pair.same('RESTORE', random.pick(['i', 'j']), 0, theirs, 'REPLACE')
        return
      }
      default:
        await pair.same('OBJECT', 'ENCODING', key)
    }
  }

  it.each([1, 2, 3, 4, 5, 6])('answer as a stock server does, seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    await pair.begin(random.pick([2, 3] as const), `seed ${seed}`)
    for (let i = 0; i < 500; i++) await step(random)
    await pair.check(KEYS)
  })

  it('change their encoding when a stock server does', async () => {
    await pair.begin(2, 'encodings')
    for (let i = 0; i < 520; i++) {
      await pair.same('HSET', 'h', `f${i}`, i)
      if (i > 500) await pair.same('OBJECT', 'ENCODING', 'h')
    }
    for (let i = 0; i < 515; i++) await pair.same('HDEL', 'h', `f${i}`)
    await pair.same('OBJECT', 'ENCODING', 'h')
    await pair.same('HSET', 'i', 'f', 'v'.repeat(64))
    await pair.same('OBJECT', 'ENCODING', 'i')
    await pair.same('HSET', 'i', 'f', 'v'.repeat(65))
    await pair.same('HSET', 'i', 'f', 'v')
    await pair.same('OBJECT', 'ENCODING', 'i')
    // More bytes than we hold packed, and still a listpack there.
    for (let i = 0; i < 400; i++) await pair.same('HSET', 'j', `field:${i}`, 'v'.repeat(50))
    await pair.same('OBJECT', 'ENCODING', 'j')
    await pair.same('HSET', 'j', 'field', 'v'.repeat(65))
    await pair.same('OBJECT', 'ENCODING', 'j')
    await pair.check(KEYS)
  })

  it('refuse what is wrong with the same words', async () => {
    await pair.begin(2, 'errors')
    await pair.same('SET', 'text', 'x')
    await pair.same('HSET', 'h', 'f', 'v')
    for (const command of [
      ['HSET', 'h', 'f'],
      ['HSET', 'h', 'f', 'v', 'g'],
      ['HMSET', 'h', 'f', 'v', 'g'],
      ['HINCRBY', 'h', 'f', '1'],
      ['HINCRBYFLOAT', 'h', 'f', '1'],
      ['HINCRBY', 'text', 'f', 'x'],
      ['HINCRBY', 'text', 'f', '1'],
      ['HINCRBYFLOAT', 'text', 'f', 'x'],
      ['HRANDFIELD', 'h', '1', 'x'],
      ['HRANDFIELD', 'h', '1', 'WITHVALUES', 'x'],
      ['HRANDFIELD', 'h', '9223372036854775807', 'WITHVALUES'],
      ['HSCAN', 'h', 'x'],
      ['HSCAN', 'h', '0', 'COUNT', '0'],
      ['HSCAN', 'h', '0', 'COUNT', 'x'],
      ['HSCAN', 'h', '0', 'MATCH'],
      ['HSCAN', 'absent', '0', 'x'],
      ['HSCAN', 'text', '0', 'x'],
    ] as Argument[][]) {
      await pair.same(...command)
    }
    for (const name of [
      'HSET',
      'HSETNX',
      'HGET',
      'HMGET',
      'HGETALL',
      'HKEYS',
      'HVALS',
      'HLEN',
      'HSTRLEN',
      'HEXISTS',
      'HDEL',
    ]) {
      const rest = { HGETALL: [], HKEYS: [], HVALS: [], HLEN: [], HSET: ['f', 'v'], HSETNX: ['f', 'v'] }[name] ?? ['f']
      await pair.same(name, 'text', ...rest)
      if (!['HSET', 'HSETNX'].includes(name)) await pair.same(name, 'absent', ...rest)
    }
  })

  it('are restored by a stock server from our payloads', async () => {
    await pair.begin(2, 'dump')
    const random = new SeededRandom(9)
    for (const [key, count] of [
      ['h', 3],
      ['i', 400],
      ['j', 3000],
    ] as const) {
      await pair.same('HSET', key, ...Array.from({ length: count }, (_, i) => [`f${i}`, random.text(20)]).flat())
      const [payload] = readAllReplies(pair.runner.run('DUMP', key), true)
      await pair.client.call('DEL', key)
      expect(await pair.client.call('RESTORE', key, 0, payload as Buffer)).toBe('OK')
    }
    await pair.check(KEYS)
  })

  it.each([2, 3] as const)('are walked and drawn from, RESP%i', async (resp) => {
    await pair.begin(resp, 'walks')
    const { runner } = pair
    const all = Array.from({ length: 3000 }, (_, i) => `f${i}`)
    runner.run('HSET', 'h', ...all.flatMap((name) => [name, `v${name}`]))
    for (const count of [7, 100]) {
      const seen = new Set<string>()
      let cursor = '0'
      do {
        const [reply] = readAllReplies(runner.run('HSCAN', 'h', cursor, 'COUNT', count))
        const [next, items] = reply as [string, string[]]
        for (let i = 0; i < items.length; i += 2) {
          expect(items[i + 1]).toBe(`v${items[i]}`)
          seen.add(items[i]!)
        }
        expect(items.length / 2).toBeLessThanOrEqual(count * 2)
        cursor = next
      } while (cursor !== '0')
      expect(seen.size).toBe(3000)
    }
    const [matched] = readAllReplies(runner.run('HSCAN', 'h', '0', 'MATCH', 'f1?', 'COUNT', 100_000))
    expect((matched as Reply[][])[1]!.length).toBe(20)
    for (const count of [5, 1500, 3000, 5000]) {
      const [reply] = readAllReplies(runner.run('HRANDFIELD', 'h', count))
      expect(new Set(reply as string[]).size).toBe(Math.min(count, 3000))
    }
    const [repeated] = readAllReplies(runner.run('HRANDFIELD', 'h', -4000, 'WITHVALUES'))
    const flat = (repeated as Reply[]).flat() as string[]
    expect(flat.length).toBe(8000)
    for (let i = 0; i < flat.length; i += 2) expect(flat[i + 1]).toBe(`v${flat[i]}`)
    // Small ones, in both encodings.
    await pair.same('HSET', 'i', 'a', 1)
    await pair.same('HRANDFIELD', 'i')
    await pair.same('HRANDFIELD', 'i', -3)
    await pair.same('HRANDFIELD', 'i', 3, 'WITHVALUES')
    await pair.same('HRANDFIELD', 'i', -2, 'WITHVALUES')
    await pair.same('HSCAN', 'i', 0)
    await pair.same('HGETALL', 'i')
  })

  it('of many fields do what a Map does', () => {
    const random = new SeededRandom(4)
    const runner = new CommandRunner(
      dataCommandFamilies({ libraries: new LibraryStore(), memory: () => expect.unreachable() }),
    )
    const model = new Map<string, string>()
    for (let i = 0; i < 60_000; i++) {
      const name = `field:${random.int(0, 20_000)}`
      if (random.chance(0.7)) {
        const text = random.text(random.int(0, 40))
        assert.equal(runner.text('HSET', 'h', name, text), model.has(name) ? ':0\r\n' : ':1\r\n')
        model.set(name, text)
      } else assert.equal(runner.text('HDEL', 'h', name), model.delete(name) ? ':1\r\n' : ':0\r\n')
    }
    assert.equal(runner.text('HLEN', 'h'), `:${model.size}\r\n`)
    for (const [name, text] of model) assert.equal(runner.text('HGET', 'h', name), `$${text.length}\r\n${text}\r\n`)
    const used = runner.keyspace.usedBytes
    const [footprint] = readAllReplies(Buffer.from(`:${footprintOf(runner)}\r\n`))
    expect(Math.abs(Number(footprint) - used) / used).toBeLessThan(0.1)
    checkKeyspace(runner.keyspace)
    runner.run('COPY', 'h', 'copy')
    runner.run('RENAME', 'copy', 'renamed')
    checkKeyspace(runner.keyspace)
    expect(runner.text('DEL', 'h')).toBe(':1\r\n')
    expect(runner.keyspace.lazyFreePending).toBe(1)
    while (runner.keyspace.freeSlice(1));
    expect(runner.text('HLEN', 'renamed')).toBe(`:${model.size}\r\n`)
    checkKeyspace(runner.keyspace)
    // The last field takes the key along.
    for (const name of model.keys()) runner.run('HDEL', 'renamed', name)
    expect(runner.text('EXISTS', 'renamed')).toBe(':0\r\n')
    while (runner.keyspace.freeSlice(100));
    expect(checkKeyspace(runner.keyspace).keys).toBe(0)
  })
})

it('HSCAN … NOVALUES, as in Redis 7.4', () => {
  const runner = new CommandRunner(dataCommandFamilies({ libraries: new LibraryStore(), memory: () => ({}) as never }))
  for (const fields of [3, 3000]) {
    for (let i = 0; i < fields; i++) runner.run('HSET', 'h', `f${i}`, `v${i}`)
    const [reply] = readAllReplies(runner.run('HSCAN', 'h', 0, 'NOVALUES', 'COUNT', 100_000, 'MATCH', 'f*'))
    expect((reply as Reply[])[1]).toHaveLength(fields)
    expect(new Set((reply as Reply[])[1] as string[])).toEqual(
      new Set(Array.from({ length: fields }, (_, i) => `f${i}`)),
    )
  }
  runner.run('SADD', 's', 'x')
  runner.run('ZADD', 'z', 1, 'x')
  for (const [name, key] of [
    ['SSCAN', 's'],
    ['ZSCAN', 'z'],
  ] as const) {
    expect(runner.text(name, key, 0, 'NOVALUES')).toBe('-ERR syntax error\r\n')
  }
})

function footprintOf(runner: CommandRunner): number {
  runner.keyspace.lookup(0, Buffer.from('h'), 0, 1)
  return runner.keyspace.footprint()
}
