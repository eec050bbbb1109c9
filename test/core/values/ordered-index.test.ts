import { strict as assert } from 'node:assert'
import {
  Arena,
  ENTRIES_AFTER,
  ENTRIES_BEFORE,
  type EntryOrder,
  HashSeed,
  OrderedIndex,
  OrderedIndexCursor,
  ORDERED_INDEX_WORDS,
  RegionMemory,
  RegionView,
  RegionWriter,
  RUN_BYTES,
  SCORED,
  ScoredEntries,
  WEIGHTED,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { checkOrderedIndex } from '../../support/ordered-index-check.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const AT = 3

function newRegion(segmentBytesMax = 64 << 20): RegionWriter {
  return new RegionWriter(
    new RegionMemory([]),

    0,
    new HashSeed(new Uint8Array(16).fill(7)),
    segmentBytesMax,
  )
}

function newState(): Int32Array {
  return new Int32Array(ORDERED_INDEX_WORDS + AT + 2)
}

/** Orders entries by their address, as sorted sets order by member. */
class ByAddress implements EntryOrder {
  wanted = 0
  compare(address: number): number {
    return address - this.wanted
  }
}

describe('entries that are appended in one go', () => {
  const SIZES = [0, 1, 2, 15, 16, 17, 83, 84, 85, 86, 1000, 84 * 63, 84 * 63 + 1, 20_000]
  it.each(SIZES)('%i of them are sorted, and make an index of full leaves', (count) => {
    for (const scores of [1, 7, 1e9]) {
      const random = new SeededRandom(count + scores)
      const region = newRegion()
      const state = newState()
      const entries = new ScoredEntries()
      const model = Array.from({ length: count }, () => ({
        score: random.int(0, scores - 1),
        address: random.int(1, 1e9),
      }))
      for (const { score, address } of model) entries.add(score, address)
      entries.sort((address, other) => address > other)
      model.sort((a, b) => a.score - b.score || a.address - b.address)
      new OrderedIndex(SCORED).open(region, state, AT).appendSorted(entries)
      entries.clear()
      const contents = checkOrderedIndex(region, state, AT, SCORED)
      assert.deepEqual(
        [contents.addresses, contents.values],
        [model.map((of) => of.address), model.map((of) => of.score)],
      )
      if (count > 84) expect(contents.fill).toBeGreaterThan(0.5)
      // It can be changed as one that grew entry by entry.
      const index = new OrderedIndex(SCORED).open(region, state, AT)
      for (let left = count; left > 0; left--) {
        assert.equal(index.seekWeight(random.int(0, left - 1)), true)
        index.remove()
        if (left % 997 === 0) checkOrderedIndex(region, state, AT, SCORED)
      }
      expect(region.arena.usedBytes).toBe(0)
    }
  })
})

describe('ordered index with scores', () => {
  for (const [name, scores, seed] of [
    ['many scores', 1e9, 1],
    ['few scores', 7, 2],
    ['one score', 1, 3],
  ] as const) {
    it(`does what a sorted array does: ${name}`, () => {
      const random = new SeededRandom(seed)
      const region = newRegion()
      const state = newState()
      const index = new OrderedIndex(SCORED)
      const order = new ByAddress()
      const model: { score: number; address: number }[] = []
      const lowerBound = (score: number, address: number): number => {
        let low = 0
        let high = model.length
        while (low < high) {
          const middle = (low + high) >>> 1
          const entry = model[middle]!
          if (entry.score < score || (entry.score === score && entry.address < address)) low = middle + 1
          else high = middle
        }
        return low
      }
      let growing = true
      for (let turn = 0; turn < 40_000; turn++) {
        index.open(region, state, AT)
        if (model.length > 6000) growing = false
        if (model.length < 5) growing = true
        const score = random.int(0, scores - 1)
        const address = 1 + random.int(0, 999999)
        const place = lowerBound(score, address)
        order.wanted = address
        const found = index.seekScore(score, order)
        assert.equal(found, place < model.length)
        if (found) assert.deepEqual([index.score, index.address], [model[place]!.score, model[place]!.address])
        if (turn % 5 === 0) assert.equal(index.rank(), place)
        if (random.int(0, 9) < (growing ? 8 : 2)) {
          if (model[place]?.score === score && model[place].address === address) continue
          index.insertHere(address, score)
          model.splice(place, 0, { score, address })
          assert.equal(index.rank(), place)
        } else if (model.length > 0) {
          const position = random.int(0, model.length - 1)
          assert.equal(index.seekWeight(position), true)
          assert.deepEqual([index.score, index.address], [model[position]!.score, model[position]!.address])
          const kind = random.int(0, 3)
          if (kind === 0) {
            // A score between the neighbours'.
            const low = position > 0 ? model[position - 1]!.score : -1
            const high = position + 1 < model.length ? model[position + 1]!.score : scores
            if (high - low > 1) {
              model[position]!.score = low + (high - low) / 2
              index.setScore(low + (high - low) / 2)
            }
          } else {
            const behind = index.remove()
            model.splice(position, 1)
            assert.equal(behind, position < model.length)
            if (behind) assert.equal(index.address, model[position]!.address)
            if (turn % 5 === 0) assert.equal(index.rank(), position)
          }
        }
        if (turn % 500 === 0) {
          const contents = checkOrderedIndex(region, state, AT, SCORED)
          assert.deepEqual(
            contents.addresses,
            model.map((entry) => entry.address),
          )
          assert.deepEqual(
            contents.values,
            model.map((entry) => entry.score),
          )
        }
      }
      while (model.length > 0) {
        const position = random.int(0, model.length - 1)
        index.seekWeight(position)
        index.remove()
        model.splice(position, 1)
        if (model.length % 97 === 0) checkOrderedIndex(region, state, AT, SCORED)
      }
      expect([...state]).toEqual([...newState()])
      expect(region.arena.usedBytes).toBe(0)
    })
  }

  it('finds the ends of a range of scores, walks both ways, and counts', () => {
    const region = newRegion()
    const state = newState()
    const index = new OrderedIndex(SCORED).open(region, state, AT)
    for (let i = 0; i < 5000; i++) index.append(i + 1, Math.floor(i / 10))
    const reader = new OrderedIndexCursor(SCORED).open(new RegionView(region.memory, 0, region.seed), state, AT)
    expect([reader.seekScore(100, ENTRIES_AFTER), reader.rank(), reader.address]).toEqual([true, 1000, 1001])
    expect([reader.seekScore(100, ENTRIES_BEFORE), reader.rank(), reader.address]).toEqual([true, 1010, 1011])
    expect([reader.seekScore(1e9, ENTRIES_AFTER), reader.rank()]).toEqual([false, 5000])
    expect([reader.previous(), reader.address]).toEqual([true, 5000])
    let seen = 1
    while (reader.previous()) seen++
    expect(seen).toBe(5000)
    seen = 0
    for (let more = reader.first(); more; more = reader.next()) expect(reader.address).toBe(++seen)
    expect(seen).toBe(5000)
    expect([reader.previous(), reader.address]).toEqual([true, 5000])
  })

  it('is full after sorted loading and at least 70 % full after random inserts', () => {
    const region = newRegion()
    const state = newState()
    const index = new OrderedIndex(SCORED).open(region, state, AT)
    for (let i = 0; i < 30_000; i++) index.append(i + 1, i)
    expect(checkOrderedIndex(region, state, AT, SCORED).fill).toBeGreaterThan(0.98)
    const other = newState()
    index.open(region, other, AT)
    const random = new SeededRandom(9)
    for (let i = 0; i < 30_000; i++) {
      const score = random.int(0, 999999999)
      index.seekScore(score, ENTRIES_BEFORE)
      index.insertHere(i + 1, score)
    }
    expect(checkOrderedIndex(region, other, AT, SCORED).fill).toBeGreaterThan(0.7)
    for (const used of [state, other]) {
      index.open(region, used, AT)
      while (index.freeLastLeaf()) expect(index.levels()).toBeGreaterThan(0)
      expect([...used]).toEqual([...newState()])
    }
    expect(region.arena.usedBytes).toBe(0)
  })
})

describe('ordered index with weights', () => {
  for (const [seed, weightMax] of [
    [4, 100],
    [5, 1],
    [6, 3],
  ] as const) {
    it(`does what an array does, weights below ${weightMax}`, () => {
      const random = new SeededRandom(seed)
      const region = newRegion()
      const state = newState()
      const index = new OrderedIndex(WEIGHTED)
      const model: { address: number; weight: number }[] = []
      let stamp = 1
      let growing = true
      for (let turn = 0; turn < 40_000; turn++) {
        index.open(region, state, AT)
        if (model.length > 3000) growing = false
        if (model.length < 5) growing = true
        const total = index.totalWeight
        const weight = random.int(0, weightMax)
        const address = stamp++
        const goTo = (place: number): number => {
          // By position when there is one, else by steps.
          const wanted = total === 0 ? 0 : random.int(0, total - 1)
          if (total === 0) {
            index.first()
            for (let i = 0; i < place; i++) index.next()
            return place
          }
          assert.equal(index.seekWeight(wanted), true)
          let at = 0
          let rest = wanted
          while (rest >= model[at]!.weight) rest -= model[at++]!.weight
          assert.deepEqual([index.address, index.offset, index.weight], [model[at]!.address, rest, model[at]!.weight])
          return at
        }
        const action = random.int(0, 19)
        if (model.length === 0 || action === 0) {
          index.append(address, weight)
          model.push({ address, weight })
        } else if (action === 1) {
          index.prepend(address, weight)
          model.unshift({ address, weight })
        } else if (action === 2) {
          const at = goTo(0)
          index.setWeight(weight)
          model[at]!.weight = weight
        } else if (action === 3) {
          const at = goTo(0)
          index.setAddress(address)
          model[at]!.address = address
        } else if (action < (growing ? 15 : 9)) {
          const at = goTo(0)
          if (random.int(0, 1) === 0) {
            index.insertHere(address, weight)
            model.splice(at, 0, { address, weight })
          } else {
            index.insertAfter(address, weight)
            model.splice(at + 1, 0, { address, weight })
          }
          assert.deepEqual([index.address, index.weight], [address, weight])
        } else {
          const at = goTo(0)
          assert.equal(index.remove(), at + 1 < model.length)
          model.splice(at, 1)
          if (at < model.length) assert.equal(index.address, model[at]!.address)
          else if (model.length > 0) assert.deepEqual([index.previous(), index.address], [true, model[at - 1]!.address])
        }
        if (turn % 500 === 0) {
          const contents = checkOrderedIndex(region, state, AT, WEIGHTED)
          assert.deepEqual(
            contents.addresses,
            model.map((entry) => entry.address),
          )
          assert.deepEqual(
            contents.values,
            model.map((entry) => entry.weight),
          )
        }
      }
      const freed: number[] = []
      while (index.freeLastLeaf((entry) => freed.push(entry))) expect(freed.length).toBeGreaterThan(0)
      expect(freed.toSorted((a, b) => a - b)).toEqual(model.map((entry) => entry.address).toSorted((a, b) => a - b))
      expect(region.arena.usedBytes).toBe(0)
    })
  }

  it('finds by the caller’s order', () => {
    const region = newRegion()
    const state = newState()
    const index = new OrderedIndex(WEIGHTED).open(region, state, AT)
    for (let i = 1; i <= 20_000; i++) index.append(i * 2, 5)
    const order = new ByAddress()
    for (const wanted of [0, 2, 3, 777, 20_000, 39_999, 40_000]) {
      order.wanted = wanted
      expect(index.seekOrder(order)).toBe(true)
      expect(index.address).toBe(Math.max(2, wanted + (wanted % 2)))
      expect(index.rank()).toBe((index.address / 2 - 1) * 5)
    }
    order.wanted = 40_001
    expect(index.seekOrder(order)).toBe(false)
    expect(index.rank()).toBe(100_000)
  })

  it('needs 16 bytes for one entry, and says what it occupies', () => {
    const region = newRegion()
    const state = newState()
    const index = new OrderedIndex(WEIGHTED).open(region, state, AT)
    index.append(1, 5)
    expect([index.footprint(), region.arena.usedBytes]).toEqual([16, 16])
    for (let i = 0; i < 4000; i++) {
      index.prepend(i + 2, 1)
      assert.equal(index.footprint(), region.arena.usedBytes)
    }
    while (index.first()) {
      index.remove()
      assert.equal(index.footprint(), region.arena.usedBytes)
    }
    expect(region.arena.usedBytes).toBe(0)
  })
})

describe('ordered index at the end of memory, and on torn memory', () => {
  it('is as before when an insert finds no memory', () => {
    const region = newRegion(2 * RUN_BYTES)
    const state = newState()
    const index = new OrderedIndex(SCORED).open(region, state, AT)
    const random = new SeededRandom(11)
    const blocks: number[] = []
    for (let i = 0; i < 3000; i++) {
      const score = random.int(0, 999)
      index.seekScore(score, ENTRIES_BEFORE)
      index.insertHere(i + 1, score)
    }
    let refused = 0
    for (;;) {
      try {
        blocks.push(region.arena.allocate(1024))
      } catch {
        break
      }
    }
    for (let i = 0; i < 3000; i++) {
      const before = checkOrderedIndex(region, state, AT, SCORED)
      const score = random.int(0, 999)
      index.seekScore(score, ENTRIES_BEFORE)
      try {
        index.insertHere(i + 5000, score)
      } catch (error) {
        refused++
        expect((error as { code: string }).code).toBe('KEYSPACE_OUT_OF_MEMORY')
        expect(checkOrderedIndex(region, state, AT, SCORED)).toEqual(before)
        region.arena.free(blocks.pop()!)
      }
    }
    expect(refused).toBeGreaterThan(10)
  })

  it('always returns, whatever the memory holds', () => {
    const region = newRegion(4 << 20)
    const state = newState()
    const index = new OrderedIndex(SCORED).open(region, state, AT)
    for (let i = 0; i < 20_000; i++) index.append(i + 1, i)
    const random = new SeededRandom(12)
    const words = region.memory.i32[0]!
    const view = new RegionView(region.memory, 0, region.seed)
    const reader = new OrderedIndexCursor(SCORED)
    const order = new ByAddress()
    for (let round = 0; round < 3000; round++) {
      words[random.int(0, words.length - 1)] = random.int(0, 2 ** 32 - 1) | 0
      if (round % 10 === 0) words[random.int(0, words.length - 1)] = words[random.int(0, words.length - 1)]!
      const torn = round % 50 === 0 ? state.map((word) => word ^ random.int(0, 2 ** 16 - 1)) : state
      reader.open(view, torn, AT)
      order.wanted = random.int(0, 19999)
      reader.seekScore(order.wanted, order)
      reader.seekOrder(order)
      reader.seekWeight(random.int(0, 19999))
      for (let i = 0; i < 20; i++) reader.next()
      for (let i = 0; i < 20; i++) reader.previous()
      reader.rank()
    }
    expect(reader.entries).toBeGreaterThanOrEqual(0)
    expect(Arena.blockBytes(1)).toBe(16)
  })
})
