/**
 * What was delivered and not acknowledged: XPENDING shows it, XCLAIM and XAUTOCLAIM give it to another consumer. XCLAIM with
 * TIME, RETRYCOUNT, FORCE, JUSTID and LASTID is also how a primary tells of every delivery.
 *
 * Source: redis 7.0 t_stream.c xpendingCommand(), xclaimCommand(), xautoclaimCommand().
 */
import { parseStreamId, STREAM_ID_BAD, StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { STREAM_HAS_ACTIVE_TIMES } from '../values/stream-layout.ts'
import { findForRead } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify } from './notify.ts'
import {
  countArgument,
  groupArgument,
  groups,
  idArgument,
  int64Argument,
  noSuchKeyOrGroup,
  openFound,
  quoted,
  rangeEnd,
  rangeStart,
  replyEntry,
  replyId,
  stream,
} from './stream-access.ts'
import {
  type DeliveryArguments,
  tellConsumer,
  tellDelivery,
  tellGroupPosition,
  tellNotPending,
} from './stream-effects.ts'

const KEY = 1
const GROUP = 2
const CONSUMER = 3
const AT: DeliveryArguments = { key: KEY, group: GROUP, consumer: CONSUMER }
const id = new StreamId()
const other = new StreamId()

/** Opens key and group, or writes an error and returns 0. */
function openGroup(context: ReadContext): number {
  if (findForRead(context, KEY)) {
    if (!openFound(context)) return 0
    const group = groupArgument(context, GROUP)
    if (group !== 0) return group
  }
  noSuchKeyOrGroup(context, KEY, GROUP)
  return 0
}

/** Milliseconds between two times, rounded beyond 2^53. */
function elapsed(now: number, since: number | bigint): number {
  return typeof since === 'number' ? now - since : Number(BigInt(now) - since)
}

// ---- XPENDING -----------------------------------------------------------------------------------------------------

/** XPENDING key group [[IDLE min-idle-time] start end count [consumer]] */
export function runXPending(context: ReadContext): void {
  const { args, reply } = context
  if (args.count === 3) {
    const group = openGroup(context)
    if (group !== 0) replyOverview(context, group)
    return
  }
  if (args.count < 6 || args.count > 9) {
    reply.error(SYNTAX_ERROR)
    return
  }
  let first = 3
  let minIdle = 0
  if (argIs(args, 3, 'IDLE')) {
    const value = int64Argument(context, 4)
    if (value === undefined) return
    minIdle = Number(value)
    if (args.count < 8) {
      reply.error(SYNTAX_ERROR)
      return
    }
    first = 5
  }
  const count = countArgument(context, first + 2)
  if (count === undefined || !rangeStart(context, first, id) || !rangeEnd(context, first + 1, other)) return
  const group = openGroup(context)
  if (group !== 0) replyPending(context, group, minIdle, count, first + 3)
}

function replyOverview({ reply }: ReadContext, group: number): void {
  const pending = groups.openPending(group)
  reply.array(4)
  reply.integer(pending.entries)
  if (!pending.first()) {
    reply.nullBulk()
    reply.nullBulk()
    reply.nullArray()
    return
  }
  replyId(reply, groups.pendingId(pending.address, id))
  pending.last()
  replyId(reply, groups.pendingId(pending.address, id))
  const begin = reply.length
  let count = 0
  const consumers = groups.openConsumers(group)
  for (let more = consumers.first(); more; more = consumers.next()) {
    const own = groups.consumerPendingCount(consumers.address)
    if (own === 0) continue
    reply.array(2)
    const name = groups.consumerName(consumers.address)
    reply.bulk(name.bytes, name.start, name.end)
    reply.bulkString(String(own))
    count++
  }
  reply.arrayFrom(begin, count)
}

/** Replies pending entries from `id` to `other`. */
function replyPending(
  context: ReadContext,
  group: number,
  minIdle: number,
  count: number,
  consumerIndex: number,
): void {
  const { args, reply, nowMs } = context
  let index = groups.openPending(group)
  if (consumerIndex < args.count) {
    const start = args.start[consumerIndex]!
    const consumer = groups.findConsumer(group, args.bytes, start, args.end[consumerIndex]!)
    if (consumer === 0) {
      reply.array(0)
      return
    }
    index = groups.openConsumerPending(consumer)
  }
  const begin = reply.length
  let replied = 0
  for (let more = groups.seekPending(index, id); more && replied < count; more = index.next()) {
    const pending = index.address
    if (groups.pendingId(pending, id).compare(other) > 0) break
    const idle = elapsed(nowMs, groups.deliveryTime(pending))
    if (minIdle !== 0 && idle < minIdle) continue
    reply.array(4)
    replyId(reply, id)
    const name = groups.consumerName(groups.pendingConsumer(pending))
    reply.bulk(name.bytes, name.start, name.end)
    reply.integer(Math.max(0, idle))
    reply.integer(groups.deliveryCount(pending))
    replied++
  }
  reply.arrayFrom(begin, replied)
}

// ---- XCLAIM -------------------------------------------------------------------------------------------------------

let force = false
let justId = false
/** -1: not given. */
let retryCount: number | bigint = -1
let deliveryTime: number | bigint = -1
const newLastId = new StreamId()

/** XCLAIM key group consumer min-idle-time id [id …] [IDLE ms|TIME ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id] */
export function runXClaim(context: CommandContext): void {
  const { args, reply, nowMs } = context
  const group = openGroup(context)
  if (group === 0) return
  const minIdleGiven = int64Argument(context, 4, 'ERR Invalid min-idle-time argument for XCLAIM')
  if (minIdleGiven === undefined) return
  const minIdle = Math.max(0, Number(minIdleGiven))
  let end = 5
  while (
    end < args.count &&
    parseStreamId(args.bytes, args.start[end]!, args.end[end]!, id, 0, true) !== STREAM_ID_BAD
  ) {
    end++
  }
  if (!claimOptions(context, end)) return
  context.keyspace.enterEntry()
  const movesGroup = newLastId.compare(groups.lastId(group, other)) > 0
  if (movesGroup) groups.setLastId(group, newLastId)
  // A client's time may not lie ahead. The primary's is taken as it is: its clock may be ahead of ours.
  if (deliveryTime < 0 || (deliveryTime > nowMs && !context.fromPrimary)) deliveryTime = nowMs
  const begin = reply.length
  let claimed = 0
  let consumer = 0
  try {
    for (let i = 5; i < end; i++) {
      idArgument(context, i, id, 0, true)
      let pending = groups.findPending(group, id)
      if (!stream.find(id)) {
        // What is gone from the stream is not pending any more.
        if (pending !== 0) {
          groups.removePending()
          tellNotPending(context, AT, id)
        }
        continue
      }
      if (pending === 0) {
        if (!force) continue
        if (consumer === 0) consumer = consumerArgument(context, group)
        pending = groups.createPending(id, nowMs, 1, consumer)
      } else {
        if (minIdle !== 0 && elapsed(nowMs, groups.deliveryTime(pending)) < minIdle) continue
        if (consumer === 0) consumer = consumerArgument(context, group)
        groups.give(pending, consumer)
      }
      groups.setDeliveryTime(pending, deliveryTime)
      if (retryCount >= 0) groups.setDeliveryCount(pending, retryCount)
      else if (!justId) countDelivery(pending)
      if ((stream.flags & STREAM_HAS_ACTIVE_TIMES) !== 0) groups.setActiveTime(consumer, nowMs)
      tellDelivery(context, AT, group, pending, id)
      if (justId) replyId(reply, id)
      else replyEntry(reply)
      claimed++
    }
  } finally {
    // Memory may end in a claim.
    if (movesGroup) tellGroupPosition(context, AT, group)
  }
  reply.arrayFrom(begin, claimed)
}

function countDelivery(pending: number): void {
  const count = groups.deliveryCount(pending)
  groups.setDeliveryCount(pending, typeof count === 'number' ? count + 1 : count + 1n)
}

function claimOptions(context: ReadContext, first: number): boolean {
  const { args, reply, nowMs } = context
  force = justId = false
  retryCount = deliveryTime = -1
  newLastId.setZero()
  for (let i = first; i < args.count; i++) {
    const more = i + 1 < args.count
    if (argIs(args, i, 'FORCE')) force = true
    else if (argIs(args, i, 'JUSTID')) justId = true
    else if (more && argIs(args, i, 'IDLE')) {
      const value = int64Argument(context, ++i, 'ERR Invalid IDLE option argument for XCLAIM')
      if (value === undefined) return false
      deliveryTime = typeof value === 'number' ? nowMs - value : BigInt.asIntN(64, BigInt(nowMs) - value)
    } else if (more && argIs(args, i, 'TIME')) {
      const value = int64Argument(context, ++i, 'ERR Invalid TIME option argument for XCLAIM')
      if (value === undefined) return false
      deliveryTime = value
    } else if (more && argIs(args, i, 'RETRYCOUNT')) {
      const value = int64Argument(context, ++i, 'ERR Invalid RETRYCOUNT option argument for XCLAIM')
      if (value === undefined) return false
      retryCount = value
    } else if (more && argIs(args, i, 'LASTID')) {
      if (!idArgument(context, ++i, newLastId, 0, true)) return false
    } else {
      reply.error(`ERR Unrecognized XCLAIM option '${quoted(context, i)}'`)
      return false
    }
  }
  return true
}

/** The consumer of argument 3, made if it is new, seen now. */
function consumerArgument(context: ReadContext, group: number): number {
  const { args, nowMs } = context
  const start = args.start[CONSUMER]!
  const end = args.end[CONSUMER]!
  let consumer = groups.findConsumer(group, args.bytes, start, end)
  if (consumer === 0) {
    consumer = groups.createConsumer(args.bytes, start, end, nowMs)
    tellConsumer(context, AT)
    notify(context, NOTIFY_STREAM, 'xgroup-createconsumer', KEY)
  } else groups.setSeenTime(consumer, nowMs)
  return consumer
}

// ---- XAUTOCLAIM ---------------------------------------------------------------------------------------------------

const COUNT_DEFAULT = 100
const COUNT_MAX = 2n ** 63n / 16n - 1n
/** Redis reserves 16 bytes for each: beyond, its allocator says no. */
const COUNT_RESERVED_MAX = 2 ** 43
/** Pending entries looked at for each that may be claimed. */
const ATTEMPTS_PER_ENTRY = 10

/** XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID] */
export function runXAutoClaim(context: CommandContext): void {
  const { args, reply, nowMs } = context
  const minIdleGiven = int64Argument(context, 4, 'ERR Invalid min-idle-time argument for XAUTOCLAIM')
  if (minIdleGiven === undefined || !rangeStart(context, 5, id)) return
  const minIdle = Math.max(0, Number(minIdleGiven))
  let count = COUNT_DEFAULT
  justId = false
  for (let i = 6; i < args.count; i++) {
    if (i + 1 < args.count && argIs(args, i, 'COUNT')) {
      const value = int64Argument(context, ++i, 'ERR COUNT must be > 0')
      if (value === undefined) return
      if (value < 1 || value > COUNT_MAX) {
        reply.error('ERR COUNT must be > 0')
        return
      }
      count = Number(value)
    } else if (argIs(args, i, 'JUSTID')) justId = true
    else {
      reply.error(SYNTAX_ERROR)
      return
    }
  }
  const group = openGroup(context)
  if (group === 0) return
  if (count > COUNT_RESERVED_MAX) {
    reply.error('ERR Insufficient memory, failed allocating transient memory, COUNT too high.')
    return
  }
  context.keyspace.enterEntry()
  reply.array(3)
  const begin = reply.length
  const deleted: StreamId[] = []
  let claimed = 0
  let consumer = 0
  let attempts = count * ATTEMPTS_PER_ENTRY
  const pending = groups.openPending(group)
  let more = groups.seekPending(pending, id)
  for (; more && attempts > 0 && count > 0; attempts--) {
    const { address } = pending
    groups.pendingId(address, id)
    if (!stream.find(id)) {
      more = groups.removePending()
      tellNotPending(context, AT, id)
      deleted.push(new StreamId().copyFrom(id))
      count--
      continue
    }
    if (minIdle === 0 || elapsed(nowMs, groups.deliveryTime(address)) >= minIdle) {
      if (consumer === 0) consumer = consumerArgument(context, group)
      groups.give(address, consumer)
      groups.setDeliveryTime(address, nowMs)
      if (!justId) countDelivery(address)
      if ((stream.flags & STREAM_HAS_ACTIVE_TIMES) !== 0) groups.setActiveTime(consumer, nowMs)
      tellDelivery(context, AT, group, address, id)
      if (justId) replyId(reply, id)
      else replyEntry(reply)
      claimed++
      count--
    }
    more = pending.next()
  }
  reply.arrayFrom(begin, claimed)
  if (more) groups.pendingId(pending.address, id)
  else id.setZero()
  replyIdBefore(context, begin)
  reply.array(deleted.length)
  for (const gone of deleted) replyId(reply, gone)
}

/** Puts the ID before what was written since `begin`. */
function replyIdBefore({ reply }: ReadContext, begin: number): void {
  if (reply.discardReplies) return
  const end = reply.length
  replyId(reply, id)
  const text = Buffer.from(reply.bytes.subarray(end, reply.length))
  reply.bytes.copyWithin(begin + text.length, begin, end)
  text.copy(reply.bytes, begin)
}
