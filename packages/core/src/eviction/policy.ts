/**
 * The directives of eviction, as what they mean: which keys may go and which of them first (`maxmemory-policy`), and for how long
 * they may hold up a command (`maxmemory-eviction-tenacity`).
 *
 * Source: redis 7.0 server.h MAXMEMORY_*, evict.c evictionTimeLimitUs().
 */
export interface EvictionRule {
  /** Only keys with a time to live may go. */
  readonly isVolatile: boolean
  /** Least recently used, least frequently used, nearest to its end, or any. */
  readonly order: 'lru' | 'lfu' | 'ttl' | 'random'
}

/** By policy; undefined: nothing may go. */
export const EVICTION_RULES: Readonly<Record<EvictionPolicy, EvictionRule | undefined>> = {
  'volatile-lru': { isVolatile: true, order: 'lru' },
  'volatile-lfu': { isVolatile: true, order: 'lfu' },
  'volatile-random': { isVolatile: true, order: 'random' },
  'volatile-ttl': { isVolatile: true, order: 'ttl' },
  'allkeys-lru': { isVolatile: false, order: 'lru' },
  'allkeys-lfu': { isVolatile: false, order: 'lfu' },
  'allkeys-random': { isVolatile: false, order: 'random' },
  noeviction: undefined,
}

export type EvictionPolicy =
  | 'volatile-lru'
  | 'volatile-lfu'
  | 'volatile-random'
  | 'volatile-ttl'
  | 'allkeys-lru'
  | 'allkeys-lfu'
  | 'allkeys-random'
  | 'noeviction'

/** Do records keep a frequency under this policy? The time of their last use otherwise. */
export function policyTracksFrequency(policy: EvictionPolicy): boolean {
  return EVICTION_RULES[policy]?.order === 'lfu'
}

/** Milliseconds that evictions may hold up a command. @param tenacity 0 … 100: to 0.5 ms in steps, then 15 % more each, at last without end */
export function evictionMsMax(tenacity: number): number {
  if (tenacity <= 10) return 0.05 * tenacity
  return tenacity < 100 ? 0.5 * 1.15 ** (tenacity - 10) : Number.POSITIVE_INFINITY
}
