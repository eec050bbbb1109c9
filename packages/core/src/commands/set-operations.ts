/**
 * Several sets at once: SINTER, SUNION, SDIFF, their STORE forms and SINTERCARD (redis 7.0 t_set.c sinterGenericCommand(),
 * sunionDiffGenericCommand()). All keys are looked up and checked first; nothing is changed before the result is complete.
 */
import { parseInt64, parseInteger } from '../encoding/integer.ts'
import { NOTIFY_SET } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { deleteFound, findForRead, findForWrite } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs, CommandContext, ReadContext } from './command.ts'
import { notify, notifyDeleted } from './notify.ts'
import { expectSet, SetMaker, SetView } from './set-value.ts'
import { scanned, writeCollectedItems } from './scan-options.ts'
import { hasTooManyKeys } from './source-keys.ts'

/** Views for as many sets as the last command had, or some more. */
const views: SetView[] = []
const VIEWS_KEPT_MAX = 64
/** The sets at hand in the order of the keys; undefined: the key is absent. */
const sets: (SetView | undefined)[] = []
const maker = new SetMaker()

/** Opens the sets of arguments [from, to). @returns false after an error reply. */
function openSets(context: ReadContext, from: number, to: number): boolean {
  const { keyspace } = context
  if (hasTooManyKeys(context, to - from)) return false
  sets.length = 0
  if (views.length > VIEWS_KEPT_MAX) views.length = VIEWS_KEPT_MAX
  let used = 0
  for (let index = from; index < to; index++) {
    if (!findForRead(context, index)) {
      sets.push(undefined)
      continue
    }
    if (!expectSet(context)) return false
    if (used === views.length) views.push(new SetView())
    sets.push(views[used++]!.open(keyspace))
  }
  return true
}

type Visit = (bytes: Uint8Array, start: number, end: number) => boolean

function forEachOfIntersection(visit: Visit): void {
  const all = sets.filter((set) => set !== undefined)
  if (all.length < sets.length) return
  all.sort((a, b) => a.count - b.count)
  const [smallest, ...others] = all
  smallest!.forEach((bytes, start, end) => {
    for (const other of others) if (!other.has(bytes, start, end)) return true
    return visit(bytes, start, end)
  })
}

/** A member is shown by the first set that has it. */
function forEachOfUnion(visit: Visit): void {
  for (let i = 0; i < sets.length; i++) {
    sets[i]?.forEach((bytes, start, end) => {
      for (let before = 0; before < i; before++) if (sets[before]?.has(bytes, start, end) === true) return true
      return visit(bytes, start, end)
    })
  }
}

function forEachOfDifference(visit: Visit): void {
  const others = sets.filter((set, index) => index > 0 && set !== undefined) as SetView[]
  sets[0]?.forEach((bytes, start, end) => {
    for (const other of others) if (other.has(bytes, start, end)) return true
    return visit(bytes, start, end)
  })
}

type Operation = 'intersection' | 'union' | 'difference'

function reply(context: ReadContext, operation: Operation): void {
  const { args } = context
  if (!openSets(context, 1, args.count)) return
  let count = 0
  // A reply that grew too long may have left something.
  scanned.clear()
  const show: Visit = (bytes, start, end) => {
    scanned.bulk(bytes, start, end)
    count++
    return true
  }
  if (operation === 'intersection') forEachOfIntersection(show)
  else if (operation === 'difference') forEachOfDifference(show)
  else forEachOfUnion(show)
  context.reply.set(count)
  writeCollectedItems(context)
}

const STORE_EVENTS: Readonly<Record<Operation, string>> = {
  intersection: 'sinterstore',
  union: 'sunionstore',
  difference: 'sdiffstore',
}

function store(context: CommandContext, operation: Operation): void {
  const { args, keyspace } = context
  if (!openSets(context, 2, args.count)) return
  const found = keyspace.lookup(context.db, args.bytes, args.start[1]!, args.end[1]!)
  maker.begin(context)
  const add: Visit = (bytes, start, end) => {
    maker.add(bytes, start, end)
    return true
  }
  if (operation === 'intersection') forEachOfIntersection(add)
  else if (operation === 'union') for (const set of sets) set?.forEach(add)
  else {
    if (!mayDifferenceBeIntset(context)) maker.forbidIntset()
    forEachOfDifference(add)
  }
  if (maker.count > 0) {
    findForWrite(context, 1)
    maker.put(context, 1, -1)
    notify(context, NOTIFY_SET, STORE_EVENTS[operation], 1)
  } else if (found && findForWrite(context, 1)) {
    deleteFound(context, 1)
    notifyDeleted(context, 1)
  }
  context.reply.integer(maker.count)
}

/**
 * May the difference be an intset in Redis? When that is less work, it adds all of the first set and takes away what the others
 * have: what was once no intset stays none.
 */
function mayDifferenceBeIntset({ settings }: ReadContext): boolean {
  const [first] = sets
  if (first === undefined) return true
  let byLookups = 0
  let byRemoving = 0
  for (const set of sets) {
    if (set === undefined) continue
    byLookups += first.count
    byRemoving += set.count
  }
  if (Math.floor(byLookups / 2) <= byRemoving) return true
  let all = first.count <= settings.encodings.setMaxIntsetEntries
  first.forEach((bytes, start, end) => (all = all && parseInt64(bytes, start, end)))
  return all
}

export function runSInter(context: ReadContext): void {
  reply(context, 'intersection')
}

export function runSUnion(context: ReadContext): void {
  reply(context, 'union')
}

export function runSDiff(context: ReadContext): void {
  reply(context, 'difference')
}

export function runSInterStore(context: CommandContext): void {
  store(context, 'intersection')
}

export function runSUnionStore(context: CommandContext): void {
  store(context, 'union')
}

export function runSDiffStore(context: CommandContext): void {
  store(context, 'difference')
}

/** SINTERCARD numkeys key [key …] [LIMIT limit] */
export function runSInterCard(context: ReadContext): void {
  const { args } = context
  const keys = quietInteger(context, 1)
  if (Number.isNaN(keys) || keys < 1) {
    context.reply.error('ERR numkeys should be greater than 0')
    return
  }
  if (keys > args.count - 2) {
    context.reply.error("ERR Number of keys can't be greater than number of args")
    return
  }
  let limit = 0
  for (let i = 2 + keys; i < args.count; i += 2) {
    if (!argIs(args, i, 'LIMIT') || i + 1 === args.count) {
      context.reply.error(SYNTAX_ERROR)
      return
    }
    limit = quietInteger(context, i + 1)
    if (Number.isNaN(limit) || limit < 0) {
      context.reply.error("ERR LIMIT can't be negative")
      return
    }
  }
  if (!openSets(context, 2, 2 + keys)) return
  let count = 0
  forEachOfIntersection(() => ++count !== limit)
  context.reply.integer(count)
}

/** As integerArgument, without an error reply. */
function quietInteger({ args }: ReadContext, index: number): number {
  return parseInteger(args.bytes, args.start[index]!, args.end[index]!)
}

/** The keys behind their number. */
export function findSInterCardKeys(args: CommandArgs, into: number[]): void {
  const keys = args.count > 1 ? parseInteger(args.bytes, args.start[1]!, args.end[1]!) : 0
  for (let i = 0; i < keys && 2 + i < args.count; i++) into.push(2 + i)
}
