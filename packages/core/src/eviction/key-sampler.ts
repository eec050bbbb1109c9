/**
 * Some keys of a database, at random: what an eviction chooses among. A sample begins at a random slot of a random page and goes
 * on through the table: its order is that of a hash, so neighbours have nothing to do with each other, and one page has in the
 * nearest cache what single random keys would have to be fetched for.
 *
 * Keys with a time to live have no table of their own. Where they are rare a sample may end without one, and the next of that
 * database begins where it ended: so in time everything is looked at. Belongs to the writer's thread.
 *
 * Source: redis 7.0 dict.c dictGetSomeKeys(), which takes neighbours as well.
 */
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import {
  FLAG_EXPIRE,
  PAGE_SLOTS,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_EXPIRES,
  ROOT_KEYS,
  regionOf,
} from '../keyspace/layout.ts'
import { recordFlags } from '../keyspace/record.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import { SHARD_COUNT } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'

/** Slots and empty entries of directories that one sample looks at: some 0.1 ms where each slot is a miss. */
const LOOKS_MAX = 4096

interface TablePlace {
  readonly shard: number
  /** Of its directory. */
  readonly entry: number
}

/** Gets the record of a sampled key. It must not change the table. */
export type SampleVisitor = (region: RegionView, address: number) => void

export class KeySampler {
  readonly #keyspace: KeyspaceReads
  readonly #random: () => number
  /** By database: where its next sample begins, after one that found nothing. */
  readonly #resume = new Map<number, TablePlace>()
  /** Slots and entries of directories that were looked at, in all. */
  looks = 0
  // Of the sample that is being taken.
  #isVolatile = false
  #visit!: SampleVisitor
  #wanted = 0
  #looksLeft = 0
  /** Entry of the directory that it would go on with. */
  #nextEntry = 0

  /** @param random 0 … 1 */
  constructor(keyspace: KeyspaceReads, random: () => number) {
    this.#keyspace = keyspace
    this.#random = random
  }

  /** Keys of a database that can be sampled. */
  population(db: number, isVolatile: boolean): number {
    return isVolatile ? this.#keyspace.expires(db) : this.#keyspace.size(db)
  }

  /**
   * Visits up to `wanted` keys of `db`, each once. @param isVolatile only keys with a time to live.
   * @returns how many. 0 with a population means that none was met yet: ask again.
   */
  sample(db: number, isVolatile: boolean, wanted: number, visit: SampleVisitor): number {
    const { generation } = this.#keyspace
    this.#isVolatile = isVolatile
    this.#visit = visit
    this.#wanted = wanted
    this.#looksLeft = LOOKS_MAX
    const counts = isVolatile ? ROOT_EXPIRES : ROOT_KEYS
    const resume = this.#resume.get(db)
    // Shards have about as many keys each: it is the hash that tells.
    let shard = resume?.shard ?? Math.floor(this.#random() * SHARD_COUNT)
    for (let shards = 0; shards < SHARD_COUNT && this.#wanted > 0 && this.#looksLeft > 0; shards++) {
      const root = generation.rootOf(db, shard)
      if (generation.control[root + counts]! > 0)
        this.#sampleShard(shard, root, shards === 0 ? resume?.entry : undefined)
      if (this.#looksLeft > 0) shard = (shard + 1) % SHARD_COUNT
    }
    const found = wanted - this.#wanted
    if (found === 0) this.#resume.set(db, { shard, entry: this.#nextEntry })
    else this.#resume.delete(db)
    this.looks += LOOKS_MAX - this.#looksLeft
    return found
  }

  /** Once around a shard's table. @param from entry of the directory; undefined: any */
  #sampleShard(shard: number, root: number, from: number | undefined): void {
    const { control, regions } = this.#keyspace.generation
    const region = regions[regionOf(shard)]!
    const directory = control[root + ROOT_DIRECTORY]!
    const depth = control[root + ROOT_DEPTH]!
    const entries = 2 ** depth
    const first = (from ?? Math.floor(this.#random() * entries)) % entries
    let firstPage = 0
    for (let passed = 0; passed < entries && this.#wanted > 0 && this.#looksLeft > 0;) {
      const entry = (first + passed) % entries
      const page = region.directoryEntry(directory, entry)
      // Its entries may lie around the place where this began.
      if (page !== 0 && page === firstPage) break
      if (passed === 0) firstPage = page
      const localDepth = page === 0 ? depth : region.memory.i32[page >>> 28]![byteOffsetOf(page) >>> 2]! >>> 16
      // Entries of one page stand together.
      const span = 2 ** (depth - localDepth)
      passed += span - (entry % span)
      this.#nextEntry = (first + passed) % entries
      if (page === 0) this.#looksLeft--
      else this.#samplePage(region, page)
    }
  }

  /** A page and its overflow, from a random slot on. */
  #samplePage(region: RegionView, first: number): void {
    const start = Math.floor(this.#random() * (PAGE_SLOTS - 1))
    for (let page = first; page !== 0 && this.#wanted > 0;) {
      const words = region.memory.i32[page >>> 28]!
      const base = byteOffsetOf(page) >>> 2
      this.#looksLeft -= PAGE_SLOTS
      for (let i = 0; i < PAGE_SLOTS - 1 && this.#wanted > 0; i++) {
        const slot = 1 + ((start + i) % (PAGE_SLOTS - 1))
        const address = words[base + slot * 2 + 1]!
        if (address === 0 || (this.#isVolatile && (recordFlags(region, address) & FLAG_EXPIRE) === 0)) continue
        this.#wanted--
        this.#visit(region, address)
      }
      page = words[base + 1]!
    }
  }
}
