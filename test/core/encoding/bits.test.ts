import { countBits, findOtherByte, firstBit, readBits, writeBits } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const bitsOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')

describe('bits', () => {
  it('counts any range at any alignment', () => {
    const random = new SeededRandom(1)
    const bytes = random.bytes(600)
    for (let i = 0; i < 500; i++) {
      const view = bytes.subarray(random.int(0, 20))
      const start = random.int(0, 300)
      const end = random.int(start, view.length)
      const expected = bitsOf(view.subarray(start, end)).replaceAll('0', '').length
      expect(countBits(view, start, end)).toBe(expected)
    }
  })

  it('finds the first byte and bit that differ', () => {
    expect(findOtherByte(Uint8Array.of(0, 0, 1, 0), 0, 4, 0)).toBe(2)
    expect(findOtherByte(Uint8Array.of(255, 255), 0, 2, 255)).toBe(2)
    expect([firstBit(0, 1), firstBit(0xff, 0), firstBit(0x80, 1), firstBit(0x01, 1), firstBit(0xfe, 0)]).toEqual([
      8, 8, 0, 7, 7,
    ])
  })

  it('reads and writes fields of 1 to 32 bits anywhere', () => {
    const random = new SeededRandom(2)
    for (let i = 0; i < 5000; i++) {
      const bytes = random.bytes(9)
      const count = random.int(1, 32)
      const offset = random.int(0, 72 - count)
      const before = bitsOf(bytes)
      expect(readBits(bytes, offset, count)).toBe(Number.parseInt(before.slice(offset, offset + count), 2))
      const value = random.int(0, 2 ** count - 1)
      writeBits(bytes, offset, count, value)
      const field = value.toString(2).padStart(count, '0')
      expect(bitsOf(bytes)).toBe(before.slice(0, offset) + field + before.slice(offset + count))
    }
  })
})
