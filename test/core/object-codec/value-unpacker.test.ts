import {
  lzfCompress,
  RDB_TYPE_LIST_QUICKLIST_2,
  RDB_TYPE_ZSET_LISTPACK,
  valueGrammar,
  ValueWalker,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

/** A listpack of `items` equal strings. */
function listpack(items: number): Buffer {
  const item = Buffer.from([0x84, ...Buffer.from('aaaa'), 5])
  const bytes = Buffer.concat([Buffer.alloc(6), ...Array.from({ length: items }, () => item), Buffer.from([0xff])])
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(items, 4)
  return bytes
}

function length32(length: number): Buffer {
  const bytes = Buffer.from([0x80, 0, 0, 0, 0])
  bytes.writeUInt32BE(length, 1)
  return bytes
}

function plain(content: Buffer): Buffer {
  return Buffer.concat([length32(content.length), content])
}

function compressed(content: Buffer): Buffer {
  const packed = Buffer.alloc(content.length)
  const length = lzfCompress(content, 0, content.length, packed, 0, packed.length)
  expect(length).toBeGreaterThan(0)
  return Buffer.concat([Buffer.from([0xc3]), length32(length), length32(content.length), packed.subarray(0, length)])
}

class Target {
  bytes: Uint8Array = new Uint8Array(0)
  used = 3
  reserved = 0

  reserve(count: number): void {
    this.bytes = new Uint8Array(this.used + count)
    this.reserved += count
  }
}

/** Walks a value that is shown as a whole from index 7 on. */
function unpack(rdbType: number, value: Buffer): { taken: Buffer; elements: number; reserved: number } {
  const target = new Target()
  const walker = new ValueWalker()
  const bytes = Buffer.concat([Buffer.alloc(7), value, Buffer.alloc(9)])
  walker.begin(valueGrammar(rdbType), value.length, target)
  expect(walker.walk(bytes, 7, 7 + value.length, false)).toBe(true)
  const length = walker.takeUnpacked(bytes)
  const { elements } = walker
  return { taken: Buffer.from(target.bytes.slice(3, 3 + length)), elements, reserved: target.reserved }
}

describe('values that are unpacked', () => {
  const blob = listpack(20)

  it('have plain blobs in the place of compressed ones', () => {
    const { taken, elements } = unpack(RDB_TYPE_ZSET_LISTPACK, compressed(blob))
    expect(taken.equals(plain(blob))).toBe(true)
    expect(elements).toBe(10)
  })

  it('keep what stands before, between and behind them', () => {
    const node = Buffer.from([2])
    const element = Buffer.from([1, 3, ...Buffer.from('xyz')])
    const count = Buffer.from([5])
    const parts = [count, element, node, compressed(blob), element, node, compressed(listpack(30)), element]
    const { taken, elements } = unpack(RDB_TYPE_LIST_QUICKLIST_2, Buffer.concat(parts))
    const expected = [count, element, node, plain(blob), element, node, plain(listpack(30)), element]
    expect(taken.equals(Buffer.concat(expected))).toBe(true)
    expect(elements).toBe(53)
  })

  it('are taken as they are when nothing is compressed, or when they are long', () => {
    expect(unpack(RDB_TYPE_ZSET_LISTPACK, plain(blob))).toEqual({ taken: Buffer.alloc(0), elements: 10, reserved: 0 })
    const long = unpack(RDB_TYPE_ZSET_LISTPACK, compressed(listpack(8000)))
    expect(long).toEqual({ taken: Buffer.alloc(0), elements: 4000, reserved: 0 })
  })

  it('are taken as they are when they come in pieces', () => {
    const value = compressed(blob)
    const node = Buffer.from([2])
    const list = Buffer.concat([Buffer.from([2]), node, value, node, value])
    for (let cut = 2; cut < list.length; cut++) {
      const target = new Target()
      const walker = new ValueWalker()
      walker.begin(valueGrammar(RDB_TYPE_LIST_QUICKLIST_2), list.length, target)
      expect(walker.walk(list, 0, cut, false)).toBe(false)
      expect(walker.walk(list, walker.position, list.length, false)).toBe(true)
      expect(walker.takeUnpacked(list)).toBe(0)
      expect(walker.elements).toBe(40)
    }
  })

  it('are refused when they are malformed, wherever that is', () => {
    const value = compressed(blob)
    for (let at = value.length - 1; at >= 11; at--) {
      const damaged = Buffer.from(value)
      damaged[at] = damaged[at]! ^ 0x40
      let message = ''
      try {
        const { taken } = unpack(RDB_TYPE_ZSET_LISTPACK, damaged)
        // Another listpack, by chance.
        expect(taken.length).toBe(blob.length + 5)
      } catch (error) {
        message = String(error)
        expect(message).toMatch(/malformed (compression|listpack of pairs)/)
      }
    }
    const short = Buffer.concat([value.subarray(0, 6), length32(blob.length + 1), value.subarray(11)])
    expect(() => unpack(RDB_TYPE_ZSET_LISTPACK, short)).toThrow('malformed compression')
  })
})
