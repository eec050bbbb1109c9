import { HashSeed, hashKey, hashOrder, hashTag } from '@understudy/core/internal'
import { keyBytes, KEYS_AT_ONCE } from '../../support/micro-data.mjs'
import { KEY_BYTES } from '../../support/dataset.mjs'

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const keys = keyBytes(KEYS_AT_ONCE)
  const seed = new HashSeed(Uint8Array.from({ length: 16 }, (_, i) => i * 7))
  let sum = 0
  add({
    name: 'hashKey, 16-byte keys',
    perCall: KEYS_AT_ONCE,
    unit: 'keys',
    call: () => {
      for (let at = 0; at < keys.length; at += KEY_BYTES) {
        hashKey(seed, keys, at, at + KEY_BYTES)
        sum ^= hashOrder ^ hashTag
      }
    },
  })
  return void sum
}
