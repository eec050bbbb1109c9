/** Edits of an intset against a sorted array of bigints, and the bytes against those of a builder by hand. */
import {
  INTSET_HEADER_BYTES,
  intsetCheck,
  intsetCount,
  intsetCreate,
  intsetInsert,
  intsetRemove,
  intsetSearch,
  intsetWiden,
  intsetWidth,
  intsetWidthFor,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { buildIntset } from '../../support/packed-builder.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

function halves(value: bigint): [lo: number, hi: number] {
  return [Number(BigInt.asIntN(32, value)), Number(value >> 32n)]
}

describe('intset edits', () => {
  it.each([
    [2, 15n],
    [4, 31n],
    [8, 63n],
  ])('do what a sorted array does, up to %i bytes', (widest, bits) => {
    const random = new SeededRandom(widest)
    const bytes = new Uint8Array(20_000)
    const start = 3
    intsetCreate(bytes, start)
    let model: bigint[] = []
    for (let step = 0; step < 4000; step++) {
      const wide = BigInt.asIntN(Number(bits) + 1, (BigInt(random.uint32()) << 32n) | BigInt(random.uint32()))
      const value = random.chance(0.3) && step > 500 ? wide : BigInt(random.int(-300, 300))
      const [lo, hi] = halves(value)
      const found = intsetSearch(bytes, start, lo, hi)
      const index = model.indexOf(value)
      if (index >= 0) {
        expect(found).toBe(index)
        if (random.chance(0.6)) {
          intsetRemove(bytes, start, found)
          model.splice(index, 1)
        }
      } else {
        const at = model.filter((one) => one < value).length
        expect(found).toBe(-1 - at)
        if (model.length < 1000) {
          const width = intsetWidthFor(lo, hi)
          if (width > intsetWidth(bytes, start)) intsetWiden(bytes, start, width)
          intsetInsert(bytes, start, at, lo, hi)
          model = model.toSpliced(at, 0, value)
        }
      }
    }
    const width = intsetWidth(bytes, start)
    const end = start + INTSET_HEADER_BYTES + model.length * width
    expect(width).toBe(widest)
    expect(intsetCount(bytes, start)).toBe(model.length)
    expect(intsetCheck(bytes, start, end)).toBe(model.length)
    expect(Buffer.from(bytes.subarray(start, end)).equals(buildIntset(width, model))).toBe(true)
  })
})
