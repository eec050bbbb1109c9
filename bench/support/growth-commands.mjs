/** One collection that is made element by element. */
import { commandText, inBuffers } from './command-text.mjs'
import { mix, randomNumbers } from './dataset.mjs'

/** @typedef {'zset' | 'hash' | 'list' | 'set'} CollectionType */

/** @type {Record<CollectionType, (index: number) => string[]>} */
const ADDING = {
  zset: (index) => ['ZADD', 'zset', String(mix(index) >>> 0), `member:${index}`],
  hash: (index) => ['HSET', 'hash', `field:${index}`, `value:${mix(index) >>> 0}`],
  list: (index) => ['RPUSH', 'list', `item:${mix(index) >>> 0}`],
  set: (index) => ['SADD', 'set', `member:${index}`],
}

/**
 * Commands that add `elements` distinct elements, one each, to the key named as the type.
 *
 * @param {CollectionType} type
 * @param {number} elements
 */
export function buildGrowth(type, elements) {
  const adding = ADDING[type]
  function* commands() {
    for (let index = 0; index < elements; index++) yield commandText(adding(index))
  }
  return inBuffers(commands())
}

const SAMPLES = 50
/** How many there are, and one of them as a read asks for it. @type {Record<CollectionType, { count: string, sample: (index: number) => { words: string[], reply: unknown } }>} */
const READING = {
  zset: {
    count: 'ZCARD',
    sample: (index) => ({ words: ['ZSCORE', 'zset', `member:${index}`], reply: Buffer.from(String(mix(index) >>> 0)) }),
  },
  hash: {
    count: 'HLEN',
    sample: (index) => ({ words: ['HGET', 'hash', `field:${index}`], reply: Buffer.from(`value:${mix(index) >>> 0}`) }),
  },
  list: {
    count: 'LLEN',
    sample: (index) => ({ words: ['LINDEX', 'list', String(index)], reply: Buffer.from(`item:${mix(index) >>> 0}`) }),
  },
  set: { count: 'SCARD', sample: (index) => ({ words: ['SISMEMBER', 'set', `member:${index}`], reply: 1 }) },
}

/**
 * What reads of the collection must be answered, its first and its last element among them.
 *
 * @param {CollectionType} type
 * @param {number} elements
 */
export function expectedOfGrowth(type, elements) {
  const { count, sample } = READING[type]
  const random = randomNumbers(elements)
  const drawn = Array.from({ length: SAMPLES }, () => Math.floor(random() * elements))
  return [{ words: [count, type], reply: elements }, ...[0, elements - 1, ...drawn].map(sample)]
}
