/**
 * Trimming streams: XTRIM, and the options it shares with XADD.
 *
 * On the stream trimming comes as `MAXLEN = n` or `MINID = id`, sometimes with a LIMIT beside it that a client may not
 * write: it is ignored there. From Redis 8.6 on XADD may name the producer (IDMP, IDMPAUTO): the primary has sorted out
 * what came twice, so the name is read and not kept.
 *
 * Source: redis 7.0 t_stream.c streamParseAddOrTrimArgsOrReply(), streamTrim().
 */
import { parseStreamId, STREAM_ID_ANY_SEQUENCE, STREAM_ID_BAD, StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { findForWrite, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext } from './command.ts'
import { notify } from './notify.ts'
import { idArgument, INVALID_ID, int64Argument, openFound, stream } from './stream-access.ts'
import {
  KEEP_REFERENCES,
  type ReferencePolicy,
  referencePolicy,
  releaseEntry,
  tellDeleted,
} from './stream-references.ts'

const TRIM_NONE = 0
const TRIM_LENGTH = 1
const TRIM_ID = 2
/** Without LIMIT, `~` removes entries of at most so many nodes. */
const TRIMMED_NODES_MAX = 100
const TRIM_LIMIT_UNLIMITED_NODES = 10_000
const TRIM_LIMIT_MAX = 1_000_000

// What the last `addOrTrimOptions` read.
let trimStrategy = TRIM_NONE
let trimApproximate = false
let trimLength = 0
let trimLimit = 0
let references: ReferencePolicy = KEEP_REFERENCES
export let noMakeStream = false
/** Was an ID given to XADD, and its sequence? */
export let idGiven = false
export let sequenceGiven = false
export const givenId: StreamId = new StreamId()
const minId = new StreamId()

/** @returns the index of XADD's ID, or behind XTRIM's last argument; -1 after an error reply. */
export function addOrTrimOptions(context: CommandContext, add: boolean): number {
  const { args, reply } = context
  trimStrategy = TRIM_NONE
  let policy: ReferencePolicy | undefined
  trimApproximate = noMakeStream = idGiven = sequenceGiven = false
  let limit = 0
  let limitGiven = false
  let i = 2
  for (; i < args.count; i++) {
    const more = args.count - 1 - i
    if (add && isOne(context, i, STAR)) break
    const byLength = more > 0 && argIs(args, i, 'MAXLEN')
    if (byLength || (more > 0 && argIs(args, i, 'MINID'))) {
      if (trimStrategy !== TRIM_NONE) {
        reply.error('ERR syntax error, MAXLEN and MINID options at the same time are not compatible')
        return -1
      }
      trimApproximate = more >= 2 && isOne(context, i + 1, TILDE)
      if (trimApproximate || (more >= 2 && isOne(context, i + 1, EQUALS))) i++
      i++
      if (byLength) {
        const value = int64Argument(context, i)
        if (value === undefined) return -1
        if (value < 0) {
          reply.error('ERR The MAXLEN argument must be >= 0.')
          return -1
        }
        trimLength = Number(value)
      } else if (!idArgument(context, i, minId, 0, true)) return -1
      trimStrategy = byLength ? TRIM_LENGTH : TRIM_ID
    } else if (more > 0 && argIs(args, i, 'LIMIT')) {
      const value = int64Argument(context, ++i)
      if (value === undefined) return -1
      if (value < 0) {
        reply.error('ERR The LIMIT argument must be >= 0.')
        return -1
      }
      limit = Number(value)
      limitGiven = true
    } else if (add && argIs(args, i, 'NOMKSTREAM')) noMakeStream = true
    else if (policy === undefined && (policy = referencePolicy(args, i)) !== undefined) continue
    else if (add && context.fromPrimary && more > 0 && argIs(args, i, 'IDMPAUTO')) i++
    else if (add && context.fromPrimary && more > 1 && argIs(args, i, 'IDMP')) i += 2
    else if (add) {
      const parsed = parseStreamId(args.bytes, args.start[i]!, args.end[i]!, givenId, 0, true, true)
      if (parsed === STREAM_ID_BAD) {
        reply.error(INVALID_ID)
        return -1
      }
      idGiven = true
      sequenceGiven = parsed !== STREAM_ID_ANY_SEQUENCE
      break
    } else {
      reply.error(SYNTAX_ERROR)
      return -1
    }
  }
  references = policy ?? KEEP_REFERENCES
  if (limit !== 0 && trimStrategy === TRIM_NONE) {
    reply.error('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy')
    return -1
  }
  if (!add && trimStrategy === TRIM_NONE) {
    reply.error('ERR syntax error, XTRIM must be called with a trimming strategy')
    return -1
  }
  if (context.fromPrimary) trimLimit = 0
  else if (limitGiven) {
    if (!trimApproximate) {
      reply.error('ERR syntax error, LIMIT cannot be used without the special ~ option')
      return -1
    }
    trimLimit = limit
  } else trimLimit = trimApproximate ? defaultTrimLimit(context.settings.encodings.streamNodeMaxEntries) : 0
  return i
}

function defaultTrimLimit(nodeEntries: number): number {
  return nodeEntries === 0 ? TRIM_LIMIT_UNLIMITED_NODES : Math.min(TRIM_LIMIT_MAX, TRIMMED_NODES_MAX * nodeEntries)
}

const STAR = 42
const TILDE = 126
const EQUALS = 61

function isOne({ args }: CommandContext, index: number, byte: number): boolean {
  return args.end[index] === args.start[index]! + 1 && args.bytes[args.start[index]!] === byte
}

/** Does a policy of Redis 8.2 decide which entries the trimming spares? Each that goes is told by `trim` then. */
export function trimsByPolicy(): boolean {
  return trimStrategy !== TRIM_NONE && references !== KEEP_REFERENCES
}

/** Trims the stream that is open as the options say. @returns entries removed. */
export function trim(context: CommandContext): number {
  if (trimsByPolicy()) {
    const until = trimStrategy === TRIM_ID ? minId : undefined
    return stream.trimAgreed(trimLength, until, trimApproximate, trimLimit, (id) => {
      if (!releaseEntry(context, references, id)) return false
      tellDeleted(context, id)
      return true
    })
  }
  if (trimStrategy === TRIM_LENGTH) return stream.trimToLength(trimLength, trimApproximate, trimLimit)
  return trimStrategy === TRIM_ID ? stream.trimToId(minId, trimApproximate, trimLimit) : 0
}

/** The words that make replicas trim as the last `trim` did, which may depend on nodes: its outcome. */
export function trimmedWords(): string[] {
  return ['MAXLEN', '=', String(stream.length)]
}

function tellTrimmed({ effects, args, db }: CommandContext): void {
  if (effects === undefined) return
  effects.begin(db, 'XTRIM', 5)
  effects.argument(args, 1)
  for (const word of trimmedWords()) effects.word(word)
}

/** XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED] */
export function runXTrim(context: CommandContext): void {
  const { reply } = context
  if (addOrTrimOptions(context, false) < 0) return
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  if (!openFound(context)) return
  context.keyspace.enterEntry()
  const { length } = stream
  try {
    const removed = trim(context)
    if (removed > 0) {
      if (!trimsByPolicy()) tellTrimmed(context)
      notify(context, NOTIFY_STREAM, 'xtrim', 1)
    }
    reply.integer(removed)
  } finally {
    // Memory may end behind the first nodes.
    if (stream.length < length) foundChanged(context, 1)
  }
}
