/**
 * LCS: the longest common subsequence of two strings (redis 7.0 t_string.c lcsCommand). Of the table of the classic
 * dynamic programme only what the way back needs is kept: one bit per cell, "the longer one is above", which is a
 * thirty-second of what Redis allocates. The limit is Redis' all the same, so that both refuse the same strings.
 */
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { findForRead, integerArgument } from './access.ts'
import { argIs } from './arguments.ts'
import type { ReadContext } from './command.ts'

const TABLE_CELL_BYTES = 4
const EMPTY: Buffer = Buffer.alloc(0)

interface Match {
  readonly firstStart: number
  readonly secondStart: number
  readonly length: number
}

/** LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN] */
export function runLcs(context: ReadContext): void {
  const { reply } = context
  const first = stringOf(context, 1)
  const second = stringOf(context, 2)
  if (first === undefined || second === undefined) {
    reply.error('ERR The specified keys must contain string values')
    return
  }
  let wantsLength = false
  let wantsMatches = false
  let withLengths = false
  let minLength = 0
  for (let index = 3; index < context.args.count; index++) {
    if (argIs(context.args, index, 'IDX')) wantsMatches = true
    else if (argIs(context.args, index, 'LEN')) wantsLength = true
    else if (argIs(context.args, index, 'WITHMATCHLEN')) withLengths = true
    else if (argIs(context.args, index, 'MINMATCHLEN') && index + 1 < context.args.count) {
      minLength = integerArgument(context, ++index)
      if (Number.isNaN(minLength)) return
    } else {
      reply.error(SYNTAX_ERROR)
      return
    }
  }
  if (wantsLength && wantsMatches) {
    reply.error('ERR If you want both the length and indexes, please just use IDX.')
    return
  }
  const cells = (first.length + 1) * (second.length + 1)
  if (cells * TABLE_CELL_BYTES > context.settings.protoMaxBulkBytes) {
    reply.error('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len')
    return
  }
  const above = new Uint32Array(wantsLength ? 0 : Math.ceil(cells / 32))
  const length = fillTable(first, second, above)
  if (wantsLength) {
    reply.integer(length)
    return
  }
  const common = new Uint8Array(length)
  const matches = walkBack(first, second, above, common)
  if (!wantsMatches) {
    reply.bulk(common, 0, length)
    return
  }
  reply.map(2)
  reply.bulkString('matches')
  const shown = matches.filter((match) => match.length >= minLength)
  reply.array(shown.length)
  for (const match of shown) {
    reply.array(withLengths ? 3 : 2)
    replyRange(context, match.firstStart, match.length)
    replyRange(context, match.secondStart, match.length)
    if (withLengths) reply.integer(match.length)
  }
  reply.bulkString('len')
  reply.integer(length)
}

/** A copy of the string at the key in argument `index`; undefined when it holds something else. */
function stringOf(context: ReadContext, index: number): Buffer | undefined {
  if (!findForRead(context, index)) return EMPTY
  const { entry } = context.keyspace
  return entry.isString ? entry.toBuffer() : undefined
}

/**
 * Sets the bit of each cell whose upper neighbour is greater than its left one, unless `above` is empty.
 *
 * @returns the length of the LCS
 */
function fillTable(first: Uint8Array, second: Uint8Array, above: Uint32Array): number {
  const width = second.length + 1
  const keeps = above.length > 0
  /** The row above, and left of where the loop is already this one. */
  const lengths = new Uint32Array(width)
  for (let row = 1; row <= first.length; row++) {
    const byte = first[row - 1]!
    const cell = row * width + 1
    let word = Math.floor(cell / 32)
    let bit = 1 << (cell % 32)
    let bits = 0
    let diagonal = 0
    let left = 0
    for (let column = 1; column < width; column++) {
      const up = lengths[column]!
      if (byte === second[column - 1]) left = diagonal + 1
      else if (up > left) {
        left = up
        bits |= bit
      }
      lengths[column] = left
      diagonal = up
      bit <<= 1
      if (bit === 0) {
        if (keeps) above[word] = above[word]! | bits
        word++
        bits = 0
        bit = 1
      }
    }
    if (keeps) above[word] = above[word]! | bits
  }
  return lengths[width - 1]!
}

/** From the end to the beginning: fills `common` and lists the contiguous matches, last one first. */
function walkBack(first: Uint8Array, second: Uint8Array, above: Uint32Array, common: Uint8Array): Match[] {
  const width = second.length + 1
  const matches: Match[] = []
  let at = common.length
  let row = first.length
  let column = second.length
  let length = 0
  while (row > 0 && column > 0) {
    if (first[row - 1] === second[column - 1]) {
      common[--at] = first[row - 1]!
      row--
      column--
      length++
      if (row > 0 && column > 0) continue
      matches.push({ firstStart: row, secondStart: column, length })
      break
    }
    if (length > 0) {
      matches.push({ firstStart: row, secondStart: column, length })
      length = 0
    }
    const cell = row * width + column
    if ((above[Math.floor(cell / 32)]! & (1 << (cell & 31))) !== 0) row--
    else column--
  }
  return matches
}

function replyRange(context: ReadContext, start: number, length: number): void {
  context.reply.array(2)
  context.reply.integer(start)
  context.reply.integer(start + length - 1)
}
