/**
 * Makes a list of its elements, under no key yet: from a snapshot, or as what a command leaves. A listpack while it is short, then
 * of nodes. Elements are prepared first (`prepareElement`), as for ListValue.
 */
import { LISTPACK_END, LISTPACK_HEADER_BYTES } from '../encoding/listpack.ts'
import { LISTPACK_EMPTY_BYTES, listpackCreate, listpackWriteHeader } from '../encoding/listpack-edit.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { FORM_LIST, FORM_LIST_LISTPACK } from './form-numbers.ts'
import {
  elementBytes,
  LIST_NODE_HEADER_BYTES,
  type ListNodeRule,
  PACKED_LIST_BYTES_MAX,
  packedListTakes,
  writeElement,
} from './list-node.ts'
import { ListValue } from './list-value.ts'
import type { ValueBuild } from './value-build.ts'

export class ListBuilder {
  #build!: ValueBuild
  readonly #packing: Uint8Array = new Uint8Array(PACKED_LIST_BYTES_MAX)
  readonly #packingView: DataView = new DataView(this.#packing.buffer)
  /** Length of the listpack in `packing`; 0: the list has nodes. */
  #length = 0
  #items = 0
  readonly #list = new ListValue()

  /** Begins a list whose blocks belong to the region of `build`, which has the result after `finish`. */
  begin(build: ValueBuild): void {
    this.#build = build
    this.#length = listpackCreate(this.#packing, 0)
    this.#items = 0
  }

  /** Elements so far. */
  get count(): number {
    return this.#length === 0 ? this.#list.count : this.#items
  }

  /** Adds the prepared element at one end. When memory ends, the list is forgotten. */
  push(atHead: boolean, rule: ListNodeRule): void {
    if (this.#length !== 0 && packedListTakes(this.#length, this.#items, rule)) {
      this.#pack(atHead)
      return
    }
    try {
      if (this.#length !== 0) this.#beginNodes()
      this.#list.push(atHead, rule)
    } catch (error) {
      this.#list.free()
      throw error
    }
  }

  #pack(atHead: boolean): void {
    const packing = this.#packing
    const at = atHead ? LISTPACK_HEADER_BYTES : this.#length - 1
    packing.copyWithin(at + elementBytes, at, this.#length)
    writeElement(packing, this.#packingView, at)
    this.#length += elementBytes
    this.#items++
  }

  /** Adds the elements of a listpack if they can go as they are: beside those before, or as a node. @returns whether they did. */
  appendListpack(bytes: Uint8Array, start: number, end: number, items: number, rule: ListNodeRule): boolean {
    const used = end - start - LISTPACK_EMPTY_BYTES
    if (this.#length !== 0) {
      if (this.#items + items <= rule.itemsMax && this.#length + used <= PACKED_LIST_BYTES_MAX) {
        this.#packAll(bytes, start + LISTPACK_HEADER_BYTES, end - 1, items)
        return true
      }
      this.#beginNodes()
    }
    const list = this.#list
    if (LIST_NODE_HEADER_BYTES + used > BLOCK_BYTES_MAX || list.lastNodeTakes(used, items, rule)) return false
    list.appendListpack(bytes, start, end, items)
    return true
  }

  #packAll(bytes: Uint8Array, start: number, end: number, items: number): void {
    const packing = this.#packing
    copyBytes(bytes, viewOf(bytes), start, end, packing, this.#packingView, this.#length - 1)
    this.#length += end - start
    packing[this.#length - 1] = LISTPACK_END
    this.#items += items
  }

  #beginNodes(): void {
    const value = this.#build.beginLarge(FORM_LIST, 0)
    this.#list.open(value.region, value.words, value.at, value.lazyFree)
    const length = this.#length
    this.#length = 0
    if (this.#items === 0) return
    listpackWriteHeader(this.#packing, 0, length, this.#items)
    this.#list.appendListpack(this.#packing, 0, length, this.#items)
  }

  /** Leaves the list as the result of the build. */
  finish(): void {
    if (this.#length === 0) return
    listpackWriteHeader(this.#packing, 0, this.#length, this.#items)
    this.#build.packed(FORM_LIST_LISTPACK, 0, this.#packing, 0, this.#length)
  }
}
