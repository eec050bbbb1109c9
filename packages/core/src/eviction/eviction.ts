/**
 * Removes keys so that memory becomes free, by one of the eviction policies: samples some keys of every database, keeps the best
 * candidates in a pool, and takes the best of those. It knows when to stop by asking; how much memory may be used, and what
 * counts, is its caller's. Each key is a unit of its own. Belongs to the writer's thread.
 *
 * Large values are freed in slices after their key is gone. Nothing more is evicted before that is done: it may be enough.
 *
 * Source: redis 7.0 evict.c performEvictions(), whose candidates are taken as they were sampled; here one that was used since,
 * or got more time to live, is passed over.
 */
import { recordAccessBits } from '../keyspace/access-bits.ts'
import { COUNTER_MAX } from '../keyspace/access-frequency.ts'
import { NOTIFY_EVICTED } from '../keyspace/key-events.ts'
import { hashOrder, hashTag } from '../keyspace/key-hash.ts'
import type { Generation } from '../keyspace/generation.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { FLAG_EXPIRE, regionOf, shardOf } from '../keyspace/layout.ts'
import { expireTimeOf, INLINE_KEY_BYTES_MAX, recordFlags } from '../keyspace/record.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { EvictionPool } from './eviction-pool.ts'
import { KeySampler } from './key-sampler.ts'
import type { EvictionRule } from './policy.ts'

/** Evictions between two looks at the clock and the databases. */
const KEYS_PER_LOOK = 16
/** The same in looks at the table, of which a key needs many where those that may go are rare: some 0.2 ms if each is a miss. */
const TABLE_LOOKS_PER_LOOK = 8192
/** Of a key that the policy spares. */
const NEVER: number = Number.NEGATIVE_INFINITY

export interface EvictionPorts {
  readonly keyspace: Keyspace
  /** Told of each key inside the unit that removed it. Its bytes are borrowed. */
  readonly onEvicted: (db: number, key: Uint8Array, start: number, end: number) => void
  /** 0 … 1; Math.random when left out. */
  readonly random?: () => number
}

/** 'enough': no more is needed. 'more': the time is over. 'nothing': the policy has no key that could go. */
export type EvictionOutcome = 'enough' | 'more' | 'nothing'

export interface EvictionWork {
  /** undefined: no key may go; only what waits to be freed is. */
  readonly rule: EvictionRule | undefined
  /** maxmemory-samples: keys of each database that are looked at for one that goes. */
  readonly samples: number
  /** Is too much memory used? Asked before each eviction. */
  readonly isTooMuch: () => boolean
  /** About how long it may take; 16 keys go in any case, or those that are found in some thousand slots of tables. */
  readonly milliseconds: number
}

export class Eviction {
  readonly #ports: EvictionPorts
  readonly #sampler: KeySampler
  readonly #pool = new EvictionPool()
  #rule: EvictionRule | undefined
  #generation: Generation | undefined
  /** Databases that had keys which may go, at the last look. */
  readonly #databases: number[] = []
  /** One database after the other has its turn. */
  #turn = 0
  /** Database that is being sampled. */
  #db = 0
  #victimRegion!: RegionView
  #victim = 0
  readonly #nameBuffer = new Uint8Array(INLINE_KEY_BYTES_MAX)

  constructor(ports: EvictionPorts) {
    this.#ports = ports
    this.#sampler = new KeySampler(ports.keyspace, ports.random ?? Math.random)
  }

  /** Evicts until enough is free, the time is over or no key is left. Call outside of units, between commands. */
  run({ rule, samples, isTooMuch, milliseconds }: EvictionWork): EvictionOutcome {
    const { keyspace } = this.#ports
    const began = performance.now()
    this.#follow(rule)
    let untilLook = 0
    let looksEnd = 0
    for (let rounds = 0; isTooMuch(); rounds++) {
      if (keyspace.lazyFreePending > 0) {
        const leftMs = began + milliseconds - performance.now()
        if (keyspace.freeSlice(Math.max(0, leftMs))) return 'more'
        continue
      }
      if (rule === undefined) return 'nothing'
      if (untilLook === 0 || this.#sampler.looks >= looksEnd) {
        if (rounds > 0 && performance.now() - began > milliseconds) return 'more'
        if (!this.#findDatabases(rule)) return 'nothing'
        untilLook = KEYS_PER_LOOK
        looksEnd = this.#sampler.looks + TABLE_LOOKS_PER_LOOK
      }
      const hasEvicted = rule.order === 'random' ? this.#evictAny(rule) : this.#evictBest(rule, samples)
      untilLook = hasEvicted ? untilLook - 1 : 0
    }
    return 'enough'
  }

  /** What was sampled under another policy, or in other data, means nothing. */
  #follow(rule: EvictionRule | undefined): void {
    const { generation } = this.#ports.keyspace
    if (rule === this.#rule && generation === this.#generation) return
    this.#rule = rule
    this.#generation = generation
    this.#pool.clear()
  }

  /** Finds the databases that have keys which may go. @returns false when there is none. */
  #findDatabases({ isVolatile }: EvictionRule): boolean {
    const { databaseCount } = this.#ports.keyspace
    this.#databases.length = 0
    for (let db = 0; db < databaseCount; db++) {
      if (this.#sampler.population(db, isVolatile) > 0) this.#databases.push(db)
    }
    return this.#databases.length > 0
  }

  /** A random key of the next database. @returns false when none was met. */
  #evictAny({ isVolatile }: EvictionRule): boolean {
    this.#victim = 0
    this.#sampler.sample(this.#nextDb(), isVolatile, 1, this.#choose)
    if (this.#victim === 0) return false
    this.#victimRegion.orderOf(this.#victim)
    this.#evict(this.#db, hashOrder, hashTag, this.#victimRegion, this.#victim)
    return true
  }

  #nextDb(): number {
    this.#turn = (this.#turn + 1) % this.#databases.length
    this.#db = this.#databases[this.#turn]!
    return this.#db
  }

  readonly #choose = (region: RegionView, address: number): void => {
    this.#victimRegion = region
    this.#victim = address
  }

  /** The best of the pool that still is what it was. @returns false when none is. */
  #evictBest(rule: EvictionRule, samples: number): boolean {
    const { keyspace } = this.#ports
    const pool = this.#pool
    const sampler = this.#sampler
    // With very many databases, or few keys that may go, some have to wait for the next key.
    const looksEnd = sampler.looks + TABLE_LOOKS_PER_LOOK
    for (let i = 0; i < this.#databases.length && sampler.looks < looksEnd; i++) {
      sampler.sample(this.#nextDb(), rule.isVolatile, samples, this.#consider)
    }
    while (pool.takeBest()) {
      const { generation } = keyspace
      const { db, order, tag } = pool
      const shard = shardOf(order)
      const region = generation.regions[regionOf(shard)]!
      const address = region.findByHash(generation.control, generation.rootOf(db, shard), order, tag)
      if (address === 0 || this.#scoreOf(rule, region, address) < pool.score) continue
      this.#evict(db, order, tag, region, address)
      return true
    }
    return false
  }

  readonly #consider = (region: RegionView, address: number): void => {
    const score = this.#scoreOf(this.#rule!, region, address)
    if (!this.#pool.accepts(score)) return
    region.orderOf(address)
    this.#pool.add(score, this.#db, hashOrder, hashTag)
  }

  /** The higher, the sooner the key goes. */
  #scoreOf({ order, isVolatile }: EvictionRule, region: RegionView, address: number): number {
    const { access } = this.#ports.keyspace
    if (isVolatile && (recordFlags(region, address) & FLAG_EXPIRE) === 0) return NEVER
    if (order === 'ttl') return -expireTimeOf(region, address)
    const bits = recordAccessBits(region, address)
    return order === 'lfu' ? COUNTER_MAX - access.counter(bits) : access.idleTicks(bits)
  }

  #evict(db: number, order: number, tag: number, region: RegionView, address: number): void {
    const { keyspace, onEvicted } = this.#ports
    const { entry, events } = keyspace
    entry.load(region, keyspace.generation.regions, address)
    let name: Uint8Array = this.#nameBuffer
    const length = entry.keyLength
    if (entry.isLongKey) name = entry.keyToBuffer()
    else copyBytes(entry.bytes, entry.view, entry.start - length, entry.start, name, viewOf(name), 0)
    keyspace.begin()
    keyspace.lookupHashed(db, order, tag, name, 0, length)
    keyspace.evictEntry(db, name, 0, length)
    onEvicted(db, name, 0, length)
    if ((events.mask & NOTIFY_EVICTED) !== 0) events.deliver('evicted', db, name, 0, length)
    keyspace.end()
  }
}
