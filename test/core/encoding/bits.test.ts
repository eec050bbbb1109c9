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

  it('counts ranges in which all bits are set', () => {
    const bytes = new Uint8Array(1000).fill(255)
    for (let end = 0; end <= 1000; end++) expect(countBits(bytes, 3, Math.max(3, end))).toBe(Math.max(0, end - 3) * 8)
  })

  it('finds the first other byte in any range at any alignment', () => {
    const random = new SeededRandom(3)
    for (let i = 0; i < 2000; i++) {
      const byte = random.pick([0, 255])
      const bytes = new Uint8Array(random.int(1, 400)).fill(byte)
      const view = bytes.subarray(random.int(0, bytes.length - 1))
      const start = random.int(0, view.length)
      const end = random.int(start, view.length)
      if (random.chance(0.8)) view[random.int(0, view.length - 1)] = byte ^ (1 << random.int(0, 7))
      const at = view.subarray(start, end).findIndex((each) => each !== byte)
      expect(findOtherByte(view, start, end, byte)).toBe(at < 0 ? end - start : at)
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
