import { parseBound, parseScore, writePackedScore, writeScore } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

function written(value: number): string {
  const bytes = Buffer.alloc(32)
  return bytes.toString('latin1', 0, writeScore(value, bytes, 0))
}

function read(text: string): number {
  const bytes = Buffer.from(`9${text}9`, 'latin1')
  return parseScore(bytes, 1, bytes.length - 1)
}

function bound(text: string): number {
  const bytes = Buffer.from(`9${text}9`, 'latin1')
  return parseBound(bytes, 1, bytes.length - 1)
}

function randomDouble(random: SeededRandom): number {
  const kind = random.float()
  if (kind < 0.2) return random.int(-1e9, 1e9) / 2 ** random.int(0, 40)
  if (kind < 0.4) return random.int(-1e9, 1e9) / 10 ** random.int(0, 9)
  if (kind < 0.6) return 1.7e9 + random.float() * 1e8
  const bits = new DataView(new ArrayBuffer(8))
  bits.setUint32(0, random.uint32())
  bits.setUint32(4, random.uint32())
  const value = bits.getFloat64(0)
  return Number.isNaN(value) ? 0 : value
}

describe('score text', () => {
  it('is written with 17 digits and read back exactly', () => {
    const random = new SeededRandom(1)
    for (let i = 0; i < 200_000; i++) {
      const value = randomDouble(random)
      const text = written(value)
      if (!Object.is(read(text), value)) expect.fail(`${value} is written ${text} and read ${read(text)}`)
    }
  })

  it('for a listpack is short where it can be, and read back exactly', () => {
    const packed = (value: number): string => {
      const bytes = Buffer.alloc(32)
      return bytes.toString('latin1', 0, writePackedScore(value, bytes, 0))
    }
    expect([0.1, -1234.56, 1e9 + 0.000001, 0.5, 17, -0].map(packed)).toEqual([
      '0.1',
      '-1234.56',
      '1000000000.000001',
      '0.5',
      '17',
      '-0',
    ])
    const random = new SeededRandom(3)
    for (let i = 0; i < 200_000; i++) {
      const value = randomDouble(random)
      if (!Object.is(read(packed(value)), value)) expect.fail(`${value} is written ${packed(value)}`)
    }
  })

  it('of up to 18 digits reads as Number() reads it', () => {
    const random = new SeededRandom(2)
    for (let i = 0; i < 200_000; i++) {
      const digits = random.text(random.int(1, 18), '0123456789')
      const point = random.int(0, digits.length)
      const text = `${random.pick(['', '-', '+'])}${digits.slice(0, point)}${random.chance(0.9) ? '.' : ''}${digits.slice(point)}`
      if (!Object.is(read(text), Number(text))) expect.fail(`${text} is read ${read(text)}`)
    }
  })

  it('halfway between two doubles goes to the even one', () => {
    for (const text of [
      '9007199254740993',
      '9007199254740995',
      '900719925474099.35',
      '4503599627370496.5',
      '450359962737049.65',
    ]) {
      expect(read(text), text).toBe(Number(text))
    }
  })

  it('may be infinite, hexadecimal or nothing', () => {
    expect(['inf', '+INF', '-infinity', '0x10', '0x1p-2', '-0', '5.', '.5', '1e3'].map(read)).toEqual([
      Infinity,
      Infinity,
      -Infinity,
      16,
      0.25,
      -0,
      5,
      0.5,
      1000,
    ])
    for (const text of ['', ' 1', '1 ', 'nan', 'x', '1e', '0x', '.', '+', '1e400', '1e-400', '1.2.3', '--1']) {
      expect(read(text), text).toBeNaN()
    }
    expect(['', ' 1', '\t-2', '1\u0000x', '1e400', '-1e400', '1e-400'].map(bound)).toEqual([
      0,
      1,
      -2,
      1,
      Infinity,
      -Infinity,
      0,
    ])
    for (const text of ['1 ', 'nan', 'x']) expect(bound(text), text).toBeNaN()
  })

  it('that is hexadecimal is rounded once, also to the smallest numbers', () => {
    // As redis-server 7.0.15 reads them.
    for (const [text, value] of [
      ['0x1000000000000000p-1100', 8.4879831638610893e-314],
      ['0x1p-1074', 5e-324],
      ['0x1.8p-1074', 1e-323],
      ['0x3p-1075', 1e-323],
      ['-0x1.fffffffffffff8p0', -2],
      ['0x1.fffffffffffff4p0', 2 - 2 ** -52],
      ['0x1.fffffffffffffp1023', Number.MAX_VALUE],
      ['-0x0', -0],
    ] as const) {
      expect(read(text), text).toBe(value)
      expect(bound(text), text).toBe(value)
    }
    for (const text of ['0x1p-1075', '-0x1p-1100', '0x1p1024', '0x1p-20000', '0x1p20000']) {
      expect(read(text), text).toBeNaN()
    }
    expect(['0x1p-1075', '0x1p1024', '-0x1p20000', '0x1p-20000'].map(bound)).toEqual([0, Infinity, -Infinity, 0])
  })

  it('is refused in one pass, however long it is', () => {
    // In the square of the length these take half a minute each.
    const long = 100_000
    for (const text of [
      `${'1'.repeat(long)}x`,
      `1.${'1'.repeat(long)}x`,
      `.${'1'.repeat(long)}x`,
      `1e${'1'.repeat(long)}x`,
      `0x${'a'.repeat(long)}x`,
      `0x.${'a'.repeat(long)}x`,
    ]) {
      const begun = performance.now()
      expect(read(text)).toBeNaN()
      expect(bound(text)).toBeNaN()
      expect(performance.now() - begun, text.slice(0, 4)).toBeLessThan(1000)
    }
  })
})
