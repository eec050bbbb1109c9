/**
 * One region as the reader of a pin sees it: as it was when the pin began, whatever the writer does meanwhile (docs/pins.md). Each
 * block that is looked at is copied into memory of this thread, from where it is or, if it was changed since, from what was kept
 * of it. All code that reads through a RegionView works here, because it asks `local()` where a block is to be found.
 */
import { byteOffsetOf, type RegionMemory } from '../memory/region-memory.ts'
import type { BlockCopies } from './block-copies.ts'
import type { HashSeed } from './key-hash.ts'
import {
  DIRECTORY_DEPTH_MAX,
  directoryIndex,
  homeSlot,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  SLOT_TAG_MASK,
} from './layout.ts'
import { RegionView } from './region-view.ts'

export class PinnedRegion extends RegionView {
  readonly #copies: BlockCopies
  readonly #source: RegionMemory

  /** @param source the region's memory, shared with the writer. @param copies of this thread, for all regions of the pin. */
  constructor(source: RegionMemory, index: number, seed: HashSeed, copies: BlockCopies) {
    super(copies.memory, index, seed)
    this.#source = source
    this.#copies = copies
  }

  /** @throws KeyspaceError PIN_BROKEN */
  override local(address: number): number {
    return this.#copies.copy(this.#source, this.index, address)
  }

  override held(address: number, holder: object): number {
    return this.#copies.hold(this.#source, this.index, address, holder)
  }

  /** Copies them all, and validates once. @throws KeyspaceError PIN_BROKEN */
  override bring(addresses: Int32Array, count: number): void {
    super.bring(addresses, count)
    this.#copies.copyAll(this.#source, this.index, addresses, count)
  }

  protected override localNode(address: number): number {
    return this.#copies.copyNode(this.#source, this.index, address)
  }

  /** As it is now, not as it was: for who only wants the record in the caches. */
  override touchAt(address: number): number {
    const words = this.#source.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    return words === undefined || at >= words.length ? 0 : words[at]!
  }

  override find(
    words: Int32Array,
    root: number,
    order: number,
    tag: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): number {
    const directory = words[root + ROOT_DIRECTORY]!
    const wanted = tag & SLOT_TAG_MASK
    if (directory === 0) return 0
    const depth = words[root + ROOT_DEPTH]!
    let page = this.directoryEntry(directory, directoryIndex(order, depth))
    while (page !== 0) {
      let slot = homeSlot(tag)
      for (let probes = 1; probes < PAGE_SLOTS; probes++) {
        const address = this.#pageWord(page, slot * 2 + 1)
        if (address === 0) break
        if ((this.#pageWord(page, slot * 2) & SLOT_TAG_MASK) === wanted) {
          if (this.keyEquals(this.local(address), key, start, end)) return address
        }
        slot = slot === PAGE_SLOTS - 1 ? 1 : slot + 1
      }
      if (depth !== DIRECTORY_DEPTH_MAX) return 0
      page = this.#pageWord(page, 1)
    }
    return 0
  }

  #pageWord(page: number, word: number): number {
    const local = this.local(page)
    return this.memory.i32[local >>> 28]![(byteOffsetOf(local) >>> 2) + word]!
  }
}
