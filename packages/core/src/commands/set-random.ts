/**
 * Members of a set that chance has chosen: SPOP and SRANDMEMBER.
 *
 * Source: redis 7.0 t_set.c spopCommand(), srandmemberWithCountCommand().
 */
import { parseInteger } from '../encoding/integer.ts'
import { checkRead } from '../keyspace/read-guard.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { ItemCopy } from '../values/item-copy.ts'
import { deleteFound, findForRead, findForWrite } from './access.ts'
import { ByteItems } from './byte-items.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { rangedCount } from './ranged-count.ts'
import { expectSet, noteRemoval, removeMember, SetView } from './set-value.ts'

const view = new SetView()

/** SPOP key [count] */
export function runSPop(context: CommandContext): void {
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
  view.open(keyspace).random(keepPopped)
  const { bytes, length } = popped
  reply.bulk(bytes, 0, length)
  removeMember(context, 1, bytes, 0, length)
  beginRemoval(context, 1)
  context.effects?.bytes(bytes, 0, length)
  noteRemoval(context, 'spop')
  popped.release()
}

/** The member that is about to be removed. */
const popped = new ItemCopy()
const keepPopped = (bytes: Uint8Array, start: number, end: number): void => popped.take(bytes, start, end)

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
  const { bytes } = chosen
  for (let i = 0; i < count; i++) {
    reply.bulk(bytes, chosen.startOf(i), chosen.endOf(i))
    removeMember(context, 1, bytes, chosen.startOf(i), chosen.endOf(i))
  }
  beginRemoval(context, count)
  for (let i = 0; i < count; i++) context.effects?.bytes(bytes, chosen.startOf(i), chosen.endOf(i))
  noteRemoval(context, 'spop')
}

/** Replicas remove the members that chance has chosen here: `SREM key member …`; the caller tells so many of them. */
function beginRemoval({ effects, args, db }: CommandContext, members: number): void {
  if (effects === undefined) return
  effects.begin(db, 'SREM', 2 + members)
  effects.argument(args, 1)
}

/** So many different members of the set in `view`, which has more: copies. */
function chooseDistinct(count: number): ByteItems {
  const chosen = new ByteItems()
  const add = (bytes: Uint8Array, start: number, end: number): void => chosen.addCopy(bytes, start, end)
  if (view.isTable && count * 8 < view.count) {
    for (const address of drawAddresses(count)) {
      locateKey(view.table.loadElement(address))
      add(keyBytes, keyStart, keyEnd)
    }
  } else selectInOrder(count, add)
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
export function runSRandMember(context: ReadContext): void {
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
