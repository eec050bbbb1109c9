/**
 * Consumer groups: XGROUP and XACK. What moves pending entries is in stream-claim.ts.
 *
 * Source: redis 7.0 t_stream.c xgroupCommand(), xackCommand().
 */
import { StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { subcommandSyntaxError } from '../resp/error-replies.ts'
import { ENTRIES_READ_UNKNOWN } from '../values/stream-groups.ts'
import { R_LAST } from '../values/stream-layout.ts'
import { findForRead, findForWrite, foundReady } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandRow, KeyPositions, ReadContext, RowFunction, SubcommandRow } from './command.ts'
import { DENYOOM, WRITE } from './flags.ts'
import { notify } from './notify.ts'
import {
  createStream,
  groupArgument,
  groups,
  idArgument,
  int64Argument,
  large,
  noSuchGroup,
  openFound,
  stream,
} from './stream-access.ts'
import { container } from './subcommands.ts'

const KEY = 2
const GROUP = 3
const CONSUMER = 4
const id = new StreamId()

// What the last `groupOptions` read.
let makeStream = false
let entriesRead: number | bigint = ENTRIES_READ_UNKNOWN

/** Options of XGROUP CREATE and SETID; false after an error reply. */
function groupOptions(context: ReadContext, create: boolean): boolean {
  const { args, reply } = context
  makeStream = false
  entriesRead = ENTRIES_READ_UNKNOWN
  for (let i = 5; i < args.count; i++) {
    if (create && argIs(args, i, 'MKSTREAM')) makeStream = true
    else if (i + 1 < args.count && argIs(args, i, 'ENTRIESREAD')) {
      const value = int64Argument(context, ++i)
      if (value === undefined) return false
      if (value < 0 && value !== ENTRIES_READ_UNKNOWN) {
        reply.error('ERR value for ENTRIESREAD must be positive or -1')
        return false
      }
      entriesRead = value
    } else {
      reply.error(subcommandSyntaxError(args, 'XGROUP'))
      return false
    }
  }
  return true
}

/** Opens the stream of the key; false after an error reply. */
function openKey(context: CommandContext): boolean {
  if (findForWrite(context, KEY)) return openFound(context)
  context.reply.error(
    'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to ' +
      'create an empty stream automatically.',
  )
  return false
}

/** Opens the stream and finds the group, or writes an error and returns 0. */
function openGroup(context: CommandContext): number {
  if (!openKey(context)) return 0
  const group = groupArgument(context, GROUP)
  if (group === 0) noSuchGroup(context, KEY, GROUP)
  return group
}

const DOLLAR = 36

function isLastId({ args }: ReadContext): boolean {
  return args.end[4] === args.start[4]! + 1 && args.bytes[args.start[4]!] === DOLLAR
}

/** XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read] */
function create(context: CommandContext): void {
  const { args, reply } = context
  if (!groupOptions(context, true)) return
  // Redis takes at most all options once.
  const tooMany = args.count > 8
  const found = findForWrite(context, KEY)
  if (found && !openFound(context)) return
  if (!found && !makeStream) {
    openKey(context)
    return
  }
  if (tooMany) {
    reply.error(subcommandSyntaxError(args, 'XGROUP'))
    return
  }
  if (isLastId(context)) {
    if (found) stream.readId(R_LAST, id)
    else id.setZero()
  } else if (!idArgument(context, 4, id, 0, true)) return
  if (!found) createStream(context, KEY)
  context.keyspace.enterEntry()
  if (groups.create(args.bytes, args.start[GROUP]!, args.end[GROUP]!, id, entriesRead) === 0) {
    reply.error('BUSYGROUP Consumer Group name already exists')
    return
  }
  context.keyspace.countChange()
  reply.ok()
  notify(context, NOTIFY_STREAM, 'xgroup-create', KEY)
}

/** XGROUP SETID key group id|$ [ENTRIESREAD entries-read] */
function setId(context: CommandContext): void {
  const { args, reply } = context
  if (!groupOptions(context, false)) return
  const group = openGroup(context)
  if (group === 0) return
  if (args.count !== 5 && args.count !== 7) {
    reply.error(subcommandSyntaxError(args, 'XGROUP'))
    return
  }
  if (isLastId(context)) stream.readId(R_LAST, id)
  else if (!idArgument(context, 4, id, 0, false)) return
  context.keyspace.enterEntry()
  groups.setLastId(group, id)
  groups.setEntriesRead(group, entriesRead)
  context.keyspace.countChange()
  reply.ok()
  notify(context, NOTIFY_STREAM, 'xgroup-setid', KEY)
}

/** XGROUP DESTROY key group */
function destroy(context: CommandContext): void {
  if (!openKey(context)) return
  const group = groupArgument(context, GROUP)
  if (group === 0) {
    context.reply.integer(0)
    return
  }
  context.keyspace.enterEntry()
  groups.destroy(group, large.lazyFree)
  context.keyspace.countChange()
  context.reply.integer(1)
  notify(context, NOTIFY_STREAM, 'xgroup-destroy', KEY)
  // Clients that wait in this group are told; for WATCH nothing has changed.
  foundReady(context, KEY)
}

/** XGROUP CREATECONSUMER key group consumer */
function createConsumer(context: CommandContext): void {
  const { args, reply, nowMs } = context
  const group = openGroup(context)
  if (group === 0) return
  const start = args.start[CONSUMER]!
  const end = args.end[CONSUMER]!
  if (groups.findConsumer(group, args.bytes, start, end) !== 0) {
    reply.integer(0)
    return
  }
  context.keyspace.enterEntry()
  groups.createConsumer(args.bytes, start, end, nowMs)
  context.keyspace.countChange()
  notify(context, NOTIFY_STREAM, 'xgroup-createconsumer', KEY)
  reply.integer(1)
}

/** XGROUP DELCONSUMER key group consumer */
function deleteConsumer(context: CommandContext): void {
  const { args, reply } = context
  const group = openGroup(context)
  if (group === 0) return
  const consumer = groups.findConsumer(group, args.bytes, args.start[CONSUMER]!, args.end[CONSUMER]!)
  if (consumer === 0) {
    reply.integer(0)
    return
  }
  context.keyspace.enterEntry()
  const pending = groups.consumerPendingCount(consumer)
  groups.deleteConsumer(group, consumer)
  context.keyspace.countChange()
  notify(context, NOTIFY_STREAM, 'xgroup-delconsumer', KEY)
  reply.integer(pending)
}

/** XACK key group id [id …] */
export function runXAck(context: CommandContext): void {
  const { args, reply } = context
  if (!findForRead(context, 1)) {
    reply.integer(0)
    return
  }
  if (!openFound(context)) return
  const group = groupArgument(context, 2)
  if (group === 0) {
    reply.integer(0)
    return
  }
  for (let i = 3; i < args.count; i++) if (!idArgument(context, i, id, 0, true)) return
  context.keyspace.enterEntry()
  let acknowledged = 0
  for (let i = 3; i < args.count; i++) {
    idArgument(context, i, id, 0, true)
    if (groups.findPending(group, id) === 0) continue
    groups.removePending()
    acknowledged++
  }
  if (acknowledged > 0) context.keyspace.countChange()
  reply.integer(acknowledged)
}

const SECOND_IS_KEY: KeyPositions = [KEY, KEY, 1]

function row(
  arity: number,
  flags: number,
  since: string,
  keyFlag: string,
  summary: string,
  run: (context: CommandContext) => void,
): SubcommandRow & RowFunction {
  return {
    arity,
    flags: WRITE | flags,
    keys: SECOND_IS_KEY,
    since,
    group: 'stream',
    summary,
    keyFlags: ['RW', keyFlag],
    run,
  }
}

/** The XGROUP container. */
export const xgroupCommand: CommandRow = container(
  'XGROUP',
  { since: '5.0.0', group: 'stream', summary: 'A container for consumer groups commands' },
  {
    CREATE: row(-5, DENYOOM, '5.0.0', 'insert', 'Makes a consumer group.', create),
    CREATECONSUMER: row(5, DENYOOM, '6.2.0', 'insert', 'Makes a consumer in a group.', createConsumer),
    DELCONSUMER: row(5, 0, '5.0.0', 'delete', 'Deletes a consumer of a group.', deleteConsumer),
    DESTROY: row(4, 0, '5.0.0', 'delete', 'Deletes a consumer group.', destroy),
    SETID: row(-5, 0, '5.0.0', 'update', 'Sets the last ID that a group has delivered.', setId),
  },
  [
    [
      'CREATE <key> <groupname> <id|$> [option]',
      'Create a new consumer group. Options are:',
      '* MKSTREAM',
      '  Create the empty stream if it does not exist.',
      '* ENTRIESREAD entries_read',
      "  Set the group's entries_read counter (internal use).",
    ],
    ['CREATECONSUMER <key> <groupname> <consumer>', 'Create a new consumer in the specified group.'],
    ['DELCONSUMER <key> <groupname> <consumer>', 'Remove the specified consumer.'],
    ['DESTROY <key> <groupname>', 'Remove the specified group.'],
    ['SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]', 'Set the current group ID and entries_read counter.'],
  ],
  '5.0.0',
)
