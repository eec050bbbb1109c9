import {
  cachedCardinality,
  createSparse,
  denseRegister,
  describeSparse,
  elementIndex,
  elementRun,
  estimateCardinality,
  hashElement,
  HLL_DENSE_BYTES,
  HLL_REGISTERS,
  type HllBytes,
  mergeRegisters,
  raiseRegister,
  sparseToDense,
  writeCardinality,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

function empty(): HllBytes {
  const hll = { bytes: new Uint8Array(64), length: 0 }
  createSparse(hll)
  return hll
}

/** MurmurHash64A as its author defines it, in 64-bit arithmetic. */
function murmur(bytes: Uint8Array): bigint {
  const M = 0xc6a4a7935bd1e995n
  const wrap = (value: bigint): bigint => BigInt.asUintN(64, value)
  const word = (at: number, count: number): bigint => {
    let value = 0n
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!)
    return value
  }
  let hash = 0xadc83b19n ^ wrap(BigInt(bytes.length) * M)
  let at = 0
  for (; at + 8 <= bytes.length; at += 8) {
    let part = wrap(word(at, 8) * M)
    part = wrap((part ^ (part >> 47n)) * M)
    hash = wrap((hash ^ part) * M)
  }
  if (at < bytes.length) hash = wrap((hash ^ word(at, bytes.length - at)) * M)
  hash = wrap((hash ^ (hash >> 47n)) * M)
  return hash ^ (hash >> 47n)
}

describe('HyperLogLog', () => {
  it('hashes elements of every length', () => {
    const random = new SeededRandom(4)
    for (let i = 0; i < 3000; i++) {
      const bytes = random.bytes(random.int(0, 40))
      const hash = murmur(bytes)
      hashElement(Buffer.concat([Buffer.from('xyz'), bytes, Buffer.from('xyz')]), 3, 3 + bytes.length)
      let run = 1
      while (run < 51 && ((hash >> BigInt(13 + run)) & 1n) === 0n) run++
      expect([elementIndex, elementRun]).toEqual([Number(hash & 16_383n), run])
    }
  })

  it('keeps the same registers sparse and dense, and becomes dense at the given size', () => {
    const random = new SeededRandom(5)
    for (const sparseBytesMax of [100, 1000, 16_000]) {
      const hll = empty()
      const expected = new Uint8Array(HLL_REGISTERS)
      for (let i = 0; i < 3000; i++) {
        const index = random.chance(0.3) ? random.int(0, 60) : random.int(0, HLL_REGISTERS - 1)
        const run = random.int(1, random.chance(0.001) ? 51 : 6)
        const raised = run > expected[index]!
        if (raised) expected[index] = run
        expect(raiseRegister(hll, index, run, sparseBytesMax)).toBe(raised ? 'changed' : 'same')
        if (hll.length !== HLL_DENSE_BYTES) expect(hll.length).toBeLessThanOrEqual(sparseBytesMax)
      }
      const registers = new Uint8Array(HLL_REGISTERS)
      expect(mergeRegisters(registers, hll)).toBe(true)
      expect(registers).toEqual(expected)
      expect(sparseToDense(hll)).toBe(true)
      expect(Uint8Array.from(expected, (_, index) => denseRegister(hll.bytes, index))).toEqual(expected)
    }
  })

  it('splits and joins runs as Redis does', () => {
    const hll = empty()
    expect(describeSparse(hll)).toBe('Z:16384')
    raiseRegister(hll, 100, 3, 3000)
    expect(describeSparse(hll)).toBe('Z:100 v:3,1 Z:16283')
    raiseRegister(hll, 101, 3, 3000)
    raiseRegister(hll, 99, 3, 3000)
    expect(describeSparse(hll)).toBe('Z:99 v:3,3 Z:16282')
    raiseRegister(hll, 100, 5, 3000)
    expect(describeSparse(hll)).toBe('Z:99 v:3,1 v:5,1 v:3,1 Z:16282')
    raiseRegister(hll, 16_383, 1, 3000)
    raiseRegister(hll, 0, 32, 3000)
    expect(describeSparse(hll)).toBe('v:32,1 Z:98 v:3,1 v:5,1 v:3,1 Z:16281 v:1,1')
  })

  it('refuses runs that do not cover the registers', () => {
    for (const runs of [[0x7f, 0xfe], [0x7f, 0xff, 0x00], [0x7f], []]) {
      const hll = empty()
      hll.bytes.set(runs, 16)
      hll.length = 16 + runs.length
      expect(mergeRegisters(new Uint8Array(HLL_REGISTERS), hll)).toBe(false)
      expect(sparseToDense(hll)).toBe(false)
    }
  })

  it('estimates within the error of the algorithm, and stores what it estimates', () => {
    const registers = new Uint8Array(HLL_REGISTERS)
    expect(estimateCardinality(registers)).toBe(0)
    const element = new Uint8Array(4)
    for (let count = 1; count <= 100_000; count++) {
      new DataView(element.buffer).setUint32(0, count)
      hashElement(element, 0, 4)
      registers[elementIndex] = Math.max(registers[elementIndex]!, elementRun)
    }
    expect(Math.abs(Number(estimateCardinality(registers)) - 100_000)).toBeLessThan(3000)
    registers.fill(51)
    expect(estimateCardinality(registers)).toBe(-(2n ** 63n))
    const { bytes } = empty()
    for (const value of [0, 1, 2 ** 32 + 7, 2 ** 53 - 1, 2n ** 62n + 3n]) {
      writeCardinality(bytes, 8, value)
      expect(cachedCardinality(bytes)).toBe(value)
    }
    writeCardinality(bytes, 8, -(2n ** 63n))
    expect(cachedCardinality(bytes)).toBe(-1)
  })
})
