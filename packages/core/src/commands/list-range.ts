/**
 * LRANGE, whole and in slices, which go on from a position.
 *
 * Source: redis 7.0 t_list.c lrangeCommand().
 */
import { NodeValue } from '../keyspace/node-value.ts'
import type { ListCursor } from '../values/list-cursor.ts'
import { findForRead, integerArgument } from './access.ts'
import type { ReadContext } from './command.ts'
import { expectList, openList, replyElements } from './list-access.ts'
import { BulkParts, type ReplySlices, type SliceBounds } from './reply-slices.ts'

// The elements that the arguments ask for: [from, to).
let from = 0
let to = 0
const longElement = new NodeValue()

/** @returns undefined when there is nothing in the range, and the reply was written. */
function locateRange(context: ReadContext): ListCursor | undefined {
  const { reply } = context
  const start = integerArgument(context, 2)
  if (Number.isNaN(start)) return undefined
  const stop = integerArgument(context, 3)
  if (Number.isNaN(stop)) return undefined
  if (!findForRead(context, 1)) {
    reply.array(0)
    return undefined
  }
  if (!expectList(context)) return undefined
  const list = openList(context)
  from = Math.max(0, start < 0 ? start + list.count : start)
  to = Math.min(list.count, (stop < 0 ? stop + list.count : stop) + 1)
  if (from < to) return list
  reply.array(0)
  return undefined
}

/** LRANGE key start stop */
export function runLRange(context: ReadContext): void {
  const list = locateRange(context)
  if (list === undefined) return
  context.reply.expectItems(to - from)
  replyElements(context, list, from, to, false)
}

class ListSlices implements ReplySlices {
  /** Of the next element; -1: the header is to be written. */
  #position = -1
  readonly #parts = new BulkParts()

  write(context: ReadContext, slice: SliceBounds): boolean {
    const list = locateRange(context)
    if (list === undefined) return true
    const { reply } = context
    if (this.#position < 0) {
      reply.array(to - from)
      this.#position = from
    }
    for (let more = list.seek(this.#position); more && this.#position < to; more = list.next()) {
      if (slice.isOver(reply)) return false
      list.load()
      if (!list.isLong) list.reply(reply)
      else {
        longElement.open(list.view, list.longRoot, list.longLength)
        if (!this.#parts.write(reply, slice, longElement)) return false
      }
      this.#position++
    }
    return true
  }
}

export function sliceLRange(): ReplySlices {
  return new ListSlices()
}
