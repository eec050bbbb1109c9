import { listpackCheck, listpackCreate, listpackAppend, listpackLast } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

/** Lengths of strings whose item, with its header, is one byte short of what so many groups of seven bits can say. */
const LAST_OF_THEIR_LENGTH = [16_378, 2_097_146]

describe('the length behind an item', () => {
  for (const length of [126, 127, 16_377, 16_379, 2_097_145, 2_097_147, ...LAST_OF_THEIR_LENGTH]) {
    it(`of a string of ${length} bytes is as long as Redis makes it`, () => {
      const text = Buffer.alloc(length, 'x')
      const bytes = new Uint8Array(length + 40)
      listpackCreate(bytes, 0)
      const total = listpackAppend(bytes, 0, text, 0, length)
      const content = length + (length < 64 ? 1 : length < 4096 ? 2 : 5)
      const groups = Math.ceil(Math.log2(content + 1) / 7) + (LAST_OF_THEIR_LENGTH.includes(length) ? 1 : 0)
      expect(total).toBe(6 + content + groups + 1)
      expect(listpackCheck(bytes, 0, total)).toBe(1)
      expect(listpackLast(bytes, 0)).toBe(6)
    })
  }
})
