/**
 * Scores of a packed sorted set in a snapshot. Redis 7.0 and older write a fraction with 17 digits (1.1499999999999999); the
 * shortest text of the same number (1.15) takes half of that, in every such element for as long as the set lives.
 */
import { LISTPACK_END, LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import { listpackSkip, listpackWriteHeader, listpackWriteItem } from '../encoding/listpack-edit.ts'
import { parseScore, SCORE_TEXT_BYTES_MAX, writePackedScore } from '../encoding/score-text.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'

/** Shorter texts are left as they are: reading and writing one costs about as much as inserting a key. */
const LONG_TEXT_BYTES = 12
/** First byte of an item that is a text of at most 63 bytes: these bits, and the length in the others. */
const TEXT_MASK = 0xc0
const TEXT = 0x80

const text: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)

/**
 * Copies the well-formed listpack `bytes[start .. end)` of members and scores to the beginning of `target`, which has room
 * for as much, with shorter texts for its scores. @returns its length; -1 when no score has a shorter one.
 */
export function shortenScores(bytes: Uint8Array, start: number, end: number, target: Uint8Array): number {
  const view = viewOf(bytes)
  const targetView = viewOf(target)
  let copied = start
  let to = 0
  for (let at = start + LISTPACK_HEADER_BYTES; bytes[at] !== LISTPACK_END;) {
    const score = listpackSkip(bytes, at)
    at = listpackSkip(bytes, score)
    const length = bytes[score]! & ~TEXT_MASK
    if ((bytes[score]! & TEXT_MASK) !== TEXT || length < LONG_TEXT_BYTES) continue
    const value = parseScore(bytes, score + 1, score + 1 + length)
    // What is no number is refused by whoever reads it.
    if (Number.isNaN(value)) continue
    const shorter = writePackedScore(value, text, 0)
    if (shorter >= length) continue
    copyBytes(bytes, view, copied, score, target, targetView, to)
    to = listpackWriteItem(text, 0, shorter, target, to + score - copied, targetView)
    copied = at
  }
  if (copied === start) return -1
  copyBytes(bytes, view, copied, end, target, targetView, to)
  to += end - copied
  listpackWriteHeader(target, 0, to, 0)
  return to
}
