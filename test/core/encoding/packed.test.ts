/** Listpack, ziplist, intset and zipmap: values written by hand here, and damage of every byte. */
import {
  intsetCheck,
  intsetRead,
  itemBytes,
  listpackCheck,
  listpackFirst,
  listpackRead,
  PackedItem,
  writeInteger,
  writeInt64,
  ziplistCheck,
  ziplistFirst,
  ziplistRead,
  zipmapCheck,
  zipmapFirst,
  zipmapRead,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'
import { buildIntset, buildListpack, buildZiplist, buildZipmap } from '../../support/packed-builder.ts'

const VALUES: (string | bigint)[] = [
  0n,
  1n,
  12n,
  13n,
  63n,
  64n,
  127n,
  128n,
  -1n,
  -128n,
  -129n,
  4095n,
  4096n,
  -4096n,
  -4097n,
  32767n,
  32768n,
  -32768n,
  -32769n,
  8388607n,
  -8388608n,
  8388608n,
  -8388609n,
  2147483647n,
  -2147483648n,
  2147483648n,
  -2147483649n,
  9223372036854775807n,
  -9223372036854775808n,
  1234567890123n,
  '',
  'a',
  'hello',
  'x'.repeat(63),
  'x'.repeat(64),
  'y'.repeat(100),
  'y'.repeat(4095),
  'z'.repeat(4096),
  'z'.repeat(16384),
  'w'.repeat(70_000),
]

const texts = VALUES.map(String)

function readAll(
  bytes: Uint8Array,
  first: number,
  read: (bytes: Uint8Array, at: number, end: number, item: PackedItem) => number,
): string[] {
  const item = new PackedItem()
  const out: string[] = []
  for (let at = first; at < bytes.length - 1;) {
    at = read(bytes, at, bytes.length, item)
    expect(at).toBeGreaterThan(0)
    out.push(Buffer.from(itemBytes(bytes, item)).toString('latin1'))
  }
  return out
}

describe('listpack', () => {
  const bytes = buildListpack(VALUES)

  it('reads every encoding', () => {
    expect(listpackCheck(bytes, 0, bytes.length)).toBe(VALUES.length)
    expect(readAll(bytes, listpackFirst(0), listpackRead)).toEqual(texts)
    const around = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(5, 0)])
    expect(listpackCheck(around, 5, 5 + bytes.length)).toBe(VALUES.length)
  })

  it('takes an unknown count and refuses a wrong one', () => {
    const unknown = Uint8Array.from(bytes)
    unknown.fill(0xff, 4, 6)
    expect(listpackCheck(unknown, 0, bytes.length)).toBe(VALUES.length)
    unknown[4] = 3
    unknown[5] = 0
    expect(listpackCheck(unknown, 0, bytes.length)).toBe(-1 - 4)
  })

  it('refuses an item that lies over the end, and a wrong length for walking backwards', () => {
    const small = buildListpack(['abc', 5n])
    for (let cut = 0; cut < small.length; cut++) expect(listpackCheck(small, 0, cut)).toBeLessThan(0)
    const long = Uint8Array.from(small)
    long[6] = 0x80 | 20
    expect(listpackCheck(long, 0, long.length)).toBe(-1 - 6)
    const back = Uint8Array.from(small)
    back[10] = 3
    expect(listpackCheck(back, 0, back.length)).toBe(-1 - 6)
  })
})

describe('ziplist', () => {
  const bytes = buildZiplist(VALUES)

  it('reads every encoding', () => {
    expect(ziplistCheck(bytes, 0, bytes.length)).toBe(VALUES.length)
    expect(readAll(bytes, ziplistFirst(0), ziplistRead)).toEqual(texts)
  })

  it('refuses a wrong tail offset, count or length of the item before', () => {
    const small = buildZiplist(['abc', 5n, 'def'])
    expect(ziplistCheck(small, 0, small.length)).toBe(3)
    for (const at of [0, 4, 8, 10, 15, small.length - 1]) {
      const wrong = Uint8Array.from(small)
      wrong[at]! ^= 1
      expect(ziplistCheck(wrong, 0, wrong.length), `byte ${at}`).toBeLessThan(0)
    }
  })
})

describe('intset', () => {
  it.each([
    [2, [-32768n, -1n, 0n, 5n, 32767n]],
    [4, [-2147483648n, -70_000n, 0n, 1n, 2147483647n]],
    [8, [-9223372036854775808n, -4294967296n, -1n, 0n, 1n, 4294967296n, 4294967297n, 9223372036854775807n]],
  ])('reads integers of %i bytes', (width, values) => {
    const bytes = buildIntset(width, values)
    expect(intsetCheck(bytes, 0, bytes.length)).toBe(values.length)
    const item = new PackedItem()
    for (const [index, value] of values.entries()) {
      expect(intsetRead(bytes, 0, bytes.length, index, item)).toBe(true)
      expect(item.toBigInt()).toBe(value)
      expect(Buffer.from(itemBytes(bytes, item)).toString()).toBe(String(value))
    }
    expect(intsetRead(bytes, 0, bytes.length, values.length, item)).toBe(false)
  })

  it('refuses integers out of order, equal ones, unknown widths and wrong counts', () => {
    for (const width of [2, 4, 8]) {
      for (const values of [
        [5n, 4n],
        [5n, 5n],
        [1n, -1n],
      ]) {
        const bytes = buildIntset(width, values)
        expect(intsetCheck(bytes, 0, bytes.length)).toBe(-1 - (8 + width))
      }
    }
    const bytes = buildIntset(4, [1n, 2n])
    for (const [at, value] of [
      [0, 3],
      [0, 8],
      [1, 1],
      [4, 3],
      [4, 1],
      [7, 255],
    ] as const) {
      const wrong = Uint8Array.from(bytes)
      wrong[at] = value
      expect(intsetCheck(wrong, 0, wrong.length)).toBeLessThan(0)
    }
  })
})

describe('zipmap', () => {
  const pairs: [string, string][] = [
    ['f1', 'v1'],
    ['', ''],
    ['a'.repeat(253), 'b'.repeat(254)],
    ['c'.repeat(300), 'd'],
  ]

  it('reads pairs, with unused bytes and long lengths', () => {
    for (const unused of [0, 3]) {
      const bytes = buildZipmap(pairs, unused)
      const field = new PackedItem()
      const value = new PackedItem()
      expect(zipmapCheck(bytes, 0, bytes.length, field, value)).toBe(4)
      const out: [string, string][] = []
      for (let at = zipmapFirst(0); at < bytes.length - 1;) {
        at = zipmapRead(bytes, at, bytes.length, field, value)
        out.push([Buffer.from(itemBytes(bytes, field)).toString(), Buffer.from(itemBytes(bytes, value)).toString()])
      }
      expect(out).toEqual(pairs)
    }
  })
})

describe('damaged packed values', () => {
  it('are refused or read, but never beyond their end', () => {
    const random = new SeededRandom(6)
    const values = VALUES.filter((value) => String(value).length < 200)
    const field = new PackedItem()
    const value = new PackedItem()
    const kinds: [Uint8Array, (bytes: Uint8Array, end: number) => number, number, typeof listpackRead][] = [
      [buildListpack(values), (bytes, end) => listpackCheck(bytes, 0, end), 6, listpackRead],
      [buildZiplist(values), (bytes, end) => ziplistCheck(bytes, 0, end), 10, ziplistRead],
      [
        buildZipmap(
          [
            ['a', 'b'],
            ['c', 'd'.repeat(300)],
          ],
          2,
        ),
        (bytes, end) => zipmapCheck(bytes, 0, end, field, value),
        1,
        (bytes, at, end, item) => zipmapRead(bytes, at, end, item, value),
      ],
    ]
    for (const [good, check, first, read] of kinds) {
      for (let round = 0; round < 1200; round++) {
        const bytes = Uint8Array.from(good)
        for (let i = random.int(1, 3); i > 0; i--) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        const end = random.chance(0.2) ? random.int(0, bytes.length) : bytes.length
        const result = check(bytes, end)
        if (result < 0) expect(-1 - result).toBeLessThanOrEqual(end)
        // A reader that meets damage itself stays inside too.
        for (let at = first; at >= 0 && at < end - 1;) {
          const next = read(bytes, at, end, field)
          expect(next).toBeLessThan(end)
          if (next >= 0) {
            expect(next).toBeGreaterThan(at)
            if (!field.isInteger) expect(field.end).toBeLessThan(end)
          }
          at = next
        }
      }
    }
  })
})

describe('decimal text', () => {
  it('is what JavaScript prints', () => {
    const target = new Uint8Array(32)
    const random = new SeededRandom(7)
    const text = (end: number): string => Buffer.from(target.subarray(0, end)).toString()
    for (const value of [0, 1, 9, 10, 99, 100, -1, -10, 2147483647, -2147483648, 999999999, 1000000000]) {
      expect(text(writeInteger(target, 0, value))).toBe(String(value))
    }
    for (let round = 0; round < 2000; round++) {
      const value = BigInt.asIntN(64, BigInt(random.uint32()) * BigInt(random.uint32()) * BigInt(random.int(-3, 3)))
      const lo = Number(BigInt.asIntN(32, value))
      const hi = Number(value >> 32n)
      expect(text(writeInt64(lo, hi, target, 0))).toBe(String(value))
    }
  })
})
