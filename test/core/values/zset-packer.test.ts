/** Sorted sets that are packed as their elements come, against a sorted array. */
import { HashSeed, listpackCheck, SortedSet, ZsetPacker } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

const SEED = new HashSeed(Uint8Array.from({ length: 16 }, (_, i) => 3 + 29 * i))

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
