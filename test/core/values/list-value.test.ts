import {
  Generation,
  LIST_WORDS,
  LIST_COUNT,
  ListCursor,
  listNodeRule,
  ListValue,
  viewOf,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'
import { changeAtRandom, elementAt, elements, prepare, randomElement } from './list-model.ts'

function newList(): { list: ListValue; used: () => number } {
  const generation = Generation.create({ databaseCount: 1, hashSeed: new Uint8Array(16), segmentBytesMax: 1 << 28 })
  const region = generation.regions[0]!
  const list = new ListValue().open(region, new Int32Array(LIST_WORDS), 0)
  return { list, used: () => region.arena.usedBytes }
}

describe('ListValue', () => {
  for (const [fill, huge, seed] of [
    [-2, true, 1],
    [-2, false, 2],
    [-1, false, 3],
    [-5, true, 4],
    [1, false, 5],
    [0, true, 6],
    [4, false, 7],
    [7, true, 8],
  ] as const) {
    it(`is what an array would be, fill ${fill}, long elements ${huge}, seed ${seed}`, () => {
      const random = new SeededRandom(seed)
      const { list, used } = newList()
      const before = used()
      const rule = listNodeRule(fill)
      const model = changeAtRandom(list, rule, random, huge, 6000)
      expect(elements(list)).toEqual(model)
      const copy = new ListValue().open(list.region, new Int32Array(LIST_WORDS), 0)
      list.copyTo(copy)
      expect(elements(copy)).toEqual(model)
      copy.free()
      list.free()
      expect(list.words[LIST_COUNT]).toBe(0)
      expect(used()).toBe(before)
    })
  }

  it('compares elements with bytes', () => {
    const { list } = newList()
    const rule = listNodeRule(-2)
    const texts = [
      '',
      '0',
      '-1',
      '12345678901234567890',
      '9223372036854775807',
      'x',
      'y'.repeat(70),
      'z'.repeat(40_000),
    ]
    for (const text of texts) {
      prepare(text)
      list.push(false, rule)
    }
    for (const [i, text] of texts.entries()) {
      for (const [k, other] of texts.entries()) {
        const bytes = Buffer.from(`<${other}>`)
        list.seek(k)
        list.load()
        list.seek(i)
        list.load()
        expect(list.equals(bytes, viewOf(bytes), 1, bytes.length - 1)).toBe(text === other)
      }
    }
  })

  it('finds the middle of a million elements without walking there', () => {
    const { list, used } = newList()
    const rule = listNodeRule(-2)
    const before = used()
    for (let i = 0; i < 1_000_000; i++) {
      prepare(`element:${i}`)
      list.push(false, rule)
    }
    for (const position of [0, 1, 499_999, 500_000, 777_777, 999_998, 999_999]) {
      expect(elementAt(list, position)).toBe(`element:${position}`)
    }
    expect(list.seek(1_000_000)).toBe(false)
    expect((used() - before) / 1_000_000).toBeLessThan(18)
    list.trim(400_000, 400_010)
    expect(elements(list)).toEqual(Array.from({ length: 10 }, (_, i) => `element:${400_000 + i}`))
    expect(used() - before).toBeLessThan(1000)
  })

  it('always returns, whatever the memory holds', () => {
    const random = new SeededRandom(9)
    const { list } = newList()
    const { region } = list
    const rule = listNodeRule(-2)
    for (let i = 0; i < 5000; i++) {
      prepare(randomElement(random, i % 50 === 0))
      list.push(random.chance(0.5), rule)
    }
    const bytes = region.memory.u8[0]!
    const needle = Buffer.from('x'.repeat(64))
    for (let round = 0; round < 300; round++) {
      const cursor = new ListCursor().openView(region, list.words.slice(), 0)
      for (let i = random.int(1, 2000); i > 0; i--) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
      if (random.chance(0.2)) cursor.words[random.int(1, 4)] = random.int(-(2 ** 31), 2 ** 31 - 1)
      for (const move of ['first', 'last', 'seek'] as const) {
        let there = move === 'seek' ? cursor.seek(random.int(0, 6000)) : cursor[move]()
        for (let steps = 0; there && steps < 300; steps++) {
          if (cursor.load() && cursor.elementLength < 1 << 20) {
            const copy = new Uint8Array(cursor.elementLength)
            cursor.copyElement(copy, 0)
            cursor.equals(needle, viewOf(needle), 0, needle.length)
          }
          there = move === 'last' ? cursor.previous() : cursor.next()
        }
      }
    }
  })
})
