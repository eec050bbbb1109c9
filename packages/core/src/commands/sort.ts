/**
 * SORT and SORT_RO of lists, sets and sorted sets. Elements and weights are copied out first and an order of indexes is
 * sorted, so that nothing borrowed outlives a lookup, and the target may be the source.
 *
 * Source: redis 7.0 sort.c sortCommandGeneric(), db.c sortGetKeys().
 */
import { NOTIFY_LIST } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR, WRONG_TYPE } from '../resp/error-replies.ts'
import { FORM_ZSET, FORM_ZSET_LISTPACK, LARGE_REPORTS_PACKED } from '../values/form-numbers.ts'
import { prepareElement } from '../values/list-node.ts'
import { ScoredEntries } from '../values/scored-entries.ts'
import type { ItemVisitor } from '../object-codec/value-items.ts'
import { storedTypeName, visitStoredItems } from '../values/stored-value.ts'
import { deleteFound, findForRead, findForWrite, integerArgument, requireWriter } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs, CommandContext, CommandTable, ReadContext } from './command.ts'
import { DENYOOM, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { beginList, listRule, openList, putList } from './list-access.ts'
import { notify, notifyDeleted } from './notify.ts'
import { partialSort } from '../partial-sort.ts'
import { ByteItems } from './byte-items.ts'
import { sortScore } from './sort-items.ts'
import { SortPattern } from './sort-pattern.ts'

const NOT_NUMBERS_ERROR = "ERR One or more scores can't be converted into double"

interface SortOptions {
  descending: boolean
  alpha: boolean
  /** LIMIT; a negative count is no limit. */
  start: number
  count: number
  /** Index of the STORE argument, 0 for none. */
  store: number
  by: SortPattern | undefined
  /** A BY without a star was there: nothing is sorted, whatever else is said. */
  keepsOrder: boolean
  readonly get: SortPattern[]
}

/** The options, or undefined after an error reply. */
function sortOptions(context: ReadContext, readonly: boolean): SortOptions | undefined {
  const { args, reply } = context
  const options: SortOptions = {
    descending: false,
    alpha: false,
    start: 0,
    count: -1,
    store: 0,
    by: undefined,
    keepsOrder: false,
    get: [],
  }
  for (let i = 2; i < args.count; i++) {
    const left = args.count - i - 1
    if (argIs(args, i, 'ASC')) options.descending = false
    else if (argIs(args, i, 'DESC')) options.descending = true
    else if (argIs(args, i, 'ALPHA')) options.alpha = true
    else if (argIs(args, i, 'LIMIT') && left >= 2) {
      options.start = integerArgument(context, i + 1)
      if (Number.isNaN(options.start)) return undefined
      options.count = integerArgument(context, i + 2)
      if (Number.isNaN(options.count)) return undefined
      i += 2
    } else if (argIs(args, i, 'STORE') && left >= 1 && !readonly) options.store = ++i
    else if (argIs(args, i, 'BY') && left >= 1) {
      options.by = new SortPattern(args, ++i)
      options.keepsOrder ||= !options.by.hasStar
    } else if (argIs(args, i, 'GET') && left >= 1) options.get.push(new SortPattern(args, ++i))
    else {
      reply.error(SYNTAX_ERROR)
      return undefined
    }
  }
  return options
}

/** The elements, and their indexes with what they are sorted by. Both are kept from one command to the next, unless they have grown long. */
const elements: ByteItems = new ByteItems()
const numbers: ScoredEntries = new ScoredEntries()
const addElement: ItemVisitor = {
  text: (bytes, start, end) => elements.addCopy(bytes, start, end),
  score: () => {},
  fieldTtl: () => {},
  entry: () => {},
}

/** Copies elements [from, to) of the list just found. */
function takeRange(context: ReadContext, from: number, to: number): void {
  const list = openList(context)
  let more = list.seek(from)
  for (let left = to - from; left > 0 && more; left--, more = list.next()) {
    list.load()
    const at = elements.add(list.elementLength)
    list.copyElement(elements.bytes, at)
  }
}

/**
 * SORT makes Redis hold a sorted set as one for good, and so it is called from then on. SORT_RO does so too, which as a read runs
 * outside of a unit.
 */
function rememberSkiplist(context: ReadContext): void {
  if (!context.fromPrimary && context.writable !== true) return
  requireWriter(context)
  const { keyspace } = context
  const isOpen = keyspace.counters.isOpen
  if (!isOpen) keyspace.begin()
  if (keyspace.entry.rdbType === FORM_ZSET_LISTPACK) keyspace.setLargeEncoding()
  else if (keyspace.entry.rdbType === FORM_ZSET) {
    const value = keyspace.openLarge()
    if ((value.bits & LARGE_REPORTS_PACKED) !== 0) {
      keyspace.enterEntry()
      value.setBits(value.bits & ~LARGE_REPORTS_PACKED)
    }
  }
  if (!isOpen) keyspace.end()
}

function runSort(context: ReadContext, readonly: boolean): void {
  try {
    sort(context, readonly)
  } finally {
    elements.empty()
    numbers.clear()
  }
}

function sort(context: ReadContext, readonly: boolean): void {
  const { keyspace, reply } = context
  const options = sortOptions(context, readonly)
  if (options === undefined) return
  const found = findForRead(context, 1)
  const typeName = found ? storedTypeName(keyspace.entry.rdbType) : 'list'
  if (typeName !== 'list' && typeName !== 'set' && typeName !== 'zset') {
    reply.error(WRONG_TYPE)
    return
  }
  let { keepsOrder } = options
  if (keepsOrder) options.by = undefined
  if (keepsOrder && typeName === 'set' && options.store !== 0) {
    // A set has no order of its own; what is stored must be the same everywhere.
    keepsOrder = false
    options.alpha = true
  }
  if (found && typeName === 'zset') rememberSkiplist(context)
  let length: number
  if (found && typeName === 'list') {
    length = openList(context).count
    // Without sorting only the range that is wanted.
    const [start, end] = keepsOrder ? sortRange(options, length) : [0, length]
    takeRange(context, options.descending ? length - end : start, options.descending ? length - start : end)
  } else {
    if (found) visitStoredItems(keyspace, addElement)
    length = elements.count
  }
  const [start, end] = sortRange(options, length)
  if (keepsOrder) {
    for (let i = 0; i < elements.count; i++) numbers.add(0, i)
  } else if (options.alpha) sortByText(context, options, start, end)
  else if (!sortByNumber(context, options)) {
    reply.error(NOT_NUMBERS_ERROR)
    return
  }
  const order = numbers.addresses.subarray(0, numbers.count)
  if (keepsOrder && options.descending && typeName !== 'set') order.reverse()
  const chosen = elements.count === length ? order.subarray(start, end) : order
  if (options.store === 0) replySorted(context, options, chosen)
  else {
    requireWriter(context)
    storeSorted(context, options, chosen)
  }
}

/** What LIMIT leaves of `length` elements: [start, end). */
function sortRange(options: SortOptions, length: number): [start: number, end: number] {
  const start = Math.min(Math.max(options.start, 0), length)
  return [start, options.count < 0 ? length : Math.min(length, start + options.count)]
}

/** Sorts `numbers` by what the elements or their weights are as text. Their first bytes, read as numbers, decide most comparisons. */
function sortByText(context: ReadContext, { by, descending, store }: SortOptions, start: number, end: number): void {
  const direction = descending ? -1 : 1
  const isText = store === 0
  if (by === undefined) {
    for (let i = 0; i < elements.count; i++) numbers.add(direction * elements.prefix(i, isText), i)
    numbers.sort(
      isText
        ? (index, other) => direction * elements.compareAsText(index, other) > 0
        : (index, other) => direction * elements.compare(index, other) > 0,
    )
    return
  }
  for (let i = 0; i < elements.count; i++) numbers.add(0, i)
  const weights = takeWeights(context, by)
  const compare = (left: number, right: number): number => {
    const missing = (weights.isMissing(right) ? 1 : 0) - (weights.isMissing(left) ? 1 : 0)
    if (missing !== 0 || weights.isMissing(left)) return direction * missing
    return direction * (isText ? weights.compareAsText(left, right) : weights.compare(left, right))
  }
  // Elements of equal weight: as Redis chooses among them.
  if (end - start < numbers.count) partialSort(numbers.addresses.subarray(0, numbers.count), compare, start, end - 1)
  else numbers.sort((index, other) => compare(index, other) > 0)
}

/** Sorts `numbers`, whose addresses are the indexes of the elements. @returns false when a weight is no number. */
function sortByNumber(context: ReadContext, { by, descending }: SortOptions): boolean {
  const direction = descending ? -1 : 1
  const weight = by === undefined ? undefined : new ByteItems()
  for (let i = 0; i < elements.count; i++) {
    let number = 0
    if (by === undefined || weight === undefined) {
      number = sortScore(elements.bytes, elements.startOf(i), elements.endOf(i))
    } else if (by.find(context, elements, i)) {
      weight.clear()
      by.copyTo(weight)
      number = sortScore(weight.bytes, 0, weight.endOf(0))
    }
    if (Number.isNaN(number)) return false
    numbers.add(direction * number, i)
  }
  numbers.sort((index, other) => direction * elements.compare(index, other) > 0)
  return true
}

function takeWeights(context: ReadContext, by: SortPattern): ByteItems {
  const weights = new ByteItems()
  for (let i = 0; i < elements.count; i++) {
    if (by.find(context, elements, i)) by.copyTo(weights)
    else weights.addMissing()
  }
  return weights
}

function replySorted(context: ReadContext, options: SortOptions, chosen: Int32Array): void {
  const { reply } = context
  const { get } = options
  reply.array(chosen.length * Math.max(1, get.length))
  for (const index of chosen) {
    if (get.length === 0) reply.bulk(elements.bytes, elements.startOf(index), elements.endOf(index))
    for (const pattern of get) {
      if (pattern.find(context, elements, index)) pattern.reply(reply)
      else reply.nullBulk()
    }
  }
}

function storeSorted(context: CommandContext, options: SortOptions, chosen: Int32Array): void {
  const { reply } = context
  const { get, store } = options
  let sorted = elements
  let picked = chosen
  if (get.length > 0) {
    sorted = new ByteItems()
    for (const index of chosen) {
      for (const pattern of get) {
        if (pattern.find(context, elements, index)) pattern.copyTo(sorted)
        else sorted.add(0)
      }
    }
    picked = Int32Array.from({ length: sorted.count }, (_, index) => index)
  }
  const found = findForWrite(context, store)
  if (picked.length === 0) {
    if (found) {
      deleteFound(context, store)
      notifyDeleted(context, store)
    }
    reply.integer(0)
    return
  }
  const list = beginList(context)
  const rule = listRule(context)
  for (const index of picked) {
    prepareElement(sorted.bytes, sorted.startOf(index), sorted.endOf(index))
    list.push(false, rule)
  }
  putList(context, store)
  notify(context, NOTIFY_LIST, 'sortstore', store)
  reply.integer(picked.length)
}

/** The key sorted, and the one behind the last STORE. */
function findSortKeys(args: CommandArgs, into: number[]): void {
  into.push(1)
  let store = 0
  for (let i = 2; i < args.count; i++) {
    if (argIs(args, i, 'LIMIT')) i += 2
    else if (argIs(args, i, 'GET') || argIs(args, i, 'BY')) i++
    else if (argIs(args, i, 'STORE') && i + 1 < args.count) store = i + 1
  }
  if (store !== 0) into.push(store)
}

/** SORT, SORT_RO. */
export const sortCommands: CommandTable = {
  SORT: {
    arity: -2,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    keys: [1, 1, 1],
    since: '1.0.0',
    group: 'generic',
    summary: 'Sort the elements in a list, set or sorted set',
    categories: ['set', 'sortedset', 'list', 'dangerous'],
    groupCategory: false,
    findKeys: findSortKeys,
    keySpecs: ['RO access @1', 'RO access ?', 'OW update ?'],
    run: (context) => runSort(context, false),
  },
  SORT_RO: {
    arity: -2,
    flags: READONLY | MOVABLE_KEYS,
    keys: [1, 1, 1],
    since: '7.0.0',
    group: 'generic',
    summary: 'Sort the elements in a list, set or sorted set. Read-only variant of SORT.',
    categories: ['set', 'sortedset', 'list', 'dangerous'],
    groupCategory: false,
    findKeys: (_args, into) => into.push(1),
    keySpecs: ['RO access @1', 'RO access ?'],
    read: (context) => runSort(context, true),
  },
}
