/**
 * Sets (redis 7.0 t_set.c). Members and encodings: set-value.ts; several sets at once: set-operations.ts; members by chance:
 * set-random.ts.
 */
import { FILTERED_NAMES_MIN, NameFilter } from '../encoding/name-filter.ts'
import { NOTIFY_NEW, NOTIFY_SET } from '../keyspace/key-events.ts'
import { WRONG_TYPE } from '../resp/error-replies.ts'
import { FORM_SET_LISTPACK, isSetForm } from '../values/form-numbers.ts'
import { findForRead, findForWrite, foundChanged, sameArgument } from './access.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { notify } from './notify.ts'
import { beginElementScan, scanCount, scanMatches, scanned, writeScanned } from './scan-options.ts'
import {
  findSInterCardKeys,
  runSDiff,
  runSDiffStore,
  runSInter,
  runSInterCard,
  runSInterStore,
  runSUnion,
  runSUnionStore,
} from './set-operations.ts'
import { runSMembers, sliceSMembers } from './set-all.ts'
import { runSPop, runSRandMember } from './set-random.ts'
import { addMember, expectSet, noteRemoval, removeMember, SetMaker, SetView } from './set-value.ts'

const view = new SetView()
const maker = new SetMaker()
const names = new NameFilter()

/** SADD key member [member …] */
function runSAdd(context: CommandContext): void {
  const { args, reply } = context
  if (findForWrite(context, 1)) {
    if (!expectSet(context)) return
    const { entry } = context.keyspace
    const isFiltered = entry.rdbType === FORM_SET_LISTPACK && args.count - 2 >= FILTERED_NAMES_MIN
    if (isFiltered) names.begin(entry.bytes, entry.start, entry.start + entry.length, 1)
    let added = 0
    try {
      for (let i = 2; i < args.count; i++) {
        const mayBeThere = !isFiltered || names.add(args.bytes, args.start[i]!, args.end[i]!)
        if (addMember(context, 1, args.bytes, args.start[i]!, args.end[i]!, mayBeThere)) added++
      }
    } finally {
      // Memory may end behind the first one.
      if (added > 0) noteAdded(context, 1)
    }
    reply.integer(added)
    return
  }
  maker.begin(context)
  for (let i = 2; i < args.count; i++) maker.add(args.bytes, args.start[i]!, args.end[i]!)
  maker.put(context, 1, -1)
  notify(context, NOTIFY_SET, 'sadd', 1)
  reply.integer(maker.count)
}

/** Tells of members added to the set at argument `index`, which was there. */
function noteAdded(context: CommandContext, index: number): void {
  foundChanged(context, index)
  notify(context, NOTIFY_SET, 'sadd', index)
}

/** SREM key member [member …] */
function runSRem(context: CommandContext): void {
  const { args, keyspace, reply } = context
  let removed = 0
  if (findForWrite(context, 1)) {
    if (!expectSet(context)) return
    for (let i = 2; i < args.count && keyspace.entry.address !== 0; i++) {
      if (removeMember(context, 1, args.bytes, args.start[i]!, args.end[i]!)) removed++
    }
    if (removed > 0) noteRemoval(context, 'srem')
  }
  reply.integer(removed)
}

/** SMOVE source target member: put there first and taken away then, as memory may end between the two. */
function runSMove(context: CommandContext): void {
  const { args, keyspace, reply } = context
  if (!findForWrite(context, 1)) {
    reply.integer(0)
    return
  }
  const isSet = isSetForm(keyspace.entry.rdbType)
  const start = args.start[3]!
  const end = args.end[3]!
  const hasTarget = findForWrite(context, 2)
  if (!isSet || (hasTarget && !isSetForm(keyspace.entry.rdbType))) {
    reply.error(WRONG_TYPE)
    return
  }
  findForWrite(context, 1)
  if (sameArgument(context, 1, 2)) {
    reply.integer(view.open(keyspace).has(args.bytes, start, end) ? 1 : 0)
    return
  }
  if (!view.open(keyspace).has(args.bytes, start, end)) {
    reply.integer(0)
    return
  }
  const isNew = addToTarget(context, start, end)
  findForWrite(context, 1)
  removeMember(context, 1, args.bytes, start, end)
  // The order of the events is Redis', which takes the member away first.
  noteRemoval(context, 'srem')
  if (!hasTarget) notify(context, NOTIFY_NEW, 'new', 2)
  if (isNew) notify(context, NOTIFY_SET, 'sadd', 2)
  reply.integer(1)
}

/** Adds the member to the set of argument 2, which is made if there is none, without any event. @returns whether it is new there. */
function addToTarget(context: CommandContext, start: number, end: number): boolean {
  const { args, keyspace } = context
  if (findForWrite(context, 2)) {
    if (!addMember(context, 2, args.bytes, start, end)) return false
    foundChanged(context, 2)
    return true
  }
  const { events } = keyspace
  const { mask } = events
  events.mask = mask & ~NOTIFY_NEW
  try {
    maker.begin(context)
    maker.add(args.bytes, start, end)
    maker.put(context, 2, -1)
  } finally {
    events.mask = mask
  }
  return true
}

/** SISMEMBER key member */
function runSIsMember(context: ReadContext): void {
  const { args, keyspace, reply } = context
  if (!findForRead(context, 1)) reply.integer(0)
  else if (expectSet(context)) {
    reply.integer(view.open(keyspace).has(args.bytes, args.start[2]!, args.end[2]!) ? 1 : 0)
  }
}

/** SMISMEMBER key member [member …] */
function runSMIsMember(context: ReadContext): void {
  const { args, keyspace, reply } = context
  const found = findForRead(context, 1)
  if (found && !expectSet(context)) return
  if (found) view.open(keyspace)
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    reply.integer(found && view.has(args.bytes, args.start[i]!, args.end[i]!) ? 1 : 0)
  }
}

/** SCARD key */
function runSCard(context: ReadContext): void {
  if (!findForRead(context, 1)) context.reply.integer(0)
  else if (expectSet(context)) context.reply.integer(view.open(context.keyspace).count)
}

/** SSCAN key cursor [MATCH pattern] [COUNT count]: a packed set comes whole. */
function runSScan(context: ReadContext): void {
  const { keyspace } = context
  const cursor = beginElementScan(context, expectSet)
  if (cursor === undefined) return
  let items = 0
  let next = 0
  const show = (bytes: Uint8Array, start: number, end: number): boolean => {
    if (!scanMatches(context, bytes, start, end)) return true
    scanned.bulk(bytes, start, end)
    items++
    return true
  }
  view.open(keyspace)
  if (view.isTable) {
    next = view.table.scan(cursor, scanCount, (element) => {
      locateKey(element)
      show(keyBytes, keyStart, keyEnd)
    })
  } else view.forEach(show)
  writeScanned(context, next, items)
}

const GROUP = 'set'
const ONE_KEY = [1, 1, 1] as const
const ALL_KEYS = [1, -1, 1] as const
const ANY_ORDER = ['nondeterministic_output_order'] as const
const RANDOM = ['nondeterministic_output'] as const

export const setCommands: CommandTable = {
  SADD: {
    arity: -3,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Adds members to a set.',
    keyFlags: ['RW', 'insert'],
    run: runSAdd,
  },
  SREM: {
    arity: -3,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Removes members from a set.',
    keyFlags: ['RW', 'delete'],
    run: runSRem,
  },
  SMOVE: {
    arity: 4,
    flags: WRITE | FAST,
    keys: [1, 2, 1],
    since: '1.0.0',
    group: GROUP,
    summary: 'Moves a member from one set to another.',
    keySpecs: ['RW access delete @1', 'RW insert @2'],
    run: runSMove,
  },
  SISMEMBER: {
    arity: 3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Tells whether a set has a member.',
    keyFlags: ['RO'],
    read: runSIsMember,
  },
  SMISMEMBER: {
    arity: -3,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '6.2.0',
    group: GROUP,
    summary: 'Tells which of several members a set has.',
    read: runSMIsMember,
  },
  SCARD: {
    arity: 2,
    flags: READONLY | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns how many members a set has.',
    keyFlags: ['RO'],
    read: runSCard,
  },
  SMEMBERS: {
    arity: 2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns all members of a set.',
    tips: ANY_ORDER,
    read: runSMembers,
    slices: sliceSMembers,
  },
  SPOP: {
    arity: -2,
    flags: WRITE | FAST,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Removes and returns random members of a set.',
    propagate: 'srem',
    tips: RANDOM,
    keyFlags: ['RW', 'access', 'delete'],
    run: runSPop,
  },
  SRANDMEMBER: {
    arity: -2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns random members of a set.',
    tips: RANDOM,
    read: runSRandMember,
  },
  SSCAN: {
    arity: -3,
    flags: READONLY,
    keys: ONE_KEY,
    since: '2.8.0',
    group: GROUP,
    summary: 'Walks the members of a set.',
    tips: RANDOM,
    read: runSScan,
  },
  SINTER: {
    arity: -2,
    flags: READONLY,
    keys: ALL_KEYS,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns what several sets have in common.',
    tips: ANY_ORDER,
    read: runSInter,
  },
  SINTERCARD: {
    arity: -3,
    flags: READONLY | MOVABLE_KEYS,
    keys: [0, 0, 0],
    since: '7.0.0',
    group: GROUP,
    summary: 'Counts what several sets have in common.',
    findKeys: findSInterCardKeys,
    keySpecs: ['RO access @1#'],
    read: runSInterCard,
  },
  SINTERSTORE: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: ALL_KEYS,
    since: '1.0.0',
    group: GROUP,
    summary: 'Stores what several sets have in common.',
    keySpecs: ['RW update @1', 'RO access @2..'],
    run: runSInterStore,
  },
  SUNION: {
    arity: -2,
    flags: READONLY,
    keys: ALL_KEYS,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns the members of several sets.',
    tips: ANY_ORDER,
    read: runSUnion,
  },
  SUNIONSTORE: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: ALL_KEYS,
    since: '1.0.0',
    group: GROUP,
    summary: 'Stores the members of several sets.',
    keySpecs: ['OW update @1', 'RO access @2..'],
    run: runSUnionStore,
  },
  SDIFF: {
    arity: -2,
    flags: READONLY,
    keys: ALL_KEYS,
    since: '1.0.0',
    group: GROUP,
    summary: 'Returns what the first set has and the others have not.',
    tips: ANY_ORDER,
    read: runSDiff,
  },
  SDIFFSTORE: {
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: ALL_KEYS,
    since: '1.0.0',
    group: GROUP,
    summary: 'Stores what the first set has and the others have not.',
    keySpecs: ['OW update @1', 'RO access @2..'],
    run: runSDiffStore,
  },
}
