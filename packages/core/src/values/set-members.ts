/**
 * The members of a set of any form, for commands of sorted sets that take sets as well: a cursor that owns nothing. Members
 * are in registers, borrowed until the next one.
 */
import { NO_BYTES, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { intsetCount } from '../encoding/intset.ts'
import { intsetSearch } from '../encoding/intset-edit.ts'
import { listpackFirst } from '../encoding/listpack.ts'
import { listpackCount, listpackFind } from '../encoding/listpack-edit.ts'
import { int64Hi, int64Lo, parseInt64 } from '../encoding/integer.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { ElementTable } from './element-table.ts'
import { FORM_INTSET } from './form-numbers.ts'
import { readIntsetText, readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { LargeValue } from './large-value.ts'
import { SET_ROOT } from './set-form.ts'

export class SetMembers implements ViewHolder {
  readonly #value = new LargeValue()
  readonly #table = new ElementTable()
  #isLarge = false
  #isIntset = false
  #bytes!: Uint8Array
  #start = 0
  #end = 0

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.#bytes = NO_BYTES
  }

  /** Opens the set that the last lookup found. */
  open(keyspace: KeyspaceReads): this {
    const { entry } = keyspace
    this.#isLarge = entry.isLarge
    if (entry.isLarge) this.#table.open(keyspace.openLarge(this.#value), SET_ROOT)
    else {
      this.#isIntset = entry.rdbType === FORM_INTSET
      this.#bytes = entry.bytes
      this.#start = entry.start
      this.#end = entry.start + entry.length
    }
    return this
  }

  get count(): number {
    if (this.#isLarge) return this.#table.count
    return this.#isIntset ? intsetCount(this.#bytes, this.#start) : listpackCount(this.#bytes, this.#start)
  }

  has(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#isLarge) return this.#table.find(bytes, start, end)
    if (!this.#isIntset) return listpackFind(this.#bytes, this.#start, this.#end, bytes, start, end, 1) >= 0
    return parseInt64(bytes, start, end) && intsetSearch(this.#bytes, this.#start, int64Lo, int64Hi) >= 0
  }

  /** Shows all members. */
  forEach(visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.#isLarge) {
      this.#table.forEach((element) => {
        if (element.isLongKey) {
          const key = element.keyToBuffer()
          visit(key, 0, key.length)
        } else visit(element.bytes, element.start - element.keyLength, element.start)
      })
      return
    }
    if (this.#isIntset) {
      for (let i = 0; i < this.count; i++) {
        readIntsetText(this.#bytes, this.#start, this.#end, i)
        visit(textBytes, textStart, textEnd)
      }
      return
    }
    const last = this.#end - 1
    for (let at = listpackFirst(this.#start); at >= 0 && at < last;) {
      at = readListpackText(this.#bytes, at, this.#end)
      if (at >= 0) visit(textBytes, textStart, textEnd)
    }
  }
}
