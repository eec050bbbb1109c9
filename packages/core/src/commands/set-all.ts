/**
 * SMEMBERS, whole and in slices.
 *
 * Source: redis 7.0 t_set.c sinterCommand(): SMEMBERS is a SINTER of one set.
 */
import { FORM_SET_TABLE } from '../values/form-numbers.ts'
import { findForRead } from './access.ts'
import type { ReadContext } from './command.ts'
import { ElementSlices, NAMES } from './element-slices.ts'
import type { ReplySlices, SliceBounds } from './reply-slices.ts'
import { expectSet, SetView } from './set-value.ts'

const view = new SetView()

/** SMEMBERS key */
export function runSMembers(context: ReadContext): void {
  const { keyspace, reply } = context
  if (!findForRead(context, 1)) {
    reply.set(0)
    return
  }
  if (!expectSet(context)) return
  view.open(keyspace)
  reply.expectItems(view.count)
  reply.set(view.count)
  view.forEach((bytes, start, end) => {
    reply.bulk(bytes, start, end)
    return true
  })
}

class SetSlices implements ReplySlices {
  readonly #elements = new ElementSlices(NAMES)
  #isBegun = false

  write(context: ReadContext, slice: SliceBounds): boolean {
    const { reply, keyspace } = context
    if (!findForRead(context, 1) || keyspace.entry.rdbType !== FORM_SET_TABLE) {
      runSMembers(context)
      return true
    }
    view.open(keyspace)
    if (!this.#isBegun) reply.set(view.count)
    this.#isBegun = true
    return this.#elements.write(reply, slice, view.table, () => false)
  }
}

export function sliceSMembers(): ReplySlices {
  return new SetSlices()
}
