import {
  listpackAppend,
  listpackCheck,
  listpackCreate,
  listpackRead,
  PackedItem,
  parseScore,
  shortenScores,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

function listpackOf(...texts: string[]): Uint8Array {
  const bytes = new Uint8Array(16 + texts.reduce((sum, text) => sum + text.length + 12, 0))
  let length = listpackCreate(bytes, 0)
  for (const text of texts) length = listpackAppend(bytes, 0, Buffer.from(text), 0, text.length)
  return bytes.subarray(0, length)
}

function textsOf(bytes: Uint8Array): string[] {
  expect(listpackCheck(bytes, 0, bytes.length)).toBeGreaterThanOrEqual(0)
  const item = new PackedItem()
  const texts: string[] = []
  for (let at = 6; bytes[at] !== 0xff;) {
    at = listpackRead(bytes, at, bytes.length, item)
    texts.push(
      item.isInteger ? item.toBigInt().toString() : Buffer.from(bytes.subarray(item.start, item.end)).toString(),
    )
  }
  return texts
}

/** What becomes of a listpack; undefined when it stays. */
function shortened(...texts: string[]): string[] | undefined {
  const bytes = listpackOf(...texts)
  const within = new Uint8Array(bytes.length + 3)
  within.set(bytes, 3)
  const target = new Uint8Array(bytes.length)
  const length = shortenScores(within, 3, within.length, target)
  return length < 0 ? undefined : textsOf(target.subarray(0, length))
}

describe('scores of a packed sorted set', () => {
  it('get the shortest text of the same number', () => {
    expect(shortened('a', '1.1499999999999999', 'b', '-0.10000000000000001', 'c', '123456.78000000000')).toEqual([
      'a',
      '1.15',
      'b',
      '-0.1',
      'c',
      '123456.78',
    ])
    expect(shortened('a', '3', 'b', '7.0000000000000000')).toEqual(['a', '3', 'b', '7'])
  })

  it('stay where no text is shorter, and members stay what they are', () => {
    expect(shortened()).toBeUndefined()
    expect(shortened('a', '1', 'b', '2.5', 'c', 'inf')).toBeUndefined()
    expect(shortened('1.1499999999999999', '1')).toBeUndefined()
    expect(shortened('a', '0.33333333333333331')).toBeUndefined()
    expect(shortened('a', 'not a number, but long')).toBeUndefined()
    expect(shortened('1.1499999999999999', '1.1499999999999999', 'x'.repeat(5000), '2')).toEqual([
      '1.1499999999999999',
      '1.15',
      'x'.repeat(5000),
      '2',
    ])
  })

  it('keep the sign of zero', () => {
    expect(shortened('a', '-0.0000000000000000')).toEqual(['a', '-0'])
  })

  it('are the same numbers afterwards', () => {
    const random = new SeededRandom(7)
    for (let round = 0; round < 2000; round++) {
      const value = (random.int(0, 2 ** 31) - 2 ** 30) / 10 ** random.int(0, 9)
      const text = value.toPrecision(17)
      const after = shortened('member', text)
      if (after === undefined) continue
      const bytes = Buffer.from(after[1]!)
      expect(bytes.length).toBeLessThan(text.length)
      expect(parseScore(bytes, 0, bytes.length)).toBe(value)
    }
  })
})
