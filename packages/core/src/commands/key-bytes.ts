/**
 * The key of the record in `entry` (of an element of a large hash or set: its field or member) as bytes, without a copy where it stands in one piece. Registers are reused: valid
 * until the next call or the next change.
 */
import type { Entry } from '../keyspace/entry.ts'
import { FLAG_LONG_KEY } from '../keyspace/layout.ts'

export let keyBytes: Uint8Array = new Uint8Array(0)
export let keyStart = 0
export let keyEnd = 0

/** Points `keyBytes[keyStart .. keyEnd)` at the key of `entry`. */
export function locateKey(entry: Entry): void {
  if ((entry.flags & FLAG_LONG_KEY) !== 0) {
    keyBytes = entry.keyToBuffer()
    keyStart = 0
    keyEnd = keyBytes.length
    return
  }
  keyBytes = entry.bytes
  keyEnd = entry.start
  keyStart = keyEnd - entry.keyLength
}
