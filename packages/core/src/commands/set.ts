/** Sets (redis 7.0 t_set.c). Members and encodings: set-value.ts; several sets at once: set-operations.ts. */
import { parseInteger } from '../encoding/integer.ts'
import { FILTERED_NAMES_MIN, NameFilter } from '../encoding/name-filter.ts'
import { checkRead } from '../keyspace/read-guard.ts'
import { NOTIFY_SET } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR, WRONG_TYPE } from '../resp/error-replies.ts'
import { FORM_SET_LISTPACK, isSetForm } from '../values/form-numbers.ts'
import { deleteFound, findForRead, findForWrite, foundChanged, sameArgument } from './access.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { notify, notifyDeleted } from './notify.ts'
import { rangedCount } from './ranged-count.ts'
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
import { addMember, expectSet, removeMember, SetMaker, SetView } from './set-value.ts'

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
    for (let i = 2; i < args.count; i++) {
      const mayBeThere = !isFiltered || names.add(args.bytes, args.start[i]!, args.end[i]!)
      if (addMember(context, 1, args.bytes, args.start[i]!, args.end[i]!, mayBeThere)) added++
    }
    if (added > 0) {
      foundChanged(context, 1)
      notify(context, NOTIFY_SET, 'sadd', 1)
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

/** Tells of members removed from the set at argument 1, and of its end if they were the last. */
function noteRemoval(context: CommandContext, event: string): void {
  const isGone = context.keyspace.entry.address === 0
  if (!isGone) foundChanged(context, 1)
  notify(context, NOTIFY_SET, event, 1)
  if (isGone) notifyDeleted(context, 1)
}

/** SMOVE source target member */
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
  if (!removeMember(context, 1, args.bytes, start, end)) {
    reply.integer(0)
    return
  }
  noteRemoval(context, 'srem')
  if (findForWrite(context, 2)) {
    if (addMember(context, 2, args.bytes, start, end)) {
      foundChanged(context, 2)
      notify(context, NOTIFY_SET, 'sadd', 2)
    }
  } else {
    maker.begin(context)
    maker.add(args.bytes, start, end)
    maker.put(context, 2, -1)
    notify(context, NOTIFY_SET, 'sadd', 2)
  }
  reply.integer(1)
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

/** SPOP key [count] */
function runSPop(context: CommandContext): void {
  const { args, keyspace, reply } = context
  if (args.count > 3) {
    reply.error(SYNTAX_ERROR)
    return
  }
  if (args.count === 3) {
    popSeveral(context)
    return
  }
  if (!findForWrite(context, 1)) {
    reply.nullBulk()
    return
  }
  if (!expectSet(context)) return
  view.open(keyspace).random(keepMember)
  reply.bulk(kept, 0, keptLength)
  removeMember(context, 1, kept, 0, keptLength)
  tellPopped(context, [kept.subarray(0, keptLength)])
}

/** A copy of a member that is about to be removed. */
let kept: Uint8Array = new Uint8Array(256)
let keptLength = 0
const KEPT_BYTES_MAX = 65_536

function keepMember(bytes: Uint8Array, start: number, end: number): void {
  keptLength = end - start
  if (kept.length < keptLength || kept.length > KEPT_BYTES_MAX) kept = new Uint8Array(Math.max(256, keptLength))
  kept.set(bytes.subarray(start, end))
}

function popSeveral(context: CommandContext): void {
  const { args, keyspace, reply } = context
  const count = parseInteger(args.bytes, args.start[2]!, args.end[2]!)
  if (Number.isNaN(count) || count < 0) {
    reply.error('ERR value is out of range, must be positive')
    return
  }
  if (!findForWrite(context, 1)) {
    reply.set(0)
    return
  }
  if (!expectSet(context)) return
  const { count: size } = view.open(keyspace)
  if (count >= size) {
    reply.set(size)
    view.forEach((bytes, start, end) => {
      reply.bulk(bytes, start, end)
      return true
    })
    deleteFound(context, 1)
    context.effects?.ofKey(context.db, 'DEL', args, 1)
    noteRemoval(context, 'spop')
    return
  }
  reply.set(count)
  if (count === 0) return
  // The members are chosen and shown first; what is shown is then removed.
  const chosen = chooseDistinct(count)
  for (const member of chosen) {
    reply.bulk(member, 0, member.length)
    removeMember(context, 1, member, 0, member.length)
  }
  tellPopped(context, chosen)
}

/** Replicas remove the members that chance has chosen here: `SREM key member …`. */
function tellPopped(context: CommandContext, members: readonly Uint8Array[]): void {
  const { effects, args, db } = context
  if (effects !== undefined) {
    effects.begin(db, 'SREM', 2 + members.length)
    effects.argument(args, 1)
    for (const member of members) effects.bytes(member, 0, member.length)
  }
  noteRemoval(context, 'spop')
}

/** So many different members of the set in `view`, which has more: copies. */
function chooseDistinct(count: number): Uint8Array[] {
  const chosen: Uint8Array[] = []
  if (view.isTable && count * 8 < view.count) {
    for (const address of drawAddresses(count)) {
      locateKey(view.table.loadElement(address))
      chosen.push(keyBytes.slice(keyStart, keyEnd))
    }
    return chosen
  }
  selectInOrder(count, (bytes, start, end) => chosen.push(bytes.slice(start, end)))
  return chosen
}

/** Records of so many different members of a table. */
function drawAddresses(count: number): Set<number> {
  const drawn = new Set<number>()
  while (drawn.size < count) {
    checkRead()
    view.table.random(Math.random)
    drawn.add(view.table.element.address)
  }
  return drawn
}

/** Shows so many different members in the order of the set, each as likely as the others. */
function selectInOrder(count: number, show: (bytes: Uint8Array, start: number, end: number) => void): void {
  let left = view.count
  let wanted = count
  view.forEach((bytes, start, end) => {
    if (Math.random() * left-- < wanted) {
      wanted--
      show(bytes, start, end)
    }
    return wanted > 0
  })
}

/** SRANDMEMBER key [count] */
function runSRandMember(context: ReadContext): void {
  const { args, keyspace, reply } = context
  const show = (bytes: Uint8Array, start: number, end: number): void => reply.bulk(bytes, start, end)
  if (args.count > 3) {
    reply.error(SYNTAX_ERROR)
    return
  }
  if (args.count === 2) {
    if (!findForRead(context, 1)) reply.nullBulk()
    else if (expectSet(context)) view.open(keyspace).random(show)
    return
  }
  const count = rangedCount(context, 2)
  if (count === undefined) return
  if (!findForRead(context, 1)) {
    reply.array(0)
    return
  }
  if (!expectSet(context)) return
  view.open(keyspace)
  if (count < 0) {
    reply.array(-count)
    for (let i = 0; i < -count; i++) view.random(show)
    return
  }
  const wanted = Math.min(count, view.count)
  reply.array(wanted)
  if (wanted === 0) return
  if (view.isTable && wanted * 8 < view.count) {
    for (const address of drawAddresses(wanted)) {
      locateKey(view.table.loadElement(address))
      show(keyBytes, keyStart, keyEnd)
    }
  } else selectInOrder(wanted, show)
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
