/**
 * Changes of the list under a key, in either form: one that is short is a listpack in the key's own record, so that a push touches
 * nothing else; one that outgrows that becomes a list of nodes (list-value.ts), for good.
 *
 * What Redis holds it as does not follow from this: OBJECT ENCODING says quicklist of both, and a listpack is never longer than
 * Redis' first node would be.
 *
 * When memory ends in a change (KEYSPACE_OUT_OF_MEMORY), the list is as before.
 */
import { LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import { listpackWriteHeader } from '../encoding/listpack-edit.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { FORM_LIST } from './form-numbers.ts'
import { LargeValue } from './large-value.ts'
import { LIST_WORDS } from './list-cursor.ts'
import { elementBytes, type ListNodeRule, packedListTakes, packedListTakesBytes, writeElement } from './list-node.ts'
import { ListValue } from './list-value.ts'

export class ListWriter extends ListValue {
  #keyspace!: Keyspace
  #db = 0
  #key!: Uint8Array
  #keyStart = 0
  #keyEnd = 0
  readonly #large = new LargeValue()

  /** Opens the list at a key that was just looked up and found. */
  edit(keyspace: Keyspace, db: number, key: Uint8Array, start: number, end: number): this {
    this.#keyspace = keyspace
    this.#db = db
    this.#key = key
    this.#keyStart = start
    this.#keyEnd = end
    return this.#open()
  }

  #open(): this {
    const { entry } = this.#keyspace
    if (!entry.isLarge) return this.openPacked(entry)
    const value = this.#keyspace.openLarge(this.#large)
    return this.open(value.region, value.words, value.at, value.lazyFree)
  }

  override push(atHead: boolean, rule: ListNodeRule): void {
    if (this.isPacked) {
      if (packedListTakes(this.packedLength, this.count, rule)) {
        this.#insertPacked(atHead ? LISTPACK_HEADER_BYTES : this.packedLength - 1)
        return
      }
      this.#makeLarge()
    }
    this.#keyspace.enterEntry()
    super.push(atHead, rule)
  }

  override trim(from: number, to: number): void {
    if (!this.isPacked) {
      this.#keyspace.enterEntry()
      super.trim(from, to)
      return
    }
    const { count } = this
    if (to < count) {
      this.seek(to)
      this.#splice(this.itemAt, this.packedLength - 1 - this.itemAt, 0, to - count)
    }
    if (from > 0) {
      this.seek(from)
      this.#splice(LISTPACK_HEADER_BYTES, this.itemAt - LISTPACK_HEADER_BYTES, 0, -from)
    }
  }

  override insert(behind: boolean, rule: ListNodeRule): void {
    if (this.isPacked) {
      if (packedListTakes(this.packedLength, this.count, rule)) {
        this.#insertPacked(behind ? this.nextItemAt() : this.itemAt)
        return
      }
      this.#makeLargeAt(this.itemIndex)
    }
    this.#keyspace.enterEntry()
    super.insert(behind, rule)
  }

  override replace(position: number, rule: ListNodeRule): void {
    if (this.isPacked) {
      this.seek(position)
      const { itemAt } = this
      const removed = this.nextItemAt() - itemAt
      if (packedListTakesBytes(this.packedLength - removed)) {
        this.#splice(itemAt, removed, elementBytes, 0)
        this.#writeElement(itemAt)
        return
      }
      this.#makeLarge()
    }
    this.#keyspace.enterEntry()
    super.replace(position, rule)
  }

  override remove(backward: boolean): boolean {
    if (!this.isPacked) {
      this.#keyspace.enterEntry()
      return super.remove(backward)
    }
    const { itemAt } = this
    this.#splice(itemAt, this.nextItemAt() - itemAt, 0, -1)
    this.enterPacked()
    this.itemNext = 0
    if (backward) return this.previous()
    // What stood behind it has moved here.
    return this.itemIndex < this.nodeItems
  }

  #insertPacked(at: number): void {
    this.#splice(at, 0, elementBytes, 1)
    this.#writeElement(at)
  }

  #writeElement(at: number): void {
    const { bytes, view, start } = this.#keyspace.entry
    writeElement(bytes, view, start + at)
  }

  #splice(at: number, removed: number, inserted: number, countChange: number): void {
    const keyspace = this.#keyspace
    keyspace.spliceEntry(this.#key, this.#keyStart, this.#keyEnd, at, removed, inserted)
    const { entry } = keyspace
    listpackWriteHeader(entry.bytes, entry.start, entry.length, countChange)
    this.openPacked(entry)
  }

  /** The list becomes one of nodes; the position is gone. */
  #makeLarge(): void {
    const keyspace = this.#keyspace
    const { bytes, start, length, expireAtMs } = keyspace.entry
    const region = keyspace.targetRegion
    const descriptor = new Int32Array(LIST_WORDS)
    descriptor[0] = region.index
    keyspace.enterEntry()
    const made = new ListValue().open(region, descriptor, 0)
    if (this.count > 0) made.appendListpack(bytes, start, start + length, this.count)
    try {
      keyspace.putLarge(this.#db, this.#key, this.#keyStart, this.#keyEnd, FORM_LIST, descriptor, expireAtMs)
    } catch (error) {
      made.free()
      throw error
    }
    this.#open()
  }

  /** The same; the position is on element `index` then. */
  #makeLargeAt(index: number): void {
    this.#makeLarge()
    this.seek(index)
  }
}
