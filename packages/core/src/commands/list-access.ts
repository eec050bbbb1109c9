/** How list commands reach the list at a key: opening, creating, the type check, and what several of them reply. */
import { isListForm } from '../values/form-numbers.ts'
import { LargeValue } from '../values/large-value.ts'
import { ListBuilder } from '../values/list-builder.ts'
import { ListCursor } from '../values/list-cursor.ts'
import { listNodeRule, type ListNodeRule } from '../values/list-node.ts'
import { ListWriter } from '../values/list-writer.ts'
import type { ValueBuild } from '../values/value-build.ts'
import { NOTIFY_LIST } from '../keyspace/key-events.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { beginBuild, deleteFound, expectForm, foundChanged } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify, notifyDeleted } from './notify.ts'

const large = new LargeValue()
const reading = new ListCursor()
const writing = new ListWriter()
const making = new ListBuilder()
let build: ValueBuild | undefined

/** True when the key just found holds a list; otherwise the error is written. */
export function expectList(context: ReadContext): boolean {
  return expectForm(context, isListForm)
}

/** The list just found. Borrowed until the next call; one at a time. */
export function openList({ keyspace }: ReadContext): ListCursor {
  const { entry } = keyspace
  if (!entry.isLarge) return reading.openPacked(entry)
  const value = keyspace.openLarge(large)
  return reading.openView(value.region, value.words, value.at)
}

/** The list just found at the key of argument `index`, to be changed. Borrowed until the next call. */
export function changeList(context: CommandContext, index: number): ListWriter {
  const { args, keyspace } = context
  return writing.edit(keyspace, context.db, args.bytes, args.start[index]!, args.end[index]!)
}

/** A list that is made for the key that was just looked up; `putList` puts it there. */
export function beginList(context: CommandContext): ListBuilder {
  build = beginBuild(context, build)
  making.begin(build)
  return making
}

/** Makes the list that was begun, and has an element now, the value of the key of argument `index`, which was looked up last. */
export function putList(context: CommandContext, index: number): void {
  const { args, keyspace, db } = context
  making.finish()
  keyspace.putBuilt(db, args.bytes, args.start[index]!, args.end[index]!, build!, -1)
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
  list: ListCursor,
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
 * Removes `count` elements from one end of the list of argument `index`, which was just found and opened for changes, and with
 * the last one the key. Replies nothing.
 */
export function removeFromEnd(
  context: CommandContext,
  list: ListWriter,
  index: number,
  atHead: boolean,
  count: number,
): void {
  const length = list.count
  if (count < length) {
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
