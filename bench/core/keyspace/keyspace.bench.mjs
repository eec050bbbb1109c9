import { Keyspace } from '@understudy/core/internal'
import { KEY_BYTES, randomNumbers, VALUE_BYTES } from '../../support/dataset.mjs'
import { keyBytes, KEYS_AT_ONCE, MICRO_SEED, valueBytes } from '../../support/micro-data.mjs'

/** More than fits the CPU's caches. */
const KEYS = 1_000_000

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const keyspace = new Keyspace({ databaseCount: 1, hashSeed: Uint8Array.from({ length: 16 }, (_, i) => i * 7) })
  const keys = keyBytes(KEYS)
  const others = keyBytes(KEYS_AT_ONCE, KEYS)
  const values = valueBytes(KEYS_AT_ONCE, 0)
  const otherValues = valueBytes(KEYS_AT_ONCE, 1)
  let round = 0
  /**
   * @param {Uint8Array} from
   * @param {number} keyAt
   * @param {Uint8Array} value
   * @param {number} valueAt
   */
  const put = (from, keyAt, value, valueAt) =>
    keyspace.put(0, from, keyAt, keyAt + KEY_BYTES, 0, 0, value, valueAt, valueAt + VALUE_BYTES, -1)
  keyspace.begin()
  for (let i = 0; i < KEYS; i++) put(keys, i * KEY_BYTES, values, (i % KEYS_AT_ONCE) * VALUE_BYTES)
  keyspace.end()
  const random = randomNumbers(MICRO_SEED)
  const order = Int32Array.from({ length: KEYS }, () => Math.floor(random() * KEYS))
  let next = 0
  /** Position of a random key. */
  const randomKey = () => {
    next = next + 1 === KEYS ? 0 : next + 1
    return (order[next] ?? 0) * KEY_BYTES
  }
  let found = 0
  add({
    name: 'lookup of random keys among 1 M',
    perCall: KEYS_AT_ONCE,
    unit: 'keys',
    call: () => {
      for (let i = 0; i < KEYS_AT_ONCE; i++) {
        const at = randomKey()
        if (keyspace.lookup(0, keys, at, at + KEY_BYTES)) found += keyspace.entry.length
      }
      if (found === 0) throw new Error('nothing was found')
    },
  })
  add({
    name: 'overwrite of random keys among 1 M',
    perCall: KEYS_AT_ONCE,
    unit: 'keys',
    call: () => {
      const value = (++round & 1) === 0 ? values : otherValues
      keyspace.begin()
      for (let i = 0; i < KEYS_AT_ONCE; i++) put(keys, randomKey(), value, i * VALUE_BYTES)
      keyspace.end()
    },
  })
  add({
    name: 'put and delete of new keys among 1 M',
    perCall: KEYS_AT_ONCE,
    unit: 'keys',
    call: () => {
      keyspace.begin()
      for (let i = 0; i < KEYS_AT_ONCE; i++) put(others, i * KEY_BYTES, values, i * VALUE_BYTES)
      for (let at = 0; at < others.length; at += KEY_BYTES) keyspace.delete(0, others, at, at + KEY_BYTES)
      keyspace.end()
    },
  })
}
