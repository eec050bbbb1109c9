import { globMatches } from '@understudy/core/internal'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CpuTime } from '../support/cpu-time.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { TestServer } from '../support/test-server.ts'

function matches(pattern: string, text: string, nocase = false): boolean {
  // Other bytes stand on both sides, so that a step out of the range would show.
  const p = Buffer.from(`*${pattern}*`, 'latin1')
  const t = Buffer.from(`a${text}a`, 'latin1')
  return globMatches(p, 1, p.length - 1, t, 1, t.length - 1, nocase)
}

describe('globMatches', () => {
  it.each([
    ['*', 'anything', true],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeello', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hbllo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hallo', true],
    ['h\\*llo', 'h*llo', true],
    ['h\\*llo', 'heello', false],
    ['a\\', 'a\\', true],
    ['[abc', 'b', true],
    ['*a*a*a', 'aaaa', true],
    ['a*b*c', 'a-b-b-d', false],
    ['', '', true],
    ['*', '', false],
    ['a*', 'a', true],
  ])('%s against %s is %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected)
  })

  it('folds case on request only', () => {
    expect(matches('Repl-[A-C]*', 'repl-backlog', true)).toBe(true)
    expect(matches('Repl-[A-C]*', 'repl-backlog')).toBe(false)
  })

  it('stays polynomial on patterns made to blow up', () => {
    const cpu = new CpuTime()
    expect(matches(`${'a*'.repeat(200)}b`, 'a'.repeat(20_000))).toBe(false)
    expect(cpu.ms).toBeLessThan(3000)
  })
})

describe('globMatches agrees with KEYS of a redis-server', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startRedisServer()
  })
  afterAll(() => server.stop())

  it('for seeded random patterns over an alphabet of odd bytes', async () => {
    const random = new SeededRandom(7)
    const alphabet = ['a', 'b', 'c', 'A', '-', ']', '[', '^', '\\', '*', '?', '\xff', '\x00']
    const word = (most: number, letters: readonly string[]): string =>
      Array.from({ length: random.int(1, most) }, () => random.pick(letters)).join('')
    const texts = new Set<string>([''])
    while (texts.size < 300) texts.add(word(5, alphabet))
    for (const text of texts) await server.call('SET', Buffer.from(text, 'latin1'), '1')
    const raw = await server.raw()
    const patterns = new Set<string>([
      '[',
      '[^',
      '[]',
      '[^]',
      '[a-',
      '[a-]',
      '[\\',
      '\\',
      '**',
      '*[',
      '[^a-c]?',
      '[]a]',
    ])
    while (patterns.size < 1500) patterns.add(word(7, alphabet))
    // Alone it is no pattern to KEYS, which shows an empty key then.
    patterns.delete('*')
    for (const pattern of patterns) {
      // Ranges over bytes above 0x7f depend on whether C's char is signed on Redis' machine; here it never is.
      if (/\xff-|-\xff|-\\\xff/.test(pattern)) continue
      const reply = (await raw.callBinary('KEYS', Buffer.from(pattern, 'latin1'))) as Buffer[]
      const theirs = reply.map((key) => key.toString('latin1')).sort()
      const ours = [...texts].filter((text) => matches(pattern, text)).sort()
      expect({ pattern, keys: ours }).toEqual({ pattern, keys: theirs })
    }
  })
})
