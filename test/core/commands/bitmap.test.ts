import { bitmapCommands, stringCommands } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const TABLES = [stringCommands, bitmapCommands]
const LENGTHS = [0, 1, 3, 40, 16_384, 65_536, 65_537, 150_001]

const OPERATIONS: Readonly<Record<string, (bits: number[]) => number>> = {
  AND: (bits) => bits.reduce((all, bit) => all & bit),
  OR: (bits) => bits.reduce((all, bit) => all | bit),
  XOR: (bits) => bits.reduce((all, bit) => all ^ bit),
  DIFF: ([first, ...others]) => first! & ~others.reduce((all, bit) => all | bit) & 0xff,
  DIFF1: ([first, ...others]) => ~first! & others.reduce((all, bit) => all | bit) & 0xff,
  ANDOR: ([first, ...others]) => first! & others.reduce((all, bit) => all | bit),
  ONE: (bytes) => {
    let one = 0
    for (let bit = 1; bit < 256; bit <<= 1) if (bytes.filter((byte) => (byte & bit) !== 0).length === 1) one |= bit
    return one
  },
}

describe('BITOP', () => {
  it('combines strings of any length, also into one of them', () => {
    const random = new SeededRandom(8)
    for (let round = 0; round < 40; round++) {
      const here = new CommandRunner(TABLES, { fromPrimary: true })
      const names = ['a', 'b', 'c'].slice(0, random.int(2, 3))
      const values = names.map(() => {
        const length = random.pick(LENGTHS)
        return random.chance(0.3) ? Buffer.alloc(length, random.pick([0, 255])) : random.bytes(length)
      })
      for (const [index, name] of names.entries()) here.run('SET', name, values[index]!, 'PX', '100000')
      const operation = random.pick(Object.keys(OPERATIONS))
      const target = random.pick(['t', 'a', 'c'])
      const length = Math.max(...values.map((value) => value.length))
      expect(here.text('BITOP', operation, target, ...names)).toBe(`:${length}\r\n`)
      const expected = Buffer.alloc(length)
      for (let i = 0; i < length; i++) expected[i] = OPERATIONS[operation]!(values.map((value) => value[i] ?? 0))
      const result = here.peek(target)
      if (length === 0) expect(result, `${operation} of nothing`).toBeUndefined()
      else {
        expect(result?.value.equals(expected), `round ${round}: ${operation} into ${target}`).toBe(true)
        expect(result).toMatchObject({ expireAtMs: -1, raw: true })
      }
    }
  })

  it('inverts', () => {
    const here = new CommandRunner(TABLES)
    const value = new SeededRandom(1).bytes(100_000)
    here.run('SET', 'a', value)
    here.run('BITOP', 'NOT', 'a', 'a')
    expect(here.peek('a')?.value.equals(value.map((byte) => ~byte & 0xff))).toBe(true)
  })

  it('knows the operations of Redis 8.2 on the stream only', () => {
    expect(new CommandRunner(TABLES).text('BITOP', 'DIFF', 't', 'a', 'b')).toBe('-ERR syntax error\r\n')
    const here = new CommandRunner(TABLES, { fromPrimary: true })
    expect(here.text('BITOP', 'DIFF', 't', 'a')).toMatch(/^-ERR BITOP DIFF.* at least two source keys/)
  })
})

describe('bitmaps', () => {
  it('of half a gigabyte take the memory of what is set', () => {
    const here = new CommandRunner(TABLES)
    expect(here.text('SETBIT', 'k', 2 ** 32 - 1, '1')).toBe(':0\r\n')
    expect(here.text('STRLEN', 'k')).toBe(`:${2 ** 29}\r\n`)
    expect(here.text('BITCOUNT', 'k')).toBe(':1\r\n')
    expect(here.text('BITPOS', 'k', '1')).toBe(`:${2 ** 32 - 1}\r\n`)
    expect(here.text('BITPOS', 'k', '0', '-1', '-1', 'BIT')).toBe(':-1\r\n')
    expect(here.text('SETBIT', 'k', 2 ** 32, '1')).toBe('-ERR bit offset is not an integer or out of range\r\n')
    expect(here.text('GETBIT', 'k', 2 ** 32 - 1)).toBe(':1\r\n')
    here.context.fromPrimary = true
    expect(here.text('SETBIT', 'k', 2 ** 32, '1')).toBe(':0\r\n')
    expect(here.text('BITFIELD', 'k', 'GET', 'u4', 2 ** 32 - 2)).toBe('*1\r\n:6\r\n')
    expect(here.text('SETBIT', 'k', '9223372036854775807', '1')).toMatch(/^-ERR bit offset/)
    expect(here.keyspace.usedBytes).toBeLessThan(2 ** 20)
  })
})
