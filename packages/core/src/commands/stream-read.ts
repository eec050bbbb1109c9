/**
 * XREAD and XREADGROUP: entries behind an ID of several streams, new ones for a group's consumer or those pending for it;
 * with BLOCK waiting until there are some.
 *
 * A primary never sends XREADGROUP: what it did comes as XCLAIM, XGROUP SETID and XGROUP CREATECONSUMER.
 *
 * Source: redis 7.0 t_stream.c xreadCommand(), streamReplyWithRange(), blocked.c serveClientsBlockedOnStreamKey().
 */
import { parseStreamId, STREAM_ID_BAD, StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { FORM_STREAM } from '../values/form-numbers.ts'
import { estimateEntriesRead, hasTombstonesFrom } from '../values/stream-counters.ts'
import { ENTRIES_READ_UNKNOWN } from '../values/stream-groups.ts'
import { R_LAST, STREAM_HAS_ACTIVE_TIMES } from '../values/stream-layout.ts'
import { MAX_ID } from '../values/stream-reader.ts'
import { findForRead, requireWriter } from './access.ts'
import { argIs } from './arguments.ts'
import { timeoutMillisecondsArgument, waitForKeys } from './blocking.ts'
import type { CommandArgs, CommandContext, ReadContext } from './command.ts'
import { notify } from './notify.ts'
import {
  countArgument,
  groupArgument,
  groups,
  INVALID_ID,
  openFound,
  quoted,
  replyEntry,
  replyId,
  replyRange,
  stream,
} from './stream-access.ts'
import { type DeliveryArguments, tellConsumer, tellDelivery, tellGroupPosition } from './stream-effects.ts'

const DOLLAR = 36
const PLUS = 43
const GREATER = 62

/** What a call asked for. One object, filled by each call; a wait keeps a copy. */
interface ReadRequest {
  group: boolean
  /** Argument of the first key; the IDs follow the keys. */
  firstKey: number
  keys: number
  /** Most entries of each stream, 0: all. */
  count: number
  /** -1: do not wait. */
  timeoutMs: number
  noAck: boolean
  /** Arguments of the group's and the consumer's name. */
  groupIndex: number
  consumerIndex: number
}

const request: ReadRequest = {
  group: false,
  firstKey: 0,
  keys: 0,
  count: 0,
  timeoutMs: -1,
  noAck: false,
  groupIndex: 0,
  consumerIndex: 0,
}
/** Per key: entries behind this ID; the greatest ID stands for `>`. */
const behind: StreamId[] = []
const from = new StreamId()
const last = new StreamId()

/** XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key …] id [id …] */
export function runXRead(context: ReadContext): void {
  run(context, false)
}

/** XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key …] id [id …] */
export function runXReadGroup(context: CommandContext): void {
  run(context, true)
}

function run(context: ReadContext, group: boolean): void {
  const { reply } = context
  if (!parseOptions(context, group) || !resolveIds(context)) return
  const begin = reply.length
  let served = 0
  for (let i = 0; i < request.keys; i++) if (serveNow(context, request, i)) served++
  if (served > 0) {
    if (reply.resp === 2) reply.arrayFrom(begin, served)
    else reply.mapFrom(begin, served)
  } else if (request.timeoutMs < 0) reply.nullArray()
  else waitForEntries(context)
}

function parseOptions(context: ReadContext, group: boolean): boolean {
  const { args, reply } = context
  request.group = group
  request.firstKey = request.count = request.groupIndex = 0
  request.timeoutMs = -1
  request.noAck = false
  for (let i = 1; i < args.count && request.firstKey === 0; i++) {
    const more = args.count - i - 1
    if (more > 0 && argIs(args, i, 'BLOCK')) {
      const timeout = timeoutMillisecondsArgument(context, ++i)
      if (timeout === undefined) return false
      request.timeoutMs = timeout
    } else if (more > 0 && argIs(args, i, 'COUNT')) {
      const count = countArgument(context, ++i)
      if (count === undefined) return false
      request.count = Math.max(0, count)
    } else if (more > 0 && argIs(args, i, 'STREAMS')) {
      request.firstKey = i + 1
      request.keys = (args.count - i - 1) / 2
      if (!Number.isInteger(request.keys)) {
        reply.error("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
        return false
      }
    } else if (more >= 2 && argIs(args, i, 'GROUP')) {
      if (!group) return onlyForGroups(context, 'GROUP')
      request.groupIndex = i + 1
      request.consumerIndex = i + 2
      i += 2
    } else if (argIs(args, i, 'NOACK')) {
      if (!group) return onlyForGroups(context, 'NOACK')
      request.noAck = true
    } else {
      reply.error(SYNTAX_ERROR)
      return false
    }
  }
  if (request.firstKey === 0) {
    reply.error(SYNTAX_ERROR)
    return false
  }
  if (group && request.groupIndex === 0) {
    reply.error('ERR Missing GROUP option for XREADGROUP')
    return false
  }
  return true
}

function onlyForGroups({ reply }: ReadContext, option: string): false {
  reply.error(`ERR The ${option} option is only supported by XREADGROUP. You called XREAD instead.`)
  return false
}

/** Reads the IDs into `behind`, with `$` and `+` resolved, and checks keys and groups. */
function resolveIds(context: ReadContext): boolean {
  const { args, reply } = context
  const { firstKey, keys, group, groupIndex } = request
  while (behind.length < keys) behind.push(new StreamId())
  for (let i = 0; i < keys; i++) {
    const index = firstKey + keys + i
    const found = findForRead(context, firstKey + i)
    if (found && !openFound(context)) return false
    if (group && (!found || groupArgument(context, groupIndex) === 0)) {
      const key = quoted(context, firstKey + i)
      reply.error(
        `NOGROUP No such key '${key}' or consumer group '${quoted(context, groupIndex)}' in XREADGROUP with GROUP option`,
      )
      return false
    }
    const id = behind[i]!
    const single = args.end[index] === args.start[index]! + 1 ? args.bytes[args.start[index]!]! : 0
    if (single === DOLLAR) {
      if (group) {
        reply.error(
          'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by ' +
            'specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.',
        )
        return false
      }
      if (found) stream.readId(R_LAST, id)
      else id.setZero()
    } else if (single === PLUS && !group) {
      // Since Redis 7.4: the last entry, or the next one when there is none.
      if (!found) id.setZero()
      else if (stream.length === 0) stream.readId(R_LAST, id)
      else {
        stream.edge(false, id)
        id.decrement()
      }
    } else if (single === GREATER) {
      if (!group) {
        reply.error(
          'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.',
        )
        return false
      }
      id.setMax()
    } else if (parseStreamId(args.bytes, args.start[index]!, args.end[index]!, id, 0, true) === STREAM_ID_BAD) {
      reply.error(INVALID_ID)
      return false
    }
  }
  return true
}

/** Replies what there is of key `i`. @returns false, with nothing replied, when there is nothing. */
function serveNow(context: ReadContext, asked: ReadRequest, i: number): boolean {
  const index = asked.firstKey + i
  // Found before, and of the right type; the same key may be named twice.
  if (!findForRead(context, index) || !openFound(context)) return false
  from.copyFrom(behind[i]!)
  if (!asked.group) {
    if (stream.length === 0) return false
    stream.edge(false, last)
    if (last.compare(from) <= 0) return false
    from.increment()
    replyKey(context, index)
    replyRange(context.reply, from, MAX_ID, asked.count, false)
    return true
  }
  const group = groupArgument(context, asked.groupIndex)
  const history = !from.isMax
  let fresh = false
  if (!history && stream.length > 0) {
    stream.edge(false, last)
    groups.lastId(group, from)
    fresh = last.compare(from) > 0
  }
  if (!history && !fresh) return false
  requireWriter(context)
  context.keyspace.enterEntry()
  const consumer = consumerArgument(context, index, group, asked)
  from.increment()
  replyKey(context, index)
  if (history) replyHistory(context, group, consumer, asked, index)
  else replyNew(context, group, consumer, asked, index)
  return true
}

function replyKey({ args, reply }: ReadContext, index: number): void {
  if (reply.resp === 2) reply.array(2)
  reply.bulk(args.bytes, args.start[index]!, args.end[index]!)
}

/** The consumer named in the arguments, made if it is new, seen now. @param index argument of the key. */
function consumerArgument(context: CommandContext, index: number, group: number, asked: ReadRequest): number {
  const { args } = context
  const start = args.start[asked.consumerIndex]!
  const end = args.end[asked.consumerIndex]!
  let consumer = groups.findConsumer(group, args.bytes, start, end)
  if (consumer === 0) {
    consumer = groups.createConsumer(args.bytes, start, end, context.nowMs)
    tellConsumer(context, deliveryArguments(asked, index))
    notify(context, NOTIFY_STREAM, 'xgroup-createconsumer', index)
  } else groups.setSeenTime(consumer, context.nowMs)
  return consumer
}

function deliveryArguments(asked: ReadRequest, key: number): DeliveryArguments {
  return { key, group: asked.groupIndex, consumer: asked.consumerIndex }
}

/** Replies the entries from `from` on, delivers them to the consumer and moves the group on. */
function replyNew(
  context: CommandContext,
  group: number,
  consumer: number,
  asked: ReadRequest,
  keyIndex: number,
): void {
  const { reply, nowMs } = context
  const at = deliveryArguments(asked, keyIndex)
  const begin = reply.length
  const { id } = stream.node
  let replied = 0
  stream.seek(from, MAX_ID, false)
  while (stream.next()) {
    replyEntry(reply)
    // Memory may end in the first of these two: the group moves on then only to what was delivered.
    const pending = asked.noAck ? 0 : makePending(group, consumer, nowMs)
    moveGroup(group)
    if (pending !== 0) tellDelivery(context, at, group, pending, id)
    replied++
    if (replied === asked.count) break
  }
  tellGroupPosition(context, at, group)
  reply.arrayFrom(begin, replied)
}

/** The entry of the cursor is pending for the consumer from now on. @returns the pending entry */
function makePending(group: number, consumer: number, nowMs: number): number {
  const { id } = stream.node
  let pending = groups.findPending(group, id)
  if (pending === 0) pending = groups.createPending(id, nowMs, 1, consumer)
  else {
    groups.give(pending, consumer)
    groups.setDeliveryTime(pending, nowMs)
    groups.setDeliveryCount(pending, 1)
  }
  if ((stream.flags & STREAM_HAS_ACTIVE_TIMES) !== 0) groups.setActiveTime(consumer, nowMs)
  return pending
}

/** The group has read up to the entry of the cursor, if it had not. */
function moveGroup(group: number): void {
  const { id } = stream.node
  if (id.compare(groups.lastId(group, last)) <= 0) return
  const read = groups.entriesRead(group)
  if (read !== ENTRIES_READ_UNKNOWN && !hasTombstonesFrom(stream, id)) {
    groups.setEntriesRead(group, typeof read === 'number' ? read + 1 : read + 1n)
  } else if (stream.entriesAdded !== 0) groups.setEntriesRead(group, estimateEntriesRead(stream, id))
  groups.setLastId(group, id)
}

/** Replies what is pending for the consumer from `from` on. */
function replyHistory(
  context: CommandContext,
  group: number,
  consumer: number,
  asked: ReadRequest,
  keyIndex: number,
): void {
  const { reply, nowMs } = context
  const at = deliveryArguments(asked, keyIndex)
  const begin = reply.length
  let replied = 0
  const own = groups.openConsumerPending(consumer)
  for (let more = groups.seekPending(own, from); more; more = own.next()) {
    const pending = own.address
    groups.pendingId(pending, last)
    if (stream.find(last)) {
      replyEntry(reply)
      const deliveries = groups.deliveryCount(pending)
      groups.setDeliveryTime(pending, nowMs)
      groups.setDeliveryCount(pending, typeof deliveries === 'number' ? deliveries + 1 : deliveries + 1n)
      tellDelivery(context, at, group, pending, last)
    } else {
      // Deleted meanwhile: the ID alone.
      reply.array(2)
      replyId(reply, last)
      reply.nullArray()
    }
    replied++
    if (replied === asked.count) break
  }
  reply.arrayFrom(begin, replied)
}

function waitForEntries(context: ReadContext): void {
  const asked: ReadRequest = { ...request }
  const ids = behind.slice(0, asked.keys).map((id) => new StreamId().copyFrom(id))
  waitForKeys(context, {
    awaitedType: 'stream',
    keys: ids.map((_id, i) => asked.firstKey + i),
    timeoutMs: asked.timeoutMs,
    triesWithout: asked.group,
    retry: (again, index) => serveWaiting(again, asked, index, ids[index - asked.firstKey]!),
    timedOut: ({ reply }) => reply.nullArray(),
  })
}

/** One of the keys changed while a client waits for it. */
function serveWaiting(context: CommandContext, asked: ReadRequest, index: number, id: StreamId): boolean {
  const { keyspace, reply } = context
  const found = findForRead(context, index)
  if (!found || keyspace.entry.rdbType !== FORM_STREAM) {
    if (!asked.group) return false
    reply.error('UNBLOCKED the stream key no longer exists')
    return true
  }
  openFound(context)
  from.copyFrom(id)
  let group = 0
  if (asked.group) {
    group = groupArgument(context, asked.groupIndex)
    if (group === 0) {
      reply.error('NOGROUP the consumer group this client was blocked on no longer exists')
      return true
    }
    groups.lastId(group, from)
  }
  if (stream.readId(R_LAST, last).compare(from) <= 0) return false
  from.increment()
  if (reply.resp === 2) reply.array(1)
  else reply.map(1)
  if (group === 0) {
    replyKey(context, index)
    replyRange(reply, from, MAX_ID, asked.count, false)
    return true
  }
  keyspace.enterEntry()
  const consumer = consumerArgument(context, index, group, asked)
  replyKey(context, index)
  replyNew(context, group, consumer, asked, index)
  return true
}

/** Keys stand behind STREAMS, as many as IDs behind them. */
function findStreamsKeys(args: CommandArgs, start: number, into: number[]): void {
  let first = start
  while (first < args.count && !argIs(args, first, 'STREAMS')) first++
  first++
  const keys = Math.floor((args.count - first) / 2)
  for (let i = 0; i < keys; i++) into.push(first + i)
}

export function findXReadKeys(args: CommandArgs, into: number[]): void {
  findStreamsKeys(args, 1, into)
}

export function findXReadGroupKeys(args: CommandArgs, into: number[]): void {
  findStreamsKeys(args, 4, into)
}
