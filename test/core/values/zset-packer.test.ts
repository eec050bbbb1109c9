/** Sorted sets that are packed as their elements come, against a sorted array, and against those that come in another order. */
import {
  BulkWriter,
  Generation,
  HashSeed,
  listpackCheck,
  RDB_TYPE_ZSET_2,
  SortedSet,
  ZsetPacker,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { contentsOf } from '../../support/keyspace-contents.ts'
import { adopt } from '../../support/keyspace-digest.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const SEED_BYTES = Uint8Array.from({ length: 16 }, (_, i) => 3 + 29 * i)
const SEED = new HashSeed(SEED_BYTES)

type Element = readonly [member: string, score: number]

function pack(packer: ZsetPacker, elements: readonly Element[]): number {
  packer.begin(SEED)
  for (const [index, [member, score]] of elements.entries()) {
    const bytes = Buffer.from(`-${member}-`)
    if (!packer.add(bytes, 1, bytes.length - 1, score)) return index
  }
  return elements.length
}

function unpack(packer: ZsetPacker): Element[] {
  packer.finish()
  const { bytes, start, end } = packer
  expect(listpackCheck(bytes, start, end)).toBe(packer.count * 2)
  const set = new SortedSet().openPacked(bytes, start, end)
  const elements: Element[] = []
  for (let more = set.seekRank(0); more; more = set.next()) {
    elements.push([Buffer.from(set.memberBytes.subarray(set.memberStart, set.memberEnd)).toString(), set.score])
  }
  return elements
}

/** In their order: scores, whole and not, of which many are equal; members that are texts, and integers. */
function sorted(count: number): Element[] {
  const elements = Array.from({ length: count }, (_, i): Element => {
    const member = i % 3 === 0 ? String(i * 7919) : `member:${(i * 7919) % 10_007}`
    return [member, i % 2 === 0 ? Math.floor(i / 9) : i / 100]
  })
  return elements.sort((a, b) => a[1] - b[1] || Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0])))
}

describe('zset packer', () => {
  const packer = new ZsetPacker()

  it.each([0, 1, 2, 3, 60, 256])('packs %i elements, rising and falling', (count) => {
    const elements = sorted(count)
    expect(pack(packer, elements)).toBe(count)
    expect(unpack(packer)).toEqual(elements)
    expect(pack(packer, elements.toReversed())).toBe(count)
    expect(unpack(packer)).toEqual(elements)
  })

  it('keeps what it took when an element is not at its place', () => {
    expect(
      pack(packer, [
        ['a', 1],
        ['b', 3],
        ['c', 2],
      ]),
    ).toBe(2)
    expect(unpack(packer)).toEqual([
      ['a', 1],
      ['b', 3],
    ])
    expect(
      pack(packer, [
        ['a', 3],
        ['b', 1],
        ['c', 2],
      ]),
    ).toBe(2)
    expect(unpack(packer)).toEqual([
      ['b', 1],
      ['a', 3],
    ])
  })

  it('takes no member twice', () => {
    expect(
      pack(packer, [
        ['a', 1],
        ['a', 1],
      ]),
    ).toBe(1)
    expect(
      pack(packer, [
        ['a', 1],
        ['b', 2],
        ['a', 3],
      ]),
    ).toBe(2)
    expect(
      pack(packer, [
        ['10', 3],
        ['b', 2],
        ['10', 1],
      ]),
    ).toBe(2)
    expect(
      pack(packer, [
        ['a', 2],
        ['b', 1],
        ['a', 0],
      ]),
    ).toBe(2)
  })

  it.each(['rising', 'falling'])('ends with what a listpack may have: %s', (direction) => {
    const elements = Array.from({ length: 200 }, (_, i): Element => ['x'.repeat(60) + String(i + 100), i])
    const given = direction === 'rising' ? elements : elements.toReversed()
    const taken = pack(packer, given)
    expect(taken).toBeGreaterThan(100)
    expect(taken).toBeLessThan(200)
    const order = direction === 'rising' ? given.slice(0, taken) : given.slice(0, taken).toReversed()
    expect(unpack(packer)).toEqual(order)
    expect(packer.end - packer.start).toBeLessThanOrEqual(packer.bytes.length)
    expect(pack(packer, sorted(300))).toBe(256)
  })
})

/** What a snapshot with these elements, in this order, is loaded as: form, flags and bytes. */
function loaded(elements: readonly Element[]): string | undefined {
  const value = new RdbBuilder('').length(elements.length)
  for (const [member, score] of elements) {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(score)
    value.string(member).raw(bytes)
  }
  const bytes = Buffer.concat([Buffer.from('key'), value.bytes()])
  const writer = new BulkWriter(Generation.create({ databaseCount: 1, hashSeed: SEED_BYTES }))
  writer.put(0, RDB_TYPE_ZSET_2, bytes, 0, 3, bytes, 3, bytes.length, -1, -1, -1)
  writer.flush()
  return contentsOf(adopt(writer.generation.transfer(), SEED_BYTES, 1)).get('0 key')
}

describe('sorted sets of a snapshot', () => {
  it.each([1, 2, 9, 128, 129, 256, 257, 700])('are the same in any order of %i elements', (count) => {
    const elements = sorted(count)
    const expected = loaded(elements)
    expect(expected).toBeDefined()
    expect(loaded(elements.toReversed())).toBe(expected)
    const random = new SeededRandom(66)
    const key = new Map(elements.map((element) => [element, random.float()]))
    expect(loaded(elements.toSorted((a, b) => key.get(a)! - key.get(b)!))).toBe(expected)
  })

  it('keep the sign of zero where Redis has a skiplist', () => {
    const others = sorted(100).map(([member, score]): Element => [member, score + 1])
    const skiplist = 'x'.repeat(65)
    expect(loaded([['a', -0], ...others])).toBe(loaded([['a', 0], ...others]))
    expect(loaded([['a', -0], [skiplist, 0], ...others])).not.toBe(loaded([['a', 0], [skiplist, 0], ...others]))
  })

  it('are refused with a member that comes twice', () => {
    for (const count of [3, 200, 300]) {
      const elements = sorted(count)
      const again: Element = [elements[1]![0], count + 1]
      expect(() => loaded([...elements, again]), `${count}`).toThrow('a member comes twice')
      expect(() => loaded([again, ...elements.toReversed()]), `${count}`).toThrow('a member comes twice')
    }
  })
})
