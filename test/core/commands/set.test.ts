/** Sets beside a stock server: replies, encodings, digests, payloads; and a table of many members against a Set. */
import { strict as assert } from 'node:assert'
import { dataCommandFamilies, LibraryStore } from '@understudy/core/internal'
import { describe, expect } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { withBlocks } from '../../support/few-blocks.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import type { Argument } from '../../support/raw-client.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { useStockPair } from '../../support/stock-pair.ts'
import { itOfReference as it } from '../../support/reference.ts'

const SETS = ['s', 't', 'u', 'v']
const KEYS = [...SETS, 'text', 'absent']

/** A reply that is an array or a RESP3 set. */
function list(reply: Reply): string[] {
  return reply instanceof Set ? ([...reply] as string[]) : (reply as string[])
}

describe('sets', () => {
  const pair = useStockPair()

  function member(random: SeededRandom, integers: boolean): Argument {
    const kind = integers ? random.float() / 2 : random.float()
    if (kind < 0.35) return random.int(-20, 60)
    if (kind < 0.45)
      return random.pick([32_767, 32_768, -32_769, '2147483648', '-9223372036854775808', '9223372036854775807'])
    if (kind < 0.5) return random.int(-100_000, 100_000)
    if (kind < 0.9) return `m${random.int(0, 60)}`
    if (kind < 0.94) return random.pick(['', '007', '9223372036854775808', '-0'])
    return 'x'.repeat(random.int(50, kind < 0.99 ? 500 : 20_000))
  }

  function members(random: SeededRandom, most: number): Argument[] {
    const integers = random.chance(0.5)
    return Array.from({ length: random.int(1, most) }, () => member(random, integers))
  }

  async function step(random: SeededRandom): Promise<void> {
    const any = (): string => (random.chance(0.93) ? random.pick(SETS) : random.pick(['text', 'absent']))
    const key = any()
    switch (random.int(0, 17)) {
      case 0:
      case 1:
      case 2:
        await pair.same('SADD', key, ...members(random, 4))
        return
      case 3:
        await pair.same('SADD', key, ...members(random, 60))
        return
      case 4:
      case 5:
        await pair.same('SREM', key, ...members(random, 8))
        return
      case 6:
        await pair.same('SMOVE', key, any(), member(random, random.chance(0.5)))
        return
      case 7:
        await pair.same('SISMEMBER', key, member(random, false))
        await pair.same('SMISMEMBER', key, ...members(random, 5))
        return
      case 8:
        await pair.same('SCARD', key)
        return
      case 9:
        await pair.sameElements(1, 'SMEMBERS', key)
        return
      case 10:
        await pair.sameElements(1, 'SRANDMEMBER', key, 100_000)
        return
      case 11:
        await pair.sameElements(
          1,
          random.pick(['SINTER', 'SUNION', 'SDIFF']),
          key,
          any(),
          ...(random.chance(0.3) ? [any()] : []),
        )
        return
      case 12:
      case 13: {
        const name = random.pick(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE'])
        await pair.same(name, random.pick(SETS), key, any(), ...(random.chance(0.3) ? [any()] : []))
        return
      }
      case 14:
        await pair.same('SINTERCARD', 2, key, any(), 'LIMIT', random.int(0, 10))
        return
      case 15:
        if (random.chance(0.3)) await pair.sameElements(1, 'SPOP', key, 100_000)
        await pair.same(
          ...random.pick([
            ['PERSIST', key],
            ['EXPIRE', key, 10_000],
            ['SET', 'text', 'x'],
          ] as Argument[][]),
        )
        return
      case 16: {
        const theirs = (await pair.client.callBinary('DUMP', key)) as Buffer | null
        if (theirs !== null) await pair.same('RESTORE', random.pick(SETS), 0, theirs, 'REPLACE')
        return
      }
      default:
        await pair.same('COPY', key, random.pick(SETS), 'REPLACE')
        await pair.same('OBJECT', 'ENCODING', key)
    }
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('answer as a stock server does, seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    await pair.begin(random.pick([2, 3] as const), `seed ${seed}`)
    for (let i = 0; i < 500; i++) await step(random)
    await pair.check(KEYS)
  })

  it('change their encoding when a stock server does', async () => {
    await pair.begin(2, 'encodings')
    for (let i = 0; i < 520; i++) {
      await pair.same('SADD', 's', i * 7)
      if (i > 505) await pair.same('OBJECT', 'ENCODING', 's')
    }
    await pair.same('SADD', 't', ...Array.from({ length: 512 }, (_, i) => String(BigInt(i) * 1_000_000_000_000n)))
    await pair.same('OBJECT', 'ENCODING', 't')
    await pair.same('SADD', 't', 'x')
    await pair.same('SREM', 't', 'x')
    await pair.same('OBJECT', 'ENCODING', 't')
    await pair.check(KEYS)
    // Thresholds above what we hold packed.
    await pair.same('DEL', 's', 't')
    await pair.client.call('CONFIG', 'SET', 'set-max-intset-entries', 5000)
    pair.runner.settings.encodings.setMaxIntsetEntries = 5000
    for (let i = 0; i < 5010; i += 10) {
      await pair.same('SADD', 's', ...Array.from({ length: 10 }, (_, j) => 5_000_000_000 + i + j))
      if (i > 4900 || i % 500 === 0) await pair.same('OBJECT', 'ENCODING', 's')
      if (i === 3000) {
        await pair.same('SUNIONSTORE', 't', 's')
        await pair.same('SADD', 't', 'x')
        await pair.same('SUNIONSTORE', 'u', 's', 't')
        await pair.same('COPY', 's', 'v')
        await pair.check(KEYS)
      }
    }
    await pair.check(KEYS)
    await pair.client.call('CONFIG', 'SET', 'set-max-intset-entries', 512)
    pair.runner.settings.encodings.setMaxIntsetEntries = 512
  })

  it('refuse what is wrong with the same words', async () => {
    await pair.begin(2, 'errors')
    await pair.same('SET', 'text', 'x')
    await pair.same('SADD', 's', 1, 2, 3)
    for (const command of [
      'SPOP s -1',
      'SPOP s x',
      'SPOP absent -1',
      'SPOP absent 1',
      'SPOP absent',
      'SPOP text',
      'SPOP text 1',
      'SPOP s 0',
      'SPOP s 1 2',
      'SRANDMEMBER s x',
      'SRANDMEMBER s -9223372036854775808',
      'SRANDMEMBER s 1 2',
      'SRANDMEMBER s 0',
      'SRANDMEMBER absent',
      'SRANDMEMBER absent 3',
      'SRANDMEMBER text',
      'SINTERCARD 0 s',
      'SINTERCARD x s',
      'SINTERCARD 2 s',
      'SINTERCARD 1 s LIMIT',
      'SINTERCARD 1 s LIMIT -1',
      'SINTERCARD 1 s LIMIT x',
      'SINTERCARD 1 s x 1',
      'SINTERCARD 2 s text',
      'SINTERCARD 2 absent text',
      'SINTERCARD 2 absent s',
      'SSCAN s x',
      'SSCAN s 0 COUNT',
      'SSCAN text 0',
      'SSCAN absent 0 x',
      'SINTER s text',
      'SINTER absent text',
      'SUNION absent text',
      'SDIFF s absent text',
      'SINTERSTORE text absent s',
      'EXISTS text',
      'SET text x',
      'SUNIONSTORE text s',
      'TYPE text',
      'SET text x',
      'SMOVE s text 1',
      'SMOVE text s 1',
      'SMOVE absent text 1',
      'SMOVE s s 1',
      'SMOVE s s 9',
      'SMOVE s absent 9',
      'SADD text x',
      'SREM text x',
      'SREM absent x',
      'SISMEMBER text x',
      'SMISMEMBER text x',
      'SMISMEMBER absent x y',
      'SCARD text',
      'SMEMBERS text',
    ]) {
      await pair.same(...command.split(' '))
    }
    await pair.check(KEYS)
  })

  it('are restored by a stock server from our payloads', async () => {
    await pair.begin(2, 'dump')
    const random = new SeededRandom(9)
    for (const [key, count] of [
      ['s', 3],
      ['t', 40],
      ['u', 3000],
    ] as const) {
      await pair.same('SADD', key, ...Array.from({ length: count }, (_, i) => (count === 3 ? i : random.text(20))))
      const [payload] = readAllReplies(pair.runner.run('DUMP', key), true)
      await pair.client.call('DEL', key)
      expect(await pair.client.call('RESTORE', key, 0, payload as Buffer)).toBe('OK')
    }
    await pair.check(KEYS)
  })

  it.each([2, 3] as const)('are walked, drawn from and popped, RESP%i', async (resp) => {
    await pair.begin(resp, 'walks')
    const { runner } = pair
    for (const [key, size] of [
      ['s', 3000],
      ['t', 50],
    ] as const) {
      runner.run('SADD', key, ...Array.from({ length: size }, (_, i) => `m${i}`))
      const seen = new Set<string>()
      for (let cursor = ''; cursor !== '0';) {
        const [reply] = readAllReplies(runner.run('SSCAN', key, cursor, 'COUNT', 50))
        const [next, items] = reply as [string, string[]]
        for (const item of items) seen.add(item)
        cursor = next
      }
      expect(seen.size).toBe(size)
      for (const count of [5, size / 2, size, size + 10]) {
        const [reply] = readAllReplies(runner.run('SRANDMEMBER', key, count))
        expect(new Set(list(reply!)).size).toBe(Math.min(count, size))
      }
      expect(list(readAllReplies(runner.run('SRANDMEMBER', key, -size * 2))[0]!).length).toBe(size * 2)
      const left = new Set(seen)
      while (left.size > 0) {
        const popped =
          left.size % 3 === 0
            ? [String(readAllReplies(runner.run('SPOP', key))[0])]
            : list(readAllReplies(runner.run('SPOP', key, Math.ceil(left.size / 2)))[0]!)
        for (const one of popped) expect(left.delete(one), one).toBe(true)
        expect(runner.text('SCARD', key)).toBe(`:${left.size}\r\n`)
      }
      expect(runner.text('EXISTS', key)).toBe(':0\r\n')
    }
    checkKeyspace(runner.keyspace)
  })

  it('draw every member as often as the others', () => {
    const { runner } = pair
    for (const size of [7, 300, 5000]) {
      runner.run('DEL', 'd')
      runner.run('SADD', 'd', ...Array.from({ length: size }, (_, i) => `member ${i}`))
      const counts = new Map<string, number>()
      for (const one of list(readAllReplies(runner.run('SRANDMEMBER', 'd', -100 * size))[0]!)) {
        counts.set(one, (counts.get(one) ?? 0) + 1)
      }
      // Chi-squared with size - 1 degrees of freedom: within six standard deviations.
      let chi = 0
      for (let i = 0; i < size; i++) chi += ((counts.get(`member ${i}`) ?? 0) - 100) ** 2 / 100
      expect(Math.abs(chi - (size - 1)) / Math.sqrt(2 * (size - 1)), `${size} members`).toBeLessThan(6)
    }
  })

  it('leave nothing behind when memory ends before they are at their key', async () => {
    // As integers of eight bytes they are too long to be packed, as items of a listpack they are not.
    const wide = ['9223372036854775807', ...Array.from({ length: 1300 }, (_, i) => i + 128)]
    const words = Array.from({ length: 1000 }, (_, i) => `member:${i}`)
    for (const members of [wide, words]) {
      let hasEnded = true
      for (let blocks = 0; hasEnded; blocks += blocks < 20 ? 1 : 97) {
        const runner = new CommandRunner(dataCommandFamilies({ libraries: new LibraryStore(), memory: assert.fail }))
        runner.settings.encodings.setMaxIntsetEntries = 5000
        hasEnded = false
        await withBlocks(runner.keyspace, blocks, () => runner.run('SADD', 's', ...members)).catch(
          () => (hasEnded = true),
        )
        expect(runner.text('SCARD', 's')).toBe(hasEnded ? ':0\r\n' : `:${members.length}\r\n`)
        while (runner.keyspace.freeSlice(1000));
        checkKeyspace(runner.keyspace)
      }
    }
  })

  it('of many members do what a Set does', () => {
    const random = new SeededRandom(4)
    const runner = new CommandRunner(
      dataCommandFamilies({ libraries: new LibraryStore(), memory: () => expect.unreachable() }),
    )
    const model = new Set<string>()
    for (let i = 0; i < 40_000; i++) {
      const name = random.chance(0.5) ? `member ${random.int(0, 9000)}` : String(random.int(0, 9000))
      if (random.chance(0.7)) {
        assert.equal(runner.text('SADD', 's', name), model.has(name) ? ':0\r\n' : ':1\r\n')
        model.add(name)
      } else assert.equal(runner.text('SREM', 's', name), model.delete(name) ? ':1\r\n' : ':0\r\n')
    }
    assert.equal(runner.text('SCARD', 's'), `:${model.size}\r\n`)
    for (const name of model) assert.equal(runner.text('SISMEMBER', 's', name), ':1\r\n')
    expect(new Set(list(readAllReplies(runner.run('SMEMBERS', 's'))[0]!))).toEqual(model)
    checkKeyspace(runner.keyspace)
    runner.run('FLUSHALL')
    expect(checkKeyspace(runner.keyspace).keys).toBe(0)
  })
})
