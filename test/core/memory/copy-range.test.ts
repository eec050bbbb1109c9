/** Copies of every length and place, in shared and private memory, against the same copies byte by byte. */
import { expect, test } from 'vitest'
import { copyRange, moveBytes, moveRange, viewOf } from '@understudy/core/internal'
import { SeededRandom } from '../../support/seeded-random.ts'

const BYTES = 400_000
const MEMORIES = {
  shared: () => new Uint8Array(new SharedArrayBuffer(BYTES)),
  private: () => new Uint8Array(BYTES),
  // Lies 3 behind a word of its buffer.
  'shared, at an odd offset': () => new Uint8Array(new SharedArrayBuffer(BYTES + 8), 3, BYTES),
}
const LENGTHS = [0, 1, 7, 511, 512, 513, 767, 768, 769, 4096, 65_535, 65_536, 65_537, 131_072, 150_001]

test.each(pairsOf(Object.keys(MEMORIES) as (keyof typeof MEMORIES)[]))('copies from %s to %s memory', (from, to) => {
  const random = new SeededRandom(1)
  const source = filled(MEMORIES[from](), random)
  const before = random.bytes(BYTES)
  const target = MEMORIES[to]()
  const expected = Buffer.from(before)
  for (const length of LENGTHS) {
    for (let place = 0; place < 8; place++) {
      target.set(before)
      const start = 64 + (random.uint32() % 8)
      const at = 128 + place
      before.copy(expected)
      for (let i = 0; i < length; i++) expected[at + i] = source[start + i]!
      copyRange(source, start, start + length, target, at)
      expect(expected.equals(target)).toBe(true)
    }
  }
})

test.each(Object.keys(MEMORIES) as (keyof typeof MEMORIES)[])('moves within %s memory, over itself', (kind) => {
  const random = new SeededRandom(2)
  const bytes = filled(MEMORIES[kind](), random)
  for (const move of [
    moveRange,
    (...[of, start, end, at]: Parameters<typeof moveRange>) => moveBytes(of, viewOf(of), start, end, at),
  ]) {
    for (const length of LENGTHS) {
      for (const by of [-70_001, -1000, -9, -8, -3, -1, 0, 1, 3, 4, 8, 13, 1000, 70_001]) {
        const start = 100_000 + (random.uint32() % 8)
        const expected = Buffer.from(bytes)
        expected.copyWithin(start + by, start, start + length)
        move(bytes, start, start + length, start + by)
        expect(expected.equals(bytes)).toBe(true)
      }
    }
  }
})

function pairsOf<Item>(items: Item[]): [Item, Item][] {
  return items.flatMap((first) => items.map((second): [Item, Item] => [first, second]))
}

function filled(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  bytes.set(random.bytes(bytes.length))
  return bytes
}
