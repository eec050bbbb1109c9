/** Edits of a listpack against a plain array of strings, and the bytes against those of a builder by hand. */
import {
  itemBytes,
  LISTPACK_EMPTY_BYTES,
  listpackAppend,
  listpackCheck,
  listpackCount,
  listpackCreate,
  listpackDelete,
  listpackFind,
  listpackFirst,
  listpackInsert,
  listpackIntegerBytes,
  listpackItemBytes,
  listpackLast,
  listpackPrevious,
  listpackRead,
  listpackReplace,
  listpackSeek,
  listpackSkip,
  listpackTotalBytes,
  listpackWriteInt64,
  listpackWriteInteger,
  PackedItem,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { buildListpack } from '../../support/packed-builder.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const LONG: string[] = ['z'.repeat(4096), 'w'.repeat(16_382), 'w'.repeat(20_000)]
const EDGES: string[] =
  '0 1 127 128 -1 -4096 -4097 4095 4096 32767 32768 -32768 -32769 8388607 8388608 -8388608 -8388609 2147483647 2147483648'
    .split(' ')
    .concat('-2147483648 -2147483649 9007199254740993 9223372036854775807 -9223372036854775808'.split(' '))
    .concat('9223372036854775808 007 -0 +1 - a 12a'.split(' '))
    .concat(['', ' 1', '1 ', 'x'.repeat(63), 'x'.repeat(64), 'y'.repeat(125), 'y'.repeat(126), 'z'.repeat(4095)])
    .concat(LONG)

/** What the builder by hand needs: what is an integer in Redis' eyes. */
function asItem(text: string): string | bigint {
  return /^(0|-?[1-9]\d{0,18})$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? BigInt(text) : text
}

function texts(bytes: Uint8Array, start: number): string[] {
  const end = start + listpackTotalBytes(bytes, start)
  const item = new PackedItem()
  const out: string[] = []
  for (let at = listpackFirst(start); at < end - 1;) {
    at = listpackRead(bytes, at, end, item)
    expect(at).toBeGreaterThan(0)
    out.push(Buffer.from(itemBytes(bytes, item)).toString('latin1'))
  }
  return out
}

function expectSame(bytes: Uint8Array, start: number, model: readonly string[]): void {
  const total = listpackTotalBytes(bytes, start)
  expect(Buffer.from(bytes.subarray(start, start + total)).equals(buildListpack(model.map(asItem)))).toBe(true)
}

describe('listpack edits', () => {
  it('encodes as Redis does', () => {
    const bytes = new Uint8Array(200_000).fill(0xee)
    listpackCreate(bytes, 3)
    let total = LISTPACK_EMPTY_BYTES
    for (const text of EDGES) {
      const value = Buffer.from(text)
      total += listpackItemBytes(value, 0, value.length)
      expect(listpackAppend(bytes, 3, value, 0, value.length)).toBe(total)
    }
    expectSame(bytes, 3, EDGES)
    expect(listpackCheck(bytes, 3, 3 + total)).toBe(EDGES.length)
    // Both ways, by index, by value.
    let at = listpackLast(bytes, 3)
    for (let i = EDGES.length - 1; i >= 0; i--) {
      expect(listpackSeek(bytes, 3, i)).toBe(at)
      expect(listpackSeek(bytes, 3, i - EDGES.length)).toBe(at)
      const value = Buffer.from(EDGES[i]!)
      expect(listpackFind(bytes, 3, 3 + total, value, 0, value.length, 1), EDGES[i]).toBe(at)
      at = listpackPrevious(bytes, 3, at)
    }
    expect(at).toBe(-1)
    expect(listpackSeek(bytes, 3, EDGES.length)).toBe(-1)
    expect(listpackSeek(bytes, 3, -EDGES.length - 1)).toBe(-1)
    expect(listpackFind(bytes, 3, 3 + total, Buffer.from('not there'), 0, 9, 1)).toBe(-1)
  })

  it('writes integers without their text', () => {
    const bytes = new Uint8Array(32)
    for (const value of [0, 127, 128, -1, 4095, -4096, 70_000, -70_000, 2 ** 31, -(2 ** 40), 2 ** 53 - 1]) {
      const end = listpackWriteInteger(value, bytes, 6)
      expect(end - 6).toBe(listpackIntegerBytes(value))
      const item = new PackedItem()
      bytes[end] = 0xff
      expect(listpackRead(bytes, 6, end + 1, item)).toBe(end)
      expect(item.toNumber()).toBe(value)
      expect(listpackWriteInt64(item.lo, item.hi, bytes, 6)).toBe(end)
    }
  })

  it.each([1, 2, 3])('does what an array does, seed %i', (seed) => {
    const random = new SeededRandom(seed)
    const bytes = new Uint8Array(300_000)
    const start = 5
    listpackCreate(bytes, start)
    const model: string[] = []
    for (let step = 0; step < 3000; step++) {
      const index = random.int(0, model.length + 1 - 1)
      const text =
        random.int(0, 4 - 1) === 0
          ? EDGES[random.int(0, EDGES.length - LONG.length - 1)]!
          : String(random.int(0, 1 << (30 - 1)) - 500)
      const value = Buffer.from(text)
      const at =
        index === model.length ? start + listpackTotalBytes(bytes, start) - 1 : listpackSeek(bytes, start, index)
      switch (model.length > 60 ? 2 : random.int(0, 5 - 1)) {
        case 0:
          listpackAppend(bytes, start, value, 0, value.length)
          model.push(text)
          break
        case 1:
        case 3:
          expect(listpackInsert(bytes, start, at, value, 0, value.length)).toBe(listpackSkip(bytes, at))
          model.splice(index, 0, text)
          break
        case 2: {
          const count = random.int(0, 4 - 1)
          listpackDelete(bytes, start, at, count)
          model.splice(index, count)
          break
        }
        default:
          if (index === model.length) break
          listpackReplace(bytes, start, at, value, 0, value.length)
          model[index] = text
      }
      expect(listpackCount(bytes, start)).toBe(model.length)
      if (step % 50 === 0) expectSame(bytes, start, model)
    }
    expect(texts(bytes, start)).toEqual(model)
  })

  it('finds fields and not values', () => {
    const bytes = buildListpack(['a', 'b', 'b', 'a', 5n, 7n, 7n, 'x'])
    const find = (text: string): number => listpackFind(bytes, 0, bytes.length, Buffer.from(text), 0, text.length, 2)
    expect(find('b')).toBe(listpackSeek(bytes, 0, 2))
    expect(find('7')).toBe(listpackSeek(bytes, 0, 6))
    expect(find('x')).toBe(-1)
  })

  it('finds each name wherever it stands, in short and long listpacks, and none that is only a value', () => {
    const names = (count: number): (string | bigint)[] =>
      Array.from(
        { length: count },
        (_, i) => [`name ${i}`, BigInt(i), 'n'.repeat(i), 'm'.repeat(60 + i), -5000n - BigInt(i)][i % 5]!,
      )
    for (const count of [1, 2, 3, 7, 8, 20, 61]) {
      const fields = names(count)
      for (const stride of [1, 2]) {
        const bytes = buildListpack(stride === 1 ? fields : fields.flatMap((name) => [name, 'only a value']))
        const find = (text: string): number =>
          listpackFind(bytes, 0, bytes.length, Buffer.from(text), 0, Buffer.byteLength(text), stride)
        for (const [i, name] of fields.entries()) {
          expect(find(String(name)), `${i} of ${count}`).toBe(listpackSeek(bytes, 0, i * stride))
        }
        for (const absent of ['only a value', 'nobody', '99999', '', 'n'.repeat(500)]) {
          if (!fields.includes(absent)) expect(find(absent), absent).toBe(-1)
        }
      }
    }
  })

  it('comes to an end in bytes that are none', () => {
    const random = new SeededRandom(7)
    const wanted = Buffer.from('name')
    for (let round = 0; round < 2000; round++) {
      const bytes = random.bytes(random.int(7, 900))
      for (const stride of [1, 2]) {
        const at = listpackFind(bytes, 0, bytes.length, wanted, 0, wanted.length, stride)
        expect(at).toBeLessThan(bytes.length)
      }
    }
  })

  it('does not know the count from 65,535 items on', () => {
    const bytes = new Uint8Array(200_000)
    listpackCreate(bytes, 0)
    for (let i = 0; i < 65_540; i++) listpackAppend(bytes, 0, Buffer.from('1'), 0, 1)
    expect([bytes[4], bytes[5]]).toEqual([255, 255])
    expect(listpackCount(bytes, 0)).toBe(65_540)
    listpackDelete(bytes, 0, listpackFirst(0), 20)
    expect(listpackCount(bytes, 0)).toBe(65_520)
    expect(listpackSeek(bytes, 0, -1)).toBe(listpackLast(bytes, 0))
    expect(listpackCheck(bytes, 0, listpackTotalBytes(bytes, 0))).toBe(65_520)
  })
})
