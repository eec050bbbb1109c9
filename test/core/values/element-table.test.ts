/** The table of a value's elements against a Map: long fields and values, times to live, walks, draws, copies, freeing. */
import { strict as assert } from 'node:assert'
import { Arena, ElementTable, Generation, LargeValue, LazyFree, freePlainRecord } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { pooledBytes } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const ROOT = 1

interface Fixture {
  generation: Generation
  lazyFree: LazyFree
  words: Int32Array
  table: ElementTable
}

function newTable(region = 3): Fixture {
  const generation = Generation.create({
    databaseCount: 1,
    hashSeed: new SeededRandom(1).bytes(16),
    segmentBytesMax: 64 << 20,
  })
  const { regions } = generation
  const lazyFree: LazyFree = new LazyFree((owner, address) => freePlainRecord(regions, lazyFree, owner, address))
  const words = new Int32Array(8)
  words[0] = region
  const table = new ElementTable().open(new LargeValue().open(regions, lazyFree, 64, words, 0), ROOT)
  return { generation, lazyFree, words, table }
}

/** Every block of the table: what the arena has in use, to the byte. */
function expectNothingLost({ generation, words }: Fixture, table: ElementTable): void {
  let sum = 0
  table.visitBlocks((_, bytes) => (sum += Arena.blockBytes(bytes)))
  expect(generation.regions[words[0]! & 0xff]!.arena.usedBytes).toBe(sum)
}

function name(random: SeededRandom): Buffer {
  const kind = random.float()
  if (kind < 0.9) return Buffer.from(`field:${random.int(0, 3000)}`)
  if (kind < 0.95) return Buffer.alloc(random.int(0, 300), `${random.int(0, 50)}.`)
  return Buffer.alloc(random.int(8000, 40_000), `${random.int(0, 20)}.`)
}

function value(random: SeededRandom): Buffer {
  const kind = random.float()
  if (kind < 0.9) return pooledBytes(random, random.int(0, 60))
  return pooledBytes(random, random.int(16_300, 50_000))
}

describe('element table', () => {
  it.each([1, 2, 3])('does what a Map does, seed %i', (seed) => {
    const random = new SeededRandom(seed)
    const fixture = newTable()
    const { table } = fixture
    const model = new Map<string, { value: Buffer; expireAtMs: number }>()
    for (let step = 0; step < 12_000; step++) {
      const field = name(random)
      const key = field.toString('latin1')
      const there = model.get(key)
      assert.equal(table.find(field, 0, field.length), there !== undefined)
      if (there !== undefined) {
        assert.ok(table.element.toBuffer().equals(there.value))
        assert.equal(table.element.expireAtMs, there.expireAtMs)
        assert.ok(table.element.keyToBuffer().equals(field))
      }
      if (random.chance(0.35)) {
        if (there === undefined) continue
        table.remove()
        model.delete(key)
        continue
      }
      const made = { value: value(random), expireAtMs: random.chance(0.3) ? 2 ** 41 + step : -1 }
      if (there === undefined) {
        table.insert(field, 0, field.length, made.value, 0, made.value.length, made.expireAtMs)
      } else table.setValue(field, 0, field.length, made.value, 0, made.value.length, made.expireAtMs)
      model.set(key, made)
    }
    expect(table.count).toBe(model.size)
    expect(table.expires).toBe([...model.values()].filter(({ expireAtMs }) => expireAtMs !== -1).length)
    expectNothingLost(fixture, table)

    const walked = new Set<string>()
    table.forEach((element) => walked.add(element.keyToBuffer().toString('latin1')))
    expect(walked).toEqual(new Set(model.keys()))
    for (const count of [1, 10, 1000]) {
      const seen: string[] = []
      let cursor = 0
      do {
        cursor = table.scan(cursor, count, (element) => seen.push(element.keyToBuffer().toString('latin1')))
        expect(cursor).toBeLessThan(2 ** 32)
      } while (cursor !== 0)
      expect(seen.length).toBe(model.size)
      expect(new Set(seen)).toEqual(walked)
    }
    expect(table.random(() => random.float())).toBe(true)
    expect(model.has(table.element.keyToBuffer().toString('latin1'))).toBe(true)
    expect(table.findLoaded()).toBe(true)

    // A copy in another region, then both freed in slices.
    const copy = newCopy(fixture, table)
    expect(copy.count).toBe(model.size)
    expect(copy.expires).toBe(table.expires)
    for (const [key, { value: expected }] of model) {
      const field = Buffer.from(key, 'latin1')
      expect(copy.find(field, 0, field.length)).toBe(true)
      expect(copy.element.toBuffer().equals(expected)).toBe(true)
    }
    table.free()
    copy.free()
    while (fixture.lazyFree.step(1000));
    expect(fixture.generation.usedBytes).toBe(0)
  })

  it('meets every element in a scan that goes on while the table grows', () => {
    const { table } = newTable()
    const add = (i: number): void => {
      const field = Buffer.from(`f${i}`)
      if (!table.find(field, 0, field.length)) table.insert(field, 0, field.length, field, 0, 0, -1)
    }
    for (let i = 0; i < 500; i++) add(i)
    const seen = new Set<string>()
    let next = 500
    for (let cursor = 0, first = true; first || cursor !== 0; first = false) {
      cursor = table.scan(cursor, 7, (element) => seen.add(element.keyToBuffer().toString()))
      for (let i = 0; i < 100 && next < 6000; i++) add(next++)
    }
    for (let i = 0; i < 500; i++) expect(seen.has(`f${i}`), `f${i}`).toBe(true)
  })

  it('draws from a table that was full once', () => {
    const { table } = newTable()
    for (let i = 0; i < 20_000; i++) {
      const field = Buffer.from(`f${i}`)
      table.find(field, 0, field.length)
      table.insert(field, 0, field.length, field, 0, 0, -1)
    }
    for (let i = 3; i < 20_000; i++) {
      const field = Buffer.from(`f${i}`)
      table.find(field, 0, field.length)
      table.remove()
    }
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      expect(table.random(Math.random)).toBe(true)
      seen.add(table.element.keyToBuffer().toString())
    }
    expect(seen).toEqual(new Set(['f0', 'f1', 'f2']))
  })
})

function newCopy({ generation, lazyFree }: Fixture, table: ElementTable): ElementTable {
  const words = new Int32Array(8)
  words[0] = 5
  table.copyTo(generation.regions[5]!, words, ROOT)
  return new ElementTable().open(new LargeValue().open(generation.regions, lazyFree, 64, words, 0), ROOT)
}
