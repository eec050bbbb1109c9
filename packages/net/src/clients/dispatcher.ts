/**
 * Runs a command in the link thread: checks it, queues it in MULTI or calls it, and keeps the books (statistics, slow log,
 * latency, MONITOR, tracking). The turn it is a part of is `run-commands.ts`.
 *
 * The order of the checks follows redis 7.0 server.c processCommand(); what is done after a command, call().
 */
import {
  ALWAYS_WHOLE,
  ADMIN,
  arityFits,
  DENYOOM,
  errorCode,
  execAbort,
  findKeys,
  isSizeFault,
  LONG_REPLY,
  LONG_REPLY_BYTES,
  MAY_REPLICATE,
  NEVER_QUEUED,
  NO_MULTI,
  propagationOf,
  PROTECTED,
  READONLY,
  refusal,
  mayRefuse,
  ReplicaError,
  SKIP_SLOWLOG,
  tellWhatIsKept,
  unknownCommand,
  unknownSubcommand,
  WRITE,
  wrongNumberOfArguments,
} from '@understudy/core/internal'
import type { CommandContext, CommandEntry, Effects, RequesterState, ShardCounters } from '@understudy/core/internal'
import type { WriteSink } from './ports.ts'
import type { ClientServer } from './server.ts'
import type { ClientSession } from './session.ts'
import { isHttp } from './foreign-protocol.ts'
import { HIDDEN_FROM_MONITORS, monitoredAddress } from './monitor.ts'
import {
  CLIENT_DIRTY_CAS,
  CLIENT_DIRTY_EXEC,
  CLIENT_MONITOR,
  CLIENT_MULTI,
  CLIENT_NO_TOUCH,
  CLIENT_ONE_COMMAND,
  CLIENT_PUBSUB,
  CLIENT_REPLICA,
  CLIENT_UNAUTHENTICATED,
} from './connection-flags.ts'

/** Connections in one of these states read what others do, and have no business with data (redis 7.0 CLIENT_SLAVE). */
const STREAM_STATES: number = CLIENT_REPLICA | CLIENT_MONITOR
/** Connections in one of these states need every check. */
const CHECKED_STATES: number = CLIENT_UNAUTHENTICATED | CLIENT_MULTI | CLIENT_PUBSUB | STREAM_STATES
/** Commands with one of these flags need every check. */
const CHECKED_FLAGS: number = WRITE | DENYOOM | PROTECTED | NO_MULTI | ADMIN
/** Of commands that may be units: writers, and EXEC, which alone has the second flag. */
const UNIT_FLAGS: number = WRITE | SKIP_SLOWLOG
/** Of commands that replicas below may have to hear of, EXEC among them. */
const TOLD_FLAGS: number = UNIT_FLAGS | MAY_REPLICATE
/** What a queued command costs beside its arguments, roughly. */
const QUEUED_COMMAND_BYTES = 64

/** Runs the command that the decoder found, and ends what held for it alone. */
export function runOne(session: ClientSession, server: ClientServer): void {
  runOrRefuse(session, server)
  if ((session.flags & CLIENT_ONE_COMMAND) !== 0) session.commandOver()
}

/** Checks a command, queues it in MULTI or calls it. */
function runOrRefuse(session: ClientSession, server: ClientServer): void {
  const { decoder } = session
  let entry = server.registry.find(decoder.bytes, decoder.start[0]!, decoder.end[0]!)
  if (entry === undefined) {
    if (isHttp(decoder)) server.foreignProtocol.refuse(session)
    else reject(session, undefined, unknownCommand(decoder))
    return
  }
  if (entry.subcommands !== undefined && decoder.count > 1) {
    const subcommand = entry.subcommands.find(decoder.bytes, decoder.start[1]!, decoder.end[1]!)
    if (subcommand === undefined) {
      reject(session, undefined, unknownSubcommand(decoder, entry.name))
      return
    }
    entry = subcommand
  }
  if (!arityFits(entry.arity, decoder.count)) {
    reject(session, entry, wrongNumberOfArguments(entry.name))
    return
  }
  const { memory } = server.ports
  if (memory?.isLimited === true) memory.makeRoom()
  if ((entry.flags & CHECKED_FLAGS) !== 0 || (session.flags & CHECKED_STATES) !== 0 || mayRefuse(server.node)) {
    const refused = refusal(entry, server.node, requesterState(session))
    if (refused !== undefined) {
      reject(session, entry, refused)
      return
    }
  }
  if (server.pauses.isActive && server.pauses.holds(session, entry)) {
    decoder.rewind()
    session.entry = entry
    server.pauses.postpone(session)
    return
  }
  if ((session.flags & CLIENT_MULTI) !== 0 && !NEVER_QUEUED.has(entry.name)) {
    queueCommand(session, entry)
    return
  }
  // MULTI, forwarded behind its answer: its I/O thread has counted it.
  const isCounted = session.answered > 0
  server.meter.before(entry)
  callCommand(session, entry)
  if (!isCounted) server.meter.after(entry)
  if (server.blockedKeys.hasReady) server.blockedKeys.serve()
}

const requester: { -readonly [Field in keyof RequesterState]: RequesterState[Field] } = {
  authRequired: false,
  inMulti: false,
  subscriberOnly: false,
  replicaClient: false,
  protectedAllowed: false,
  queuedFlags: 0,
  queuedLacks: 0,
}

function requesterState(session: ClientSession): RequesterState {
  const { flags, transaction } = session
  requester.authRequired = (flags & CLIENT_UNAUTHENTICATED) !== 0
  requester.inMulti = (flags & CLIENT_MULTI) !== 0
  requester.subscriberOnly = session.resp === 2 && (flags & CLIENT_PUBSUB) !== 0
  requester.replicaClient = (flags & STREAM_STATES) !== 0
  requester.protectedAllowed = session.server.protectedCommandsAllowed(session)
  requester.queuedFlags = transaction?.flags ?? 0
  requester.queuedLacks = transaction?.lacks ?? 0
  return requester
}

function queueCommand(session: ClientSession, entry: CommandEntry<ClientSession>): void {
  const { transaction, decoder, server } = session
  if (transaction === undefined) throw new Error('MULTI without a queue')
  session.entry = entry
  // A transaction that will be discarded anyway takes no more memory.
  if ((session.flags & (CLIENT_DIRTY_EXEC | CLIENT_DIRTY_CAS)) === 0) transaction.add(entry, decoder)
  const queuedBytes = transaction.argumentBytes + transaction.count * QUEUED_COMMAND_BYTES
  if (queuedBytes + session.inputBytes > server.settings.clientQueryBufferBytesMax) {
    server.dropForInput(session)
    return
  }
  if (!session.takeAnswered()) session.reply.simple('QUEUED')
}

/** Refuses a command: EXEC that is refused discards its transaction. */
function reject(session: ClientSession, entry: CommandEntry<ClientSession> | undefined, text: string): void {
  const { statistics } = session.server
  session.entry = entry
  if (entry !== undefined) statistics.rejected[entry.id]!++
  let reply = text
  if (entry?.name === 'exec') {
    session.discardTransaction()
    reply = execAbort(errorCode(text) === 'ERR' ? text.slice(4) : text)
  } else if ((session.flags & CLIENT_MULTI) !== 0) session.flags |= CLIENT_DIRTY_EXEC
  if (!session.takeAnswered()) session.reply.error(reply)
  statistics.countError(reply)
}

/** Runs one command on the connection's arguments. The caller times it. */
export function callCommand(session: ClientSession, entry: CommandEntry<ClientSession>): void {
  const { server, reply } = session
  const errorsBefore = reply.errorCount
  const lengthBefore = reply.length
  session.entry = entry
  server.keyspace.countsReads = (session.flags & CLIENT_NO_TOUCH) === 0 || entry.name === 'touch'
  const telling = (entry.flags & TOLD_FLAGS) === 0 ? undefined : beginTelling(session)
  // A command that may write is one unit for readers in other threads; so is a whole EXEC, which its commands join.
  const unit = (entry.flags & UNIT_FLAGS) === 0 ? undefined : openUnit(session, entry)
  let isWhole = true
  try {
    if (entry.slices !== undefined && mayBeLong(session)) reply.longFrom = LONG_REPLY_BYTES
    entry.run(session)
  } catch (error) {
    reply.length = lengthBefore
    if (error === LONG_REPLY) server.replyPins.ask(session)
    else {
      reply.error(faultReply(error))
      isWhole = false
    }
  } finally {
    reply.longFrom = ALWAYS_WHOLE
    server.keyspace.countsReads = true
    if (telling !== undefined) endTelling(session, entry, telling, errorsBefore, isWhole)
    unit?.end()
  }
  if (reply.errorCount !== errorsBefore) server.countFailure(entry, reply.lastError)
  if (server.monitors.size > 0 && (entry.flags & HIDDEN_FROM_MONITORS) === 0) {
    const { args, db } = session
    server.feedMonitors({ db, address: monitoredAddress(session), row: entry.row, args })
  }
  if (session.tracking !== undefined) trackReads(session, entry)
  if ((entry.flags & WRITE) !== 0 && server.node.replica) noteOwnExpiring(session, entry)
}

/** Commands that may write into another database than the selected one. */
const ACROSS_DATABASES: ReadonlySet<string> = new Set(['move', 'copy'])

/** What a client of a replica has given a time to live no primary will delete. */
function noteOwnExpiring({ args, db, server }: ClientSession, entry: CommandEntry<ClientSession>): void {
  const keys: number[] = []
  if (!findKeys(entry, args, keys)) return
  const [from, to] = ACROSS_DATABASES.has(entry.name) ? [0, server.keyspace.databaseCount - 1] : [db, db]
  for (let i = from; i <= to; i++) {
    for (const index of keys) server.ownExpiring.note(i, args.bytes, args.start[index]!, args.end[index]!)
  }
}

/** May the reply be made in slices? That of EXEC is of one moment, and one reply. */
function mayBeLong({ keyspace, reply }: ClientSession): boolean {
  return !keyspace.counters.isOpen && !reply.discardReplies
}

/** What was so before a command of which replicas below may have to hear. */
interface Telling {
  readonly db: number
  readonly changes: number
  /** Told by those before it in an EXEC. */
  readonly told: number
  /** Not a part of an EXEC: what is told goes when the command is over. */
  readonly isOutermost: boolean
}

/** @returns undefined while nobody is to be told. */
function beginTelling({ effects, keyspace, db }: ClientSession): Telling | undefined {
  if (effects === undefined) return undefined
  return { db, changes: keyspace.dirty, told: effects.count, isOutermost: !keyspace.counters.isOpen }
}

/**
 * Tells of a command whose rule says so as it came; those with another rule have told of themselves.
 * @param isWhole false: an operating fault ended it, perhaps in the middle
 */
function endTelling(
  session: ClientSession,
  entry: CommandEntry<ClientSession>,
  { db, changes, told, isOutermost }: Telling,
  errorsBefore: number,
  isWhole: boolean,
): void {
  const { effects, keyspace, reply, server } = session
  const { writes } = server.ports
  // It may have made a replica of this node.
  if (effects === undefined || writes === undefined) return
  const rule = propagationOf(entry)
  const isChanged = keyspace.dirty !== changes
  if (!isWhole) {
    if (rule !== undefined && (isChanged || effects.count !== told)) tellPart(session, entry, effects, writes)
  } else if (rule === 'always' ? reply.errorCount === errorsBefore : rule === 'verbatim' && isChanged) {
    effects.verbatim(session.args, db)
  }
  if (isOutermost && writes.unitEnded()) session.writtenOffset = writes.offset
}

/** Of a command that was ended in the middle its keys are told as they are now; where that cannot be, replicas have to begin anew. */
function tellPart(
  session: ClientSession,
  entry: CommandEntry<ClientSession>,
  effects: Effects,
  writes: WriteSink,
): void {
  const cause = `memory ended in the middle of '${entry.name}'`
  try {
    if (!tellWhatIsKept(session, effects, entry)) writes.interrupted(cause)
  } catch (error) {
    if (!(error instanceof ReplicaError) && !isSizeFault(error)) throw error
    writes.interrupted(`${cause}, and what its keys hold cannot be told: ${error.message}`)
  }
}

/**
 * Tries a command that waits once more, as one unit. The caller has put its arguments in place and chosen the encoder.
 * @returns true when it has its reply.
 */
export function retryCommand(session: ClientSession, retry: (context: CommandContext) => boolean): boolean {
  const { entry, reply, server } = session
  if (entry === undefined) throw new Error('a wait without a command')
  const errorsBefore = reply.errorCount
  const lengthBefore = reply.length
  session.nowMs = server.clock.wallMs()
  const telling = (entry.flags & WRITE) === 0 ? undefined : beginTelling(session)
  const unit = (entry.flags & WRITE) === 0 ? undefined : openUnit(session, entry)
  let served: boolean
  let isWhole = true
  try {
    served = retry(session)
  } catch (error) {
    reply.length = lengthBefore
    reply.error(faultReply(error))
    isWhole = false
    served = true
  } finally {
    if (telling !== undefined) endTelling(session, entry, telling, errorsBefore, isWhole)
    unit?.end()
  }
  if (reply.errorCount !== errorsBefore) server.countFailure(entry, reply.lastError)
  if (served && session.tracking !== undefined) trackReads(session, entry)
  return served
}

/** An operating fault (no memory, something too big) is this client's error. @throws what is none: a bug is not hidden. */
function faultReply(error: unknown): string {
  if (error instanceof ReplicaError) {
    return error.code === 'KEYSPACE_OUT_OF_MEMORY' ? `OOM ${error.message}` : `ERR ${error.message}`
  }
  if (isSizeFault(error)) return 'ERR an argument or the reply is too long for this command'
  throw error
}

/** @returns the counters if the unit was opened here. */
function openUnit(session: ClientSession, entry: CommandEntry<ClientSession>): ShardCounters | undefined {
  const { counters } = session.keyspace
  if (counters.isOpen || ((entry.flags & WRITE) === 0 && entry.name !== 'exec')) return undefined
  counters.begin()
  return counters
}

function trackReads(session: ClientSession, entry: CommandEntry<ClientSession>): void {
  if ((entry.flags & READONLY) === 0) return
  const { server } = session
  server.tracking.remember(session, entry, session.args, server.settings.trackingTableKeysMax)
}
