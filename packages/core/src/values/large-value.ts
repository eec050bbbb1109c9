/**
 * A value in a large form, as registers: where its descriptor stands and who owns its blocks. Opened on a record (or on a
 * descriptor being made) and reused; it owns nothing.
 *
 *   descriptor   word 0 [ bits:24 | owner region:8 ]   word 1 … the form's
 *
 * RENAME and MOVE give the descriptor to another record, perhaps in another region; the blocks stay where they are. So
 * nothing may keep the record's address.
 */
import { NO_WORDS, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import type { LazyFree } from '../keyspace/lazy-free.ts'
import type { RegionView } from '../keyspace/region-view.ts'

export class LargeValue implements ViewHolder {
  form = 0
  regions!: readonly RegionView[]
  /** Owner of the blocks; `region.writer` allocates and frees them. */
  region!: RegionView
  /**
   * Descriptor word i is `words[at + i]`. Valid until the record moves (a time to live set or removed, put, rename); an
   * allocation does not matter.
   */
  words!: Int32Array
  at = 0
  lazyFree!: LazyFree

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.words = NO_WORDS
  }

  open(regions: readonly RegionView[], lazyFree: LazyFree, form: number, words: Int32Array, at: number): this {
    this.form = form
    this.regions = regions
    this.region = regions[words[at]! & 0xff]!
    this.words = words
    this.at = at
    this.lazyFree = lazyFree
    return this
  }

  /** LARGE_REPORTS_PACKED and bits of the form's own. */
  get bits(): number {
    return this.words[this.at]! >>> 8
  }

  setBits(bits: number): void {
    this.words[this.at] = (bits << 8) | (this.words[this.at]! & 0xff)
  }
}
