/** HGETALL, HKEYS and HVALS of long hashes in slices. */
import type { Entry } from '../keyspace/entry.ts'
import { TableWalk } from '../keyspace/table-walk.ts'
import { findForRead } from './access.ts'
import type { ReadContext } from './command.ts'
import { ElementSlices, NAMES, NAMES_AND_VALUES, VALUES } from './element-slices.ts'
import { replyAllFields } from './hash-read.ts'
import { hashTable, isFieldHidden, openHashTable } from './hash-value.ts'
import { isHashForm } from '../values/form-numbers.ts'
import type { ReplySlices, SliceBounds } from './reply-slices.ts'

class HashSlices implements ReplySlices {
  readonly #what: number
  readonly #elements: ElementSlices
  /** Through the fields that have a time to live, to count those that are not shown. */
  readonly #counting = new TableWalk()
  #hidden = 0
  #isBegun = false

  constructor(what: number) {
    this.#what = what
    this.#elements = new ElementSlices(what)
  }

  write(context: ReadContext, slice: SliceBounds): boolean {
    const { reply, keyspace } = context
    if (!findForRead(context, 1) || !isHashForm(keyspace.entry.rdbType) || !openHashTable(context)) {
      replyAllFields(context, this.#what)
      return true
    }
    const hides = hashTable.expires > 0
    const isHidden = (element: Entry): boolean => hides && isFieldHidden(context, element)
    if (!this.#isBegun) {
      if (hides && !this.#countHidden(context, slice)) return false
      const count = hashTable.count - this.#hidden
      if (this.#what === NAMES_AND_VALUES) reply.map(count)
      else reply.array(count)
      this.#isBegun = true
    }
    return this.#elements.write(reply, slice, hashTable, isHidden)
  }

  /** @returns false: not yet all. */
  #countHidden(context: ReadContext, slice: SliceBounds): boolean {
    const { reply } = context
    while (!this.#counting.isOver) {
      if (slice.isOver(reply)) return false
      hashTable.walk(this.#counting, (element) => {
        if (slice.isOver(reply)) return false
        if (isFieldHidden(context, element)) this.#hidden++
        return true
      })
    }
    return true
  }
}

export function sliceHGetAll(): ReplySlices {
  return new HashSlices(NAMES_AND_VALUES)
}

export function sliceHKeys(): ReplySlices {
  return new HashSlices(NAMES)
}

export function sliceHVals(): ReplySlices {
  return new HashSlices(VALUES)
}
