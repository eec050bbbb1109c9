import { xxh3Hex } from '@understudy/core/internal'
import { expect, it } from 'vitest'

/** Length of `bytesOf()`, digest by the reference implementation (xxHash 0.8). One or two for each way of computing it. */
const DIGESTS: readonly (readonly [length: number, digest: string])[] = [
  [0, '2d06800538d394c2'],
  [1, 'f319fe2bdfcdfebd'],
  [2, '6c2ca74ca555b69d'],
  [3, 'a107bb65b715c89b'],
  [4, '509f0567aa8a3123'],
  [7, '7d56f02b162bee3c'],
  [8, 'b1433dc39b7f946e'],
  [9, 'fe2542440b36ddc7'],
  [15, 'ed08d99f5f3a0d83'],
  [16, '715189ff3dcdcff6'],
  [17, '7d33163b8af0179c'],
  [32, '909ca0c765b1753c'],
  [33, '60f5a6ac1c8b4a59'],
  [64, '0991d97cd58dd82d'],
  [65, '8e4f57a107b176db'],
  [96, '8adaf9d6e4f4721f'],
  [97, 'c1e958e855648d78'],
  [128, 'ee847f7fcef4ddbc'],
  [129, '7e3e7b750239d4fc'],
  [144, 'be85dae44037bafd'],
  [159, '0f47974cc06cfbd5'],
  [239, '1d79153451245f8c'],
  [240, '44089a144aade02d'],
  [241, 'ed93572e52acac83'],
  [255, 'ecede890dd88244b'],
  [256, '5356e48742805b6a'],
  [1023, '047380aa65016bf5'],
  [1024, 'f9bf1ee035a040ac'],
  [1025, '70a447382d332cf9'],
  [1088, 'e7ccccf692f97a9e'],
  [1089, 'dbffe87a9420c9d8'],
  [2048, 'f822771e45ed0902'],
  [2049, 'ce7f6ffd4c22ab1f'],
  [5000, 'd37060becfa14582'],
  [100000, '5ec46c7ed15d3a91'],
]

function bytesOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 131 + (i >> 8) * 7 + 17) & 255))
}

it.each(DIGESTS)('digests %i bytes', (length, digest) => {
  const bytes = bytesOf(length)
  const copy = (from: number, to: number, target: Uint8Array, at: number): void => {
    target.set(bytes.subarray(from, to), at)
  }
  expect(xxh3Hex({ length, copy })).toBe(digest)
})
