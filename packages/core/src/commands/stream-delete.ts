/**
 * Commands that take entries out of a stream by their IDs: XDEL, XDELEX and XACKDEL.
 *
 * Source: redis 7.0 t_stream.c xdelCommand(); the documentation of XDELEX and XACKDEL (Redis 8.2).
 */
import { StreamId } from '../encoding/stream-id.ts'
import { NOTIFY_STREAM } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { R_FIRST, R_MAX_DELETED } from '../values/stream-layout.ts'
import { findForWrite, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext } from './command.ts'
import { notify } from './notify.ts'
import { tellNotPending } from './stream-effects.ts'
import { groupArgument, groups, idArgument, int64Argument, openFound, stream } from './stream-access.ts'
import {
  DELETE_REFERENCES,
  KEEP_REFERENCES,
  type ReferencePolicy,
  referencePolicy,
  dropReferences,
  releaseEntry,
  tellDeleted,
} from './stream-references.ts'

const id = new StreamId()
const other = new StreamId()

// ---- deleting -----------------------------------------------------------------------------------------------------

// Of the command at hand.
let deleted = 0
let firstDeleted = false

/** Deletes the entry `id`. @returns false when there is none. */
function deleteEntry(): boolean {
  if (!stream.delete(id)) return false
  if (id.compare(stream.readId(R_FIRST, other)) === 0) firstDeleted = true
  if (id.compare(stream.readId(R_MAX_DELETED, other)) > 0) stream.writeId(R_MAX_DELETED, id)
  deleted++
  return true
}

/** Runs `visit` for the IDs in arguments `first .. end` of the open stream, then tells of what was deleted. */
function deleteEach(context: CommandContext, first: number, end: number, visit: () => void): void {
  deleted = 0
  firstDeleted = false
  context.keyspace.enterEntry()
  try {
    for (let i = first; i < end; i++) {
      idArgument(context, i, id, 0, true)
      visit()
    }
  } finally {
    // Memory may end behind the first one.
    noteDeleted(context)
  }
}

function noteDeleted(context: CommandContext): void {
  // Also what only a policy clears away, or an acknowledgement.
  context.keyspace.countChange()
  if (deleted === 0) return
  if (firstDeleted || stream.length === 0) stream.updateFirstId()
  notify(context, NOTIFY_STREAM, 'xdel', 1)
  foundChanged(context, 1)
}

/** XDEL key id [id …] */
export function runXDel(context: CommandContext): void {
  const { args, reply } = context
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  if (!openFound(context)) return
  for (let i = 2; i < args.count; i++) if (!idArgument(context, i, id, 0, true)) return
  deleteEach(context, 2, args.count, deleteEntry)
  reply.integer(deleted)
}

// ---- with a policy ------------------------------------------------------------------------------------------------

const UNKNOWN_ID = -1
const DELETED = 1
const STILL_REFERENCED = 2

// What the last `listOptions` read.
let policy: ReferencePolicy = KEEP_REFERENCES
let firstId = 0
let idsEnd = 0

/** `[KEEPREF|DELREF|ACKED] IDS numids id [id …]`, the two in any order; false after an error reply. */
function listOptions(context: CommandContext, from: number): boolean {
  const { args, reply } = context
  let given: ReferencePolicy | undefined
  firstId = idsEnd = 0
  for (let i = from; i < args.count; i++) {
    const named = given === undefined ? referencePolicy(args, i) : undefined
    if (named !== undefined) given = named
    else if (firstId === 0 && i + 1 < args.count && argIs(args, i, 'IDS')) {
      const count = int64Argument(context, i + 1, NOT_POSITIVE)
      if (count === undefined) return false
      if (count < 1) {
        reply.error(NOT_POSITIVE)
        return false
      }
      firstId = i + 2
      if (count > args.count - firstId) {
        reply.error('ERR The `numids` parameter must match the number of arguments')
        return false
      }
      idsEnd = firstId + Number(count)
      i = idsEnd - 1
    } else {
      reply.error(SYNTAX_ERROR)
      return false
    }
  }
  policy = given ?? KEEP_REFERENCES
  if (firstId === 0) reply.error(SYNTAX_ERROR)
  return firstId !== 0
}

const NOT_POSITIVE = 'ERR Number of IDs must be a positive integer'

/** Replies a code for each of the IDs. @param codeOf decides about `id`, whose stream is open; undefined: none is known. */
function replyCodes(context: CommandContext, codeOf: (() => number) | undefined): void {
  const { reply } = context
  for (let i = firstId; i < idsEnd; i++) if (!idArgument(context, i, id, 0, true)) return
  reply.array(idsEnd - firstId)
  if (codeOf === undefined) for (let i = firstId; i < idsEnd; i++) reply.integer(UNKNOWN_ID)
  else deleteEach(context, firstId, idsEnd, () => reply.integer(codeOf()))
}

/** XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id [id …] */
export function runXDelEx(context: CommandContext): void {
  if (!listOptions(context, 2)) return
  const found = findForWrite(context, 1)
  if (found && !openFound(context)) return
  replyCodes(context, found ? () => deleteByPolicy(context) : undefined)
}

function deleteByPolicy(context: CommandContext): number {
  if (!stream.find(id)) {
    // What is left pending of an entry that is gone can be cleared away.
    if (policy === DELETE_REFERENCES) dropReferences(context, id)
    return UNKNOWN_ID
  }
  return deleteReleased(context)
}

function deleteReleased(context: CommandContext): number {
  if (!releaseEntry(context, policy, id)) return STILL_REFERENCED
  deleteEntry()
  tellDeleted(context, id)
  return DELETED
}

/** XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id [id …] */
export function runXAckDel(context: CommandContext): void {
  if (!listOptions(context, 3)) return
  const found = findForWrite(context, 1)
  if (found && !openFound(context)) return
  const group = found ? groupArgument(context, 2) : 0
  replyCodes(context, group === 0 ? undefined : () => acknowledgeAndDelete(context, group))
}

const XACKDEL_ARGUMENTS = { key: 1, group: 2 }

function acknowledgeAndDelete(context: CommandContext, group: number): number {
  if (groups.findPending(group, id) === 0) return UNKNOWN_ID
  groups.removePending()
  tellNotPending(context, XACKDEL_ARGUMENTS, id)
  return deleteReleased(context)
}
