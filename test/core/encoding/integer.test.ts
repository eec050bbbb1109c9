import {
  INT64_MAX,
  INT64_MIN,
  parseBigInteger,
  parseInteger,
  writeBigInteger,
  writeInt64,
  writeInteger,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Parses with other bytes around, which must not matter. */
function parse(text: string): { rounded: number; exact: bigint | undefined } {
  const bytes = Buffer.from(`9${text}9`)
  return { rounded: parseInteger(bytes, 1, bytes.length - 1), exact: parseBigInteger(bytes, 1, bytes.length - 1) }
}

describe('integers', () => {
  it.each(['', '-', '+1', '01', '-0', '-01', ' 1', '1 ', '1.0', '1e3', '0x1', '--1', 'x', '00', '９'])(
    'refuses %j',
    (text) => expect(parse(text)).toEqual({ rounded: NaN, exact: undefined }),
  )

  it.each(['9223372036854775808', '-9223372036854775809', '18446744073709551616', '100000000000000000000'])(
    'refuses %s, which is beyond 64 bits',
    (text) => expect(parse(text)).toEqual({ rounded: NaN, exact: undefined }),
  )

  it('reads and writes numbers of every length', () => {
    const random = new SeededRandom(3)
    const target = new Uint8Array(40)
    const edges = [0n, 1n, -1n, 9n, 10n, 999_999_999n, 1_000_000_000n, 2n ** 53n - 1n, 2n ** 53n, INT64_MAX, INT64_MIN]
    const others = Array.from({ length: 5000 }, () => {
      const magnitude = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32())
      return BigInt.asIntN(64, magnitude) >> BigInt(random.int(0, 63))
    })
    for (const value of [...edges, ...edges.map((edge) => (edge === INT64_MIN ? edge : -edge)), ...others]) {
      const text = value.toString()
      expect(parse(text)).toEqual({ rounded: Number(value), exact: value })
      expect(Buffer.from(target.subarray(3, writeBigInteger(target, 3, value))).toString()).toBe(text)
      const [lo, hi] = [Number(BigInt.asIntN(32, value)), Number(value >> 32n)]
      expect(Buffer.from(target.subarray(3, writeInt64(lo, hi, target, 3))).toString()).toBe(text)
      if (!Number.isSafeInteger(Number(value))) continue
      expect(Buffer.from(target.subarray(3, writeInteger(target, 3, Number(value)))).toString()).toBe(text)
    }
  })

  it('refuses numbers of every length with a byte in them that is no digit', () => {
    for (let digits = 1; digits <= 19; digits++) {
      for (let at = 0; at < digits; at++) {
        for (const wrong of ['/', ':', '-', '\0']) {
          // A sign before digits is one.
          if (at === 0 && wrong === '-' && digits > 1) continue
          const text = `${'1'.repeat(at)}${wrong}${'1'.repeat(digits - at - 1)}`
          expect(parse(text)).toEqual({ rounded: NaN, exact: undefined })
        }
      }
    }
  })
})
