/** What the reads soak writes and reads, for both of its threads: one value of each type that is packed and one that is large. */

/** Strings whose sum never changes, over all shards. */
export const ACCOUNTS = 40
export const BALANCE = 1000

/**
 * @typedef {object} Shape
 * @property {'accounts' | 'hash' | 'list' | 'sets' | 'zset' | 'stream'} kind
 * @property {string} key
 * @property {number} size Elements; pairs of fields in a hash.
 */

/** @type {Shape[]} */
export const SHAPES = [
  { kind: 'accounts', key: 'account', size: ACCOUNTS },
  { kind: 'hash', key: 'hash', size: 10 },
  { kind: 'hash', key: 'hash:large', size: 600 },
  { kind: 'list', key: 'list', size: 20 },
  { kind: 'list', key: 'list:large', size: 6000 },
  { kind: 'sets', key: 'sets', size: 12 },
  { kind: 'sets', key: 'sets:large', size: 800 },
  { kind: 'zset', key: 'zset', size: 12 },
  { kind: 'zset', key: 'zset:large', size: 500 },
  { kind: 'stream', key: 'stream', size: 300 },
]
