/**
 * XRANGE and XREVRANGE, whole and in slices, which go on from the ID behind the last one. An entry is written whole.
 *
 * Source: redis 7.0 t_stream.c xrangeGenericCommand().
 */
import { StreamId } from '../encoding/stream-id.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { findForRead } from './access.ts'
import { argIs } from './arguments.ts'
import type { ReadContext } from './command.ts'
import type { ReplySlices, SliceBounds } from './reply-slices.ts'
import { countArgument, openFound, rangeEnd, rangeStart, replyEntry, replyRange, stream } from './stream-access.ts'

// What the arguments ask for: entries between two IDs, `wanted` at most.
const from = new StreamId()
const to = new StreamId()
let wanted = 0

/** Opens the stream. @returns false when there is nothing to look for, and the reply was written. */
function locateRange(context: ReadContext, reverse: boolean): boolean {
  const { args, reply } = context
  if (!rangeStart(context, reverse ? 3 : 2, from) || !rangeEnd(context, reverse ? 2 : 3, to)) return false
  wanted = Infinity
  for (let i = 4; i < args.count; i += 2) {
    if (!argIs(args, i, 'COUNT') || i + 1 >= args.count) {
      reply.error(SYNTAX_ERROR)
      return false
    }
    const value = countArgument(context, i + 1)
    if (value === undefined) return false
    wanted = Math.max(0, value)
  }
  if (!findForRead(context, 1)) {
    reply.array(0)
    return false
  }
  if (!openFound(context)) return false
  if (wanted > 0) return true
  reply.nullArray()
  return false
}

function runRange(context: ReadContext, reverse: boolean): void {
  if (locateRange(context, reverse)) replyRange(context.reply, from, to, wanted, reverse)
}

/** XRANGE key start end [COUNT count] */
export function runXRange(context: ReadContext): void {
  runRange(context, false)
}

/** XREVRANGE key end start [COUNT count] */
export function runXRevRange(context: ReadContext): void {
  runRange(context, true)
}

class StreamSlices implements ReplySlices {
  readonly #reverse: boolean
  /** The end of the range where it goes on. */
  readonly #next = new StreamId()
  #isUnderWay = false
  #count = 0
  #isBegun = false

  constructor(reverse: boolean) {
    this.#reverse = reverse
  }

  write(context: ReadContext, slice: SliceBounds): boolean {
    if (!locateRange(context, this.#reverse)) return true
    const { reply } = context
    if (!this.#isBegun) {
      // How many they are stands before them.
      if (!this.#visit(slice, context, () => this.#count++)) return false
      reply.array(this.#count)
      this.#isUnderWay = false
      this.#isBegun = true
      this.#count = 0
    }
    return this.#visit(slice, context, () => {
      replyEntry(reply)
      this.#count++
    })
  }

  /** Goes on through the entries. @returns true at the end. */
  #visit(slice: SliceBounds, { reply }: ReadContext, visit: () => void): boolean {
    const reverse = this.#reverse
    const begin = this.#isUnderWay ? this.#next : reverse ? to : from
    this.#isUnderWay = true
    if (reverse) stream.seek(from, begin, true)
    else stream.seek(begin, to, false)
    while (this.#count < wanted && stream.next()) {
      const { id } = stream.node
      this.#next.copyFrom(id)
      if (slice.isOver(reply)) return false
      visit()
    }
    return true
  }
}

export function sliceXRange(): ReplySlices {
  return new StreamSlices(false)
}

export function sliceXRevRange(): ReplySlices {
  return new StreamSlices(true)
}
