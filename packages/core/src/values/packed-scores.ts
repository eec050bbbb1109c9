/**
 * Finding places in a packed sorted set, which is a listpack of member, score, member, score …, ascending. Well-formed bytes are
 * taken for granted (they were checked when they came from outside); loops end on any.
 */
import { listpackSkip } from '../encoding/listpack-edit.ts'
import { parseScore } from '../encoding/score-text.ts'
import { readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { compareMembers } from './member-order.ts'

const TWO_32: number = 2 ** 32

/** The score that the item at `at` spells; what is none counts as 0. */
export function packedScore(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return first
  if (first < 0xc0) return scoreOfText(bytes, at + 1, at + 1 + (first & 0x3f))
  if (first < 0xe0) return (((first & 0x1f) << 27) | (bytes[at + 1]! << 19)) >> 19
  if (first === 0xf1) return ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 24)) >> 16
  if (first === 0xf2) return ((bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >> 8
  if (first < 0xf1) return scoreOfText(bytes, at + 2, at + 2 + (((first & 0x0f) << 8) | bytes[at + 1]!))
  const low = bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 24)
  if (first === 0xf3) return low
  const high = bytes[at + 5]! | (bytes[at + 6]! << 8) | (bytes[at + 7]! << 16) | (bytes[at + 8]! << 24)
  return high * TWO_32 + (low >>> 0)
}

function scoreOfText(bytes: Uint8Array, start: number, end: number): number {
  const score = parseScore(bytes, start, end)
  return Number.isNaN(score) ? 0 : score
}

/**
 * Position in the listpack that ends at `end`, of the first element from `from` on whose score is greater, or equal unless `behind`;
 * or of the end byte.
 */
export function packedScorePlace(bytes: Uint8Array, from: number, end: number, score: number, behind: boolean): number {
  const last = end - 1
  let at = from
  while (at < last) {
    const scoreAt = listpackSkip(bytes, at)
    const found = packedScore(bytes, scoreAt)
    if (found > score || (found === score && !behind)) return at
    const next = listpackSkip(bytes, scoreAt)
    if (!(next > at)) return last
    at = next
  }
  return last
}

/**
 * Where an element belongs in the listpack that ends at `end`, at or behind the element at `from`.
 * @returns the position of the first element that sorts behind it, or of the end byte.
 */
export function packedPlace(
  bytes: Uint8Array,
  from: number,
  end: number,
  score: number,
  member: Uint8Array,
  memberStart: number,
  memberEnd: number,
): number {
  const last = end - 1
  let at = from
  while (at < last) {
    const scoreAt = listpackSkip(bytes, at)
    const found = packedScore(bytes, scoreAt)
    if (found > score) return at
    if (found === score) {
      readListpackText(bytes, at, end)
      if (compareMembers(textBytes, textStart, textEnd, member, memberStart, memberEnd) > 0) return at
    }
    const next = listpackSkip(bytes, scoreAt)
    if (!(next > at)) return last
    at = next
  }
  return last
}
