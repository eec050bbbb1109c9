/** The elements of a large hash or set in slices: names, values or both, in the order in which a whole reply has them. */
import type { Entry } from '../keyspace/entry.ts'
import { TableWalk } from '../keyspace/table-walk.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import type { ElementTable } from '../values/element-table.ts'
import { replyElementValue, replyName } from './element-reply.ts'
import { BulkParts, type SliceBounds } from './reply-slices.ts'

/** What of each element is shown. */
export const NAMES = 1
export const VALUES = 2
export const NAMES_AND_VALUES = 3

export class ElementSlices {
  readonly #what: number
  readonly #walk = new TableWalk()
  readonly #parts = new BulkParts()
  /** The name of the element at hand was written, its value not. */
  #isNamed = false

  constructor(what: number) {
    this.#what = what
  }

  /** Writes more of the elements. @returns true when all are written. */
  write(reply: ReplyEncoder, slice: SliceBounds, table: ElementTable, isHidden: (element: Entry) => boolean): boolean {
    const show = (element: Entry): boolean => {
      if (slice.isOver(reply)) return false
      return isHidden(element) || this.#writeElement(reply, slice, element)
    }
    while (!this.#walk.isOver) {
      if (slice.isOver(reply)) return false
      table.walk(this.#walk, show)
    }
    return true
  }

  #writeElement(reply: ReplyEncoder, slice: SliceBounds, element: Entry): boolean {
    if ((this.#what & NAMES) !== 0 && !this.#isNamed) {
      if (!element.isLongKey) replyName(reply, element)
      else if (!this.#parts.write(reply, slice, element.keyNodes())) return false
    }
    if ((this.#what & VALUES) !== 0) {
      this.#isNamed = true
      if (!element.isChunked) replyElementValue(reply, element)
      else if (!this.#parts.write(reply, slice, element.nodes())) return false
    }
    this.#isNamed = false
    return true
  }
}
