import { execFileSync } from 'node:child_process'
import { LzfPieces, lzfCheck, lzfCompress, lzfDecompress } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Bytes with repetitions near and far, some incompressible. */
function sample(random: SeededRandom, length: number): Buffer {
  const parts: Buffer[] = []
  let size = 0
  while (size < length) {
    const part = random.chance(0.4)
      ? random.bytes(random.int(1, 40))
      : Buffer.alloc(random.int(1, 900), random.text(random.int(1, 6)))
    parts.push(part)
    size += part.length
  }
  return Buffer.concat(parts).subarray(0, length)
}

function compress(bytes: Uint8Array): Uint8Array {
  const target = new Uint8Array(bytes.length * 2 + 64)
  return target.subarray(0, lzfCompress(bytes, 0, bytes.length, target, 0, target.length))
}

describe('LZF', () => {
  it('gives back what it compressed, whole and in pieces', () => {
    const random = new SeededRandom(3)
    for (let round = 0; round < 200; round++) {
      const bytes = sample(random, random.int(1, round < 190 ? 2000 : 60_000))
      const compressed = compress(bytes)
      expect(compressed.length).toBeGreaterThan(0)
      expect(lzfCheck(compressed, 0, compressed.length, bytes.length)).toBe(true)
      const target = new Uint8Array(bytes.length + 2).fill(7)
      expect(lzfDecompress(compressed, 0, compressed.length, target, 1, 1 + bytes.length)).toBe(true)
      expect(Buffer.compare(target.subarray(1, 1 + bytes.length), bytes)).toBe(0)
      expect([target[0], target[bytes.length + 1]]).toEqual([7, 7])
      const pieces = new LzfPieces(compressed, 0, compressed.length, 500)
      const parts: Uint8Array[] = []
      while (pieces.next()) parts.push(pieces.bytes.slice(pieces.start, pieces.end))
      expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0)
    }
  })

  it('compresses what repeats and says so when there is no gain', () => {
    const bytes = Buffer.alloc(10_000, 'abcdefgh')
    expect(compress(bytes).length).toBeLessThan(250)
    const noise = new SeededRandom(4).bytes(1000)
    expect(lzfCompress(noise, 0, 1000, new Uint8Array(996), 0, 996)).toBe(0)
  })

  it('gives the same without WebAssembly, for targets of any length', () => {
    const random = new SeededRandom(6)
    const inputs = Array.from({ length: 300 }, (_, i) => sample(random, random.int(1, i < 290 ? 3000 : 300_000)))
    // One longer than WebAssembly takes, of much repetition.
    inputs.push(sample(random, 700_000))
    const script = `import { lzfCompress } from '@understudy/core/internal'
      import { readFileSync } from 'node:fs'
      import { createHash } from 'node:crypto'
      const all = readFileSync(0)
      for (let at = 0; at < all.length; ) {
        const length = all.readUInt32LE(at)
        const start = at + 4
        at = start + length
        const targets = [length + (length >>> 5) + 8, length - 4, length >>> 1, length >>> 3]
        const answers = targets.filter((bytes) => bytes > 0).map((bytes) => {
          // Nothing behind the end may be written.
          const target = Buffer.alloc(bytes + 40, 9)
          const count = lzfCompress(all, start, at, target, 3, 3 + bytes)
          return count + createHash('md5').update(target.subarray(0, 3 + count)).update(target.subarray(3 + bytes)).digest('hex')
        })
        console.log(answers.join(' '))
      }`
    const input = Buffer.concat(
      inputs.flatMap((bytes) => {
        const head = Buffer.alloc(4)
        head.writeUInt32LE(bytes.length)
        return [head, bytes]
      }),
    )
    const printedBy = (...flags: string[]): string =>
      execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', script], {
        input,
        cwd: import.meta.dirname,
        encoding: 'utf8',
        maxBuffer: 1 << 24,
      })
    const withWords = printedBy()
    expect(withWords.trim().split('\n')).toHaveLength(inputs.length)
    expect(printedBy('--jitless')).toBe(withWords)
  })

  it('forgets the places of earlier inputs, also when it counts anew', () => {
    const random = new SeededRandom(7)
    // 8 KiB are counted for each, and 2^30 in all.
    const bytes = random.bytes(30)
    for (let i = 0; i < 140_000; i++) {
      if (lzfCompress(bytes, 0, 30, new Uint8Array(40), 0, 26) !== 0)
        throw new Error(`a copy from an earlier input, ${i}`)
    }
    const text = sample(random, 5000)
    const target = new Uint8Array(5000)
    const compressed = compress(text)
    expect(lzfDecompress(compressed, 0, compressed.length, target, 0, 5000)).toBe(true)
    expect(Buffer.compare(target, text)).toBe(0)
  })

  it('refuses every damaged input without writing outside the target', () => {
    const random = new SeededRandom(5)
    const bytes = sample(random, 500)
    const compressed = compress(bytes)
    for (let round = 0; round < 3000; round++) {
      const damaged = compressed.slice(0, random.chance(0.3) ? random.int(0, compressed.length) : compressed.length)
      if (damaged.length > 0) damaged[random.int(0, damaged.length - 1)] = random.int(0, 255)
      const target = new Uint8Array(600).fill(9)
      const good = lzfDecompress(damaged, 0, damaged.length, target, 50, 550)
      expect(lzfCheck(damaged, 0, damaged.length, 500)).toBe(good)
      expect(target.subarray(0, 50).every((byte) => byte === 9)).toBe(true)
      expect(target.subarray(550).every((byte) => byte === 9)).toBe(true)
    }
  })
})
