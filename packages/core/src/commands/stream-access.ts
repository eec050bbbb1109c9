/**
 * How stream commands reach their stream and read their arguments: IDs, ranges, 64-bit integers. Nothing here allocates
 * unless it refuses something.
 *
 * Source: redis 7.0 t_stream.c streamParseIntervalIDOrReply() and its like.
 */
import { parseStreamId, STREAM_ID_BAD, STREAM_ID_TEXT_BYTES_MAX, StreamId } from '../encoding/stream-id.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { NOT_AN_INTEGER, WRONG_TYPE } from '../resp/error-replies.ts'
import { FORM_STREAM } from '../values/form-numbers.ts'
import { D_ROOT } from '../values/stream-layout.ts'
import { createStreamRoot, Stream } from '../values/stream.ts'
import { StreamGroups } from '../values/stream-groups.ts'
import { streamRoot } from '../values/stream-form.ts'
import { LargeValue } from '../values/large-value.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { argText } from './arguments.ts'
import { wideInteger } from './wide-integer.ts'

export const INVALID_ID = 'ERR Invalid stream ID specified as stream command argument'

/** The stream that a command works on, and its groups. Valid until the next lookup. */
export const stream: Stream = new Stream()
export const groups: StreamGroups = new StreamGroups()
/** The value that `stream` is in. */
export const large: LargeValue = new LargeValue()

/** Opens the stream that was just found; or writes WRONGTYPE. */
export function openFound(context: ReadContext): boolean {
  const { keyspace, reply } = context
  if (keyspace.entry.rdbType !== FORM_STREAM) {
    reply.error(WRONG_TYPE)
    return false
  }
  keyspace.openLarge(large)
  stream.open(large.region, streamRoot(large))
  groups.open(stream)
  return true
}

/** Makes an empty stream at the key of argument `index`, which was just looked up in vain, and opens it. */
export function createStream(context: CommandContext, index: number): void {
  const { args, keyspace } = context
  const region = keyspace.targetRegion
  const root = createStreamRoot(region)
  let made: LargeValue
  try {
    made = keyspace.createLarge(context.db, args.bytes, args.start[index]!, args.end[index]!, FORM_STREAM, 0)
  } catch (error) {
    region.arena.free(root)
    throw error
  }
  made.words[made.at + D_ROOT] = root
  openFound(context)
}

/** The ID in argument `index`; false after an error reply. @param strict are `-` and `+` refused? */
export function idArgument(
  context: ReadContext,
  index: number,
  id: StreamId,
  missing: 0 | -1,
  strict: boolean,
): boolean {
  const { args } = context
  if (parseStreamId(args.bytes, args.start[index]!, args.end[index]!, id, missing, strict) !== STREAM_ID_BAD)
    return true
  context.reply.error(INVALID_ID)
  return false
}

const LEFT_PARENTHESIS = 40

/** The beginning of a range in argument `index`, `(` before it excludes it; false after an error reply. */
export function rangeStart(context: ReadContext, index: number, id: StreamId): boolean {
  if (!rangeEdge(context, index, id, 0)) return false
  if (!excluded || id.increment()) return true
  context.reply.error('ERR invalid start ID for the interval')
  return false
}

/** The end of a range. */
export function rangeEnd(context: ReadContext, index: number, id: StreamId): boolean {
  if (!rangeEdge(context, index, id, -1)) return false
  if (!excluded || id.decrement()) return true
  context.reply.error('ERR invalid end ID for the interval')
  return false
}

let excluded = false

function rangeEdge(context: ReadContext, index: number, id: StreamId, missing: 0 | -1): boolean {
  const { args } = context
  const start = args.start[index]!
  const end = args.end[index]!
  excluded = end - start > 1 && args.bytes[start] === LEFT_PARENTHESIS
  const from = excluded ? start + 1 : start
  if (parseStreamId(args.bytes, from, end, id, missing, excluded) !== STREAM_ID_BAD) return true
  context.reply.error(INVALID_ID)
  return false
}

/** Argument `index` as an int64; undefined after an error reply. */
export function int64Argument(
  context: ReadContext,
  index: number,
  error: string = NOT_AN_INTEGER,
): number | bigint | undefined {
  const value = wideInteger(context, index)
  if (value === undefined) context.reply.error(error)
  return value
}

/** COUNT in argument `index` as a number, where a huge one is as good as none; undefined after an error reply. */
export function countArgument(context: ReadContext, index: number): number | undefined {
  const value = int64Argument(context, index)
  return value === undefined ? undefined : Number(value)
}

const idText = new Uint8Array(STREAM_ID_TEXT_BYTES_MAX)
const idView = new DataView(idText.buffer)

export function replyId(reply: ReplyEncoder, id: StreamId): void {
  reply.bulk(idText, 0, id.writeText(idText, 0), idView)
}

/** Replies the entry under the cursor of `stream`: its ID, its fields and values. */
export function replyEntry(reply: ReplyEncoder): void {
  reply.array(2)
  replyId(reply, stream.node.id)
  stream.node.replyFields(reply)
}

/**
 * Replies the entries between two IDs as one array. @param count most of them; 0: all. @returns how many.
 */
export function replyRange(reply: ReplyEncoder, from: StreamId, to: StreamId, count: number, reverse: boolean): number {
  const begin = reply.length
  let replied = 0
  stream.seek(from, to, reverse)
  while (stream.next()) {
    replyEntry(reply)
    replied++
    if (replied === count) break
  }
  reply.arrayFrom(begin, replied)
  return replied
}

/** Argument `index` as an error quotes it: up to a zero byte, as C's %s. */
export function quoted(context: ReadContext, index: number): string {
  const text = argText(context.args, index)
  const zero = text.indexOf('\0')
  return zero < 0 ? text : text.slice(0, zero)
}

export function noSuchKeyOrGroup(context: ReadContext, key: number, group: number): void {
  context.reply.error(`NOGROUP No such key '${quoted(context, key)}' or consumer group '${quoted(context, group)}'`)
}

export function noSuchGroup(context: ReadContext, key: number, group: number): void {
  context.reply.error(
    `NOGROUP No such consumer group '${quoted(context, group)}' for key name '${quoted(context, key)}'`,
  )
}

/** The group named in argument `index` of the stream that is open, 0 for none. */
export function groupArgument({ args }: ReadContext, index: number): number {
  return groups.find(args.bytes, args.start[index]!, args.end[index]!)
}
