/** One collection that is made element by element. */
import { commandText, inBuffers } from './command-text.mjs'
import { mix } from './dataset.mjs'

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
