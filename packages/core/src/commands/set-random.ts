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
  tellPopped(context, [bytes.subarray(0, length)])
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
