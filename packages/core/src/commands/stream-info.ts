/**
 * XINFO STREAM, GROUPS, CONSUMERS.
 *
 * Source: redis 7.0 t_stream.c xinfoCommand(), xinfoReplyWithStreamInfo().
 */
import { StreamId } from '../encoding/stream-id.ts'
import { NO_SUCH_KEY, subcommandSyntaxError } from '../resp/error-replies.ts'
import type { OrderedIndex } from '../values/ordered-index.ts'
import { RadixNodeCount } from '../values/radix-node-count.ts'
import { groupLag } from '../values/stream-counters.ts'
import { ENTRIES_READ_UNKNOWN } from '../values/stream-groups.ts'
import { R_FIRST, R_LAST, R_MAX_DELETED } from '../values/stream-layout.ts'
import { MAX_ID, ZERO_ID } from '../values/stream-reader.ts'
import { findForRead } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandRow, KeyPositions, ReadContext, RowFunction, SubcommandRow } from './command.ts'
import { READONLY } from './flags.ts'
import {
  countArgument,
  groupArgument,
  groups,
  noSuchGroup,
  openFound,
  replyEntry,
  replyId,
  replyRange,
  stream,
} from './stream-access.ts'
import { container } from './subcommands.ts'

const KEY = 2
const FULL_COUNT = 10
/** Streams with more nodes have the nodes of the radix tree extrapolated from these. */
const COUNTED_NODES_MAX = 100_000
const id = new StreamId()

function openKey(context: ReadContext): boolean {
  if (findForRead(context, KEY)) return openFound(context)
  context.reply.error(NO_SUCH_KEY)
  return false
}

/** XINFO STREAM key [FULL [COUNT count]] */
function streamInfo(context: ReadContext): void {
  const { args, reply } = context
  if (!openKey(context)) return
  const full = args.count > 3
  let count = FULL_COUNT
  if (full) {
    const known = (args.count === 4 || args.count === 6) && argIs(args, 3, 'FULL')
    if (!known || (args.count === 6 && !argIs(args, 4, 'COUNT'))) {
      reply.error(subcommandSyntaxError(args, 'XINFO'))
      return
    }
    if (args.count === 6) {
      const value = countArgument(context, 5)
      if (value === undefined) return
      if (value >= 0) count = value
    }
  }
  reply.map(full ? 9 : 10)
  reply.bulkString('length')
  reply.integer(stream.length)
  reply.bulkString('radix-tree-keys')
  reply.integer(stream.nodes.entries)
  reply.bulkString('radix-tree-nodes')
  reply.integer(radixNodes())
  reply.bulkString('last-generated-id')
  replyId(reply, stream.readId(R_LAST, id))
  reply.bulkString('max-deleted-entry-id')
  replyId(reply, stream.readId(R_MAX_DELETED, id))
  reply.bulkString('entries-added')
  reply.integer(stream.entriesAdded)
  reply.bulkString('recorded-first-entry-id')
  replyId(reply, stream.readId(R_FIRST, id))
  if (full) {
    reply.bulkString('entries')
    replyRange(reply, ZERO_ID, MAX_ID, count, false)
    reply.bulkString('groups')
    reply.array(groups.groupCount)
    groups.forEachGroup((group) => replyFullGroup(context, group, count))
    return
  }
  reply.bulkString('groups')
  reply.integer(groups.groupCount)
  for (const reverse of [false, true]) {
    reply.bulkString(reverse ? 'last-entry' : 'first-entry')
    stream.seek(ZERO_ID, MAX_ID, reverse)
    if (stream.next()) replyEntry(reply)
    else reply.nullBulk()
  }
}

function radixNodes(): number {
  const { nodes } = stream
  const counted = new RadixNodeCount()
  let seen = 0
  for (let more = nodes.first(); more && seen < COUNTED_NODES_MAX; more = nodes.next()) {
    stream.readNodeId(nodes.address, id)
    counted.add(id)
    seen++
  }
  const total = counted.finish()
  return seen < nodes.entries ? Math.round((total / seen) * nodes.entries) : total
}

function replyEntriesRead({ reply }: ReadContext, group: number): void {
  reply.bulkString('entries-read')
  const read = groups.entriesRead(group)
  if (read === ENTRIES_READ_UNKNOWN) reply.nullBulk()
  else reply.integer(read)
  reply.bulkString('lag')
  const lag = groupLag(stream, groups, group)
  if (lag === undefined) reply.nullBulk()
  else reply.integer(lag)
}

function replyGroupName({ reply }: ReadContext, group: number): void {
  reply.bulkString('name')
  const { bytes, start, end } = groups.groupName(group)
  reply.bulk(bytes, start, end)
}

function replyConsumerName({ reply }: ReadContext, consumer: number): void {
  const { bytes, start, end } = groups.consumerName(consumer)
  reply.bulk(bytes, start, end)
}

function replyFullGroup(context: ReadContext, group: number, count: number): void {
  const { reply } = context
  reply.map(7)
  replyGroupName(context, group)
  reply.bulkString('last-delivered-id')
  replyId(reply, groups.lastId(group, id))
  replyEntriesRead(context, group)
  reply.bulkString('pel-count')
  const pending = groups.openPending(group)
  reply.integer(pending.entries)
  reply.bulkString('pending')
  replyPending(context, pending, count, true)
  reply.bulkString('consumers')
  const consumers = groups.openConsumers(group)
  reply.array(consumers.entries)
  for (let more = consumers.first(); more; more = consumers.next()) {
    const consumer = consumers.address
    reply.map(4)
    reply.bulkString('name')
    replyConsumerName(context, consumer)
    reply.bulkString('seen-time')
    reply.integer(groups.seenTime(consumer))
    reply.bulkString('pel-count')
    const own = groups.openConsumerPending(consumer)
    reply.integer(own.entries)
    reply.bulkString('pending')
    replyPending(context, own, count, false)
  }
}

/** Pending entries: ID, consumer's name (of a group's), time of delivery, number of deliveries. */
function replyPending(context: ReadContext, index: OrderedIndex, count: number, withConsumer: boolean): void {
  const { reply } = context
  const shown = count === 0 ? index.entries : Math.min(count, index.entries)
  reply.array(shown)
  let more = index.first()
  for (let left = shown; left > 0 && more; left--) {
    const pending = index.address
    reply.array(withConsumer ? 4 : 3)
    replyId(reply, groups.pendingId(pending, id))
    if (withConsumer) replyConsumerName(context, groups.pendingConsumer(pending))
    reply.integer(groups.deliveryTime(pending))
    reply.integer(groups.deliveryCount(pending))
    more = index.next()
  }
}

/** XINFO GROUPS key */
function groupsInfo(context: ReadContext): void {
  const { reply } = context
  if (!openKey(context)) return
  reply.array(groups.groupCount)
  groups.forEachGroup((group) => {
    reply.map(6)
    replyGroupName(context, group)
    reply.bulkString('consumers')
    reply.integer(groups.consumerCount(group))
    reply.bulkString('pending')
    reply.integer(groups.pendingCount(group))
    reply.bulkString('last-delivered-id')
    replyId(reply, groups.lastId(group, id))
    replyEntriesRead(context, group)
  })
}

/** XINFO CONSUMERS key group */
function consumersInfo(context: ReadContext): void {
  const { reply, nowMs } = context
  if (!openKey(context)) return
  const group = groupArgument(context, 3)
  if (group === 0) {
    noSuchGroup(context, KEY, 3)
    return
  }
  const consumers = groups.openConsumers(group)
  reply.array(consumers.entries)
  for (let more = consumers.first(); more; more = consumers.next()) {
    const consumer = consumers.address
    reply.map(3)
    reply.bulkString('name')
    replyConsumerName(context, consumer)
    reply.bulkString('pending')
    reply.integer(groups.consumerPendingCount(consumer))
    reply.bulkString('idle')
    reply.integer(Math.max(0, nowMs - Number(groups.seenTime(consumer))))
  }
}

const SECOND_IS_KEY: KeyPositions = [KEY, KEY, 1]

function row(
  arity: number,
  summary: string,
  read: (context: ReadContext) => void,
  tips: readonly string[] = [],
): SubcommandRow & RowFunction {
  return {
    arity,
    flags: READONLY,
    keys: SECOND_IS_KEY,
    since: '5.0.0',
    group: 'stream',
    summary,
    tips,
    read,
  }
}

/** The XINFO container. */
export const xinfoCommand: CommandRow = container(
  'XINFO',
  { since: '5.0.0', group: 'stream', summary: 'A container for stream introspection commands' },
  {
    CONSUMERS: row(4, 'Shows the consumers of a group.', consumersInfo, ['nondeterministic_output']),
    GROUPS: row(3, 'Shows the consumer groups of a stream.', groupsInfo),
    STREAM: row(-3, 'Shows what a stream consists of.', streamInfo),
  },
  [
    ['CONSUMERS <key> <groupname>', 'Show consumers of <groupname>.'],
    ['GROUPS <key>', 'Show the stream consumer groups.'],
    ['STREAM <key> [FULL [COUNT <count>]', 'Show information about the stream.'],
  ],
  '5.0.0',
)
