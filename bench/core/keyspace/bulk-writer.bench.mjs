import { BulkWriter, Generation } from '@understudy/core/internal'
import { KEY_BYTES, VALUE_BYTES } from '../../support/dataset.mjs'
import { keyBytes, valueBytes } from '../../support/micro-data.mjs'

const KEYS = 100_000
/** Small reservations: generations of earlier calls wait for the garbage collector. */
const SEGMENT_BYTES = 32 * 1024 * 1024

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const keys = keyBytes(KEYS)
  const values = valueBytes(KEYS)
  const hashSeed = Uint8Array.from({ length: 16 }, (_, i) => i * 7)
  add({
    name: `${KEYS} new keys into an empty generation`,
    perCall: KEYS,
    unit: 'keys',
    call: () => {
      const generation = Generation.create({ databaseCount: 1, hashSeed, segmentBytesMax: SEGMENT_BYTES })
      const writer = new BulkWriter(generation)
      writer.resizeHint(0, KEYS, 0)
      for (let i = 0; i < KEYS; i++) {
        const key = i * KEY_BYTES
        const value = i * VALUE_BYTES
        writer.put(0, 0, keys, key, key + KEY_BYTES, values, value, value + VALUE_BYTES, -1, -1, -1)
      }
      writer.flush()
      if (writer.keyCount !== KEYS) throw new Error(`${writer.keyCount} keys were inserted`)
    },
  })
}
