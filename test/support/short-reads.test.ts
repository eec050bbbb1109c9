import { describe, expect, it } from 'vitest'
import { SeededRandom } from './seeded-random.ts'
import { cutRandomly, cuttings, feed } from './short-reads.ts'

const bytes = new SeededRandom(1).bytes(1000)

describe('cuttings', () => {
  it('cuts whole, byte by byte and randomly, without losing, adding or reordering a byte', () => {
    const all = cuttings(bytes, { seed: 9, rounds: 10 })
    expect(all).toHaveLength(12)
    for (const { name, pieces } of all) {
      expect(Buffer.concat(pieces).equals(bytes), name).toBe(true)
      expect(
        pieces.every((piece) => piece.length > 0),
        name,
      ).toBe(true)
    }
    expect(all[0]?.pieces).toHaveLength(1)
    expect(all[1]?.pieces).toHaveLength(1000)
    expect(new Set(all.map(({ pieces }) => pieces.length)).size).toBeGreaterThan(6)
  })

  it('repeats itself for the same seed, and not for another', () => {
    const sizes = (seed: number): number[][] =>
      cuttings(bytes, { seed }).map(({ pieces }) => pieces.map((piece) => piece.length))
    expect(sizes(1)).toEqual(sizes(1))
    expect(sizes(1)).not.toEqual(sizes(2))
  })

  it('keeps to the longest piece allowed, and copes with nothing', () => {
    const random = new SeededRandom(2)
    for (let i = 0; i < 20; i++) {
      expect(Math.max(...cutRandomly(bytes, random, 7).map((piece) => piece.length))).toBeLessThanOrEqual(7)
    }
    for (const { pieces } of cuttings(Buffer.alloc(0), { seed: 1 })) expect(pieces).toEqual([])
  })
})

describe('feed', () => {
  it('lends each piece only for the call, with other bytes around it', () => {
    const kept: Buffer[] = []
    let joined = Buffer.alloc(0)
    feed({ name: 'two', pieces: [Buffer.from('ab'), Buffer.from('c')] }, (piece) => {
      kept.push(piece)
      joined = Buffer.concat([joined, piece])
      expect(piece.byteOffset).toBeGreaterThan(0)
      expect(new Uint8Array(piece.buffer, piece.byteOffset + piece.length, 1)[0]).toBe(0xa5)
    })
    expect(joined.toString()).toBe('abc')
    expect(kept.map((piece) => piece.toString())).toEqual(['ZZ', 'Z'])
  })
})
