/**
 * GET, GETRANGE and SUBSTR: a string, or bytes [from, to) of one, as one bulk; a long one in slices.
 *
 * Source: redis 7.0 t_string.c getCommand(), getrangeCommand().
 */
import { expectString, findForRead, integerArgument, isBackwards } from './access.ts'
import type { ReadContext } from './command.ts'
import { BulkParts, type ReplySlices, type SliceBounds } from './reply-slices.ts'

const NO_BYTES: Uint8Array = new Uint8Array(0)

// What the arguments ask of the string that was found: bytes [from, to).
let from = 0
let to = 0

/** @returns false when there is no such string, and the reply was written. */
function locateAll(context: ReadContext): boolean {
  if (!findForRead(context, 1)) {
    context.reply.nullBulk()
    return false
  }
  if (!expectString(context)) return false
  from = 0
  to = context.keyspace.entry.length
  return true
}

/** @returns false when there is nothing in the range, and the reply was written. */
function locateRange(context: ReadContext): boolean {
  const { reply } = context
  from = integerArgument(context, 2)
  if (Number.isNaN(from)) return false
  to = integerArgument(context, 3)
  if (Number.isNaN(to)) return false
  const found = findForRead(context, 1)
  if (found && !expectString(context)) return false
  const length = found ? context.keyspace.entry.length : 0
  const nothing = isBackwards(context, 2, from, to)
  if (from < 0) from = Math.max(0, length + from)
  if (to < 0) to = Math.max(0, length + to)
  to = Math.min(to, length - 1) + 1
  if (!nothing && from < to) return true
  reply.bulk(NO_BYTES, 0, 0)
  return false
}

/** GET key */
export function runGet(context: ReadContext): void {
  if (locateAll(context)) context.keyspace.entry.replyBulk(context.reply, from, to)
}

/** GETRANGE key start end, and its older name SUBSTR. */
export function runGetRange(context: ReadContext): void {
  if (locateRange(context)) context.keyspace.entry.replyBulk(context.reply, from, to)
}

class StringSlices implements ReplySlices {
  readonly #locate: (context: ReadContext) => boolean
  readonly #parts = new BulkParts()

  constructor(locate: (context: ReadContext) => boolean) {
    this.#locate = locate
  }

  write(context: ReadContext, slice: SliceBounds): boolean {
    if (!this.#locate(context)) return true
    const { reply, keyspace } = context
    const { entry } = keyspace
    if (entry.isChunked) return this.#parts.write(reply, slice, entry.nodes(), from, to)
    entry.replyBulk(reply, from, to)
    return true
  }
}

export function sliceGet(): ReplySlices {
  return new StringSlices(locateAll)
}

export function sliceGetRange(): ReplySlices {
  return new StringSlices(locateRange)
}
