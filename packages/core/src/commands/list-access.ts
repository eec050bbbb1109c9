/** How list commands reach the list at a key: opening, creating, the type check, and what several of them reply. */
import { FORM_LIST } from '../values/form-numbers.ts'
import { LargeValue } from '../values/large-value.ts'
import { listNodeRule, type ListNodeRule } from '../values/list-node.ts'
import { ListValue } from '../values/list-value.ts'
import { NOTIFY_LIST } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR, WRONG_TYPE } from '../resp/error-replies.ts'
import { deleteFound, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify, notifyDeleted } from './notify.ts'

const large = new LargeValue()
const opened = new ListValue()

/** True when the key just found holds a list; otherwise the error is written. */
export function expectList(context: ReadContext): boolean {
  if (context.keyspace.entry.rdbType === FORM_LIST) return true
  context.reply.error(WRONG_TYPE)
  return false
}

/** The list just found. Borrowed until the next call; one at a time. */
export function openList(context: ReadContext, into: ListValue = opened): ListValue {
  const value = context.keyspace.openLarge(large)
  return into.open(value.region, value.words, value.at, value.lazyFree)
}

/** The list just found, to be changed. */
export function changeList(context: CommandContext): ListValue {
  context.keyspace.enterEntry()
  return openList(context)
}

/** An empty list at the key of argument `index`, which was looked up in vain. Something must be pushed to it. */
export function createList(context: CommandContext, index: number): ListValue {
  const { args, keyspace } = context
  const value = keyspace.createLarge(context.db, args.bytes, args.start[index]!, args.end[index]!, FORM_LIST, 0)
  return opened.open(value.region, value.words, value.at, value.lazyFree)
}

let ruleSize = Number.NaN
let rule: ListNodeRule = listNodeRule(-2)

/** What a node may hold by the configuration. */
export function listRule(context: ReadContext): ListNodeRule {
  const size = context.settings.encodings.listMaxListpackSize
  if (size !== ruleSize) {
    ruleSize = size
    rule = listNodeRule(size)
  }
  return rule
}

/** Replies elements [from, to) as an array, in reverse when `backward`. */
export function replyElements(
  context: ReadContext,
  list: ListValue,
  from: number,
  to: number,
  backward: boolean,
): void {
  const { reply } = context
  reply.array(to - from)
  let more = list.seek(backward ? to - 1 : from)
  for (let left = to - from; left > 0 && more; left--) {
    list.load()
    list.reply(reply)
    more = backward ? list.previous() : list.next()
  }
}

/**
 * Removes `count` elements from one end of the list of argument `index`, which was just found and opened, and with the last
 * one the key. Replies nothing.
 */
export function removeFromEnd(
  context: CommandContext,
  list: ListValue,
  index: number,
  atHead: boolean,
  count: number,
): void {
  const length = list.count
  if (count < length) {
    context.keyspace.enterEntry()
    list.trim(atHead ? count : 0, atHead ? length : length - count)
    foundChanged(context, index)
    notify(context, NOTIFY_LIST, atHead ? 'lpop' : 'rpop', index)
    return
  }
  deleteFound(context, index)
  notify(context, NOTIFY_LIST, atHead ? 'lpop' : 'rpop', index)
  notifyDeleted(context, index)
}

/** Argument `index`, LEFT or RIGHT: is it the head? Undefined after an error reply. */
export function endArgument(context: ReadContext, index: number): boolean | undefined {
  if (argIs(context.args, index, 'LEFT')) return true
  if (argIs(context.args, index, 'RIGHT')) return false
  context.reply.error(SYNTAX_ERROR)
  return undefined
}
