import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { sha1, sha1OfHash, SHA1_BYTES, SHA1_WORDS } from '../../../packages/core/dist/internal.js'

function hexOf(hash: Int32Array): string {
  const bytes = Buffer.alloc(SHA1_BYTES)
  hash.forEach((word, i) => bytes.writeInt32BE(word, i * 4))
  return bytes.toString('hex')
}

const theirs = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

describe('SHA-1', () => {
  it('of every length up to four blocks is what node:crypto says, wherever the text stands', () => {
    const hash = new Int32Array(SHA1_WORDS)
    for (let length = 0; length <= 256; length++) {
      const bytes = randomBytes(length + 7)
      const start = length % 8
      const text = bytes.subarray(start, start + length)
      sha1(bytes, start, start + text.length, hash)
      expect(hexOf(hash), `${length} bytes`).toBe(theirs(text))
    }
  })

  it('of a long text, and of one whose bytes are all set', () => {
    const hash = new Int32Array(SHA1_WORDS)
    for (const bytes of [randomBytes(100_003), Buffer.alloc(65_536, 0xff)]) {
      sha1(bytes, 0, bytes.length, hash)
      expect(hexOf(hash)).toBe(theirs(bytes))
    }
  })

  it('of its own hash, again and again', () => {
    const hash = new Int32Array(SHA1_WORDS)
    sha1(Buffer.from('abc'), 0, 3, hash)
    expect(hexOf(hash)).toBe('a9993e364706816aba3e25717850c26c9cd0d89d')
    let expected = 'a9993e364706816aba3e25717850c26c9cd0d89d'
    for (let i = 0; i < 100; i++) {
      sha1OfHash(hash)
      expected = theirs(Buffer.from(expected, 'hex'))
    }
    expect(hexOf(hash)).toBe(expected)
  })
})
