/**
 * Walks through tables in several turns, in the order of `walkRecords`: for readers of pins, whose tables stay as they are. A walk
 * keeps positions, no views and no addresses.
 */
import { SHARD_COUNT } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { GenerationLayout } from './generation.ts'
import { PAGE_SLOTS, ROOT_DEPTH, ROOT_DIRECTORY, regionOf } from './layout.ts'
import type { RegionView } from './region-view.ts'

/** Through one table. */
export class TableWalk {
  /** Entry of the directory whose page is next, and slots of it (overflow pages included) that are done. */
  #entry = 0
  #slots = 0
  isOver = false

  restart(): void {
    this.#entry = this.#slots = 0
    this.isOver = false
  }

  /**
   * Visits the records of the next page, or what is left of the last one. @param root of the table, in `table[root …]`.
   * @param visit says false when it has to be shown this record again: the page goes on with it the next time.
   */
  next(region: RegionView, table: Int32Array, root: number, visit: (address: number) => boolean): void {
    const directory = table[root + ROOT_DIRECTORY]!
    const entry = this.#entry
    if (directory === 0 || entry === 2 ** table[root + ROOT_DEPTH]!) {
      this.isOver = true
      return
    }
    const first = region.directoryEntry(directory, entry)
    // A page that has several entries is visited by the first one.
    const before = entry === 0 ? 0 : region.directoryEntry(directory, entry - 1)
    let slots = 0
    for (let address = first === before ? 0 : first; address !== 0;) {
      for (let slot = 1; slot < PAGE_SLOTS; slot++, slots++) {
        if (slots < this.#slots) continue
        // Each time anew: a visit may look at any number of blocks.
        const record = pageWord(region, address, slot * 2 + 1)
        if (record === 0 || visit(record)) continue
        this.#slots = slots
        return
      }
      address = pageWord(region, address, 1)
    }
    this.#slots = 0
    this.#entry = entry + 1
  }
}

/** Through the keys of a database. */
export class DatabaseWalk {
  readonly #table = new TableWalk()
  #shard = 0

  get isOver(): boolean {
    return this.#shard === SHARD_COUNT
  }

  restart(): void {
    this.#shard = 0
    this.#table.restart()
  }

  /** As `TableWalk.next()`, with the region of the record. */
  next(generation: GenerationLayout, db: number, visit: (region: RegionView, address: number) => boolean): void {
    const region = generation.regions[regionOf(this.#shard)]!
    const root = generation.rootOf(db, this.#shard)
    this.#table.next(region, generation.control, root, (address) => visit(region, address))
    if (!this.#table.isOver) return
    this.#table.restart()
    this.#shard++
  }
}

function pageWord(region: RegionView, address: number, word: number): number {
  const page = region.local(address)
  return region.memory.i32[page >>> 28]![(byteOffsetOf(page) >>> 2) + word]!
}
