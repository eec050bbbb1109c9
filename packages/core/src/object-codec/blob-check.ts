/**
 * Is this packed value what a type needs? Structure and counts; whether two members are equal is not looked at. Follows
 * what redis 7.0 does for `sanitize-dump-payload yes`: t_stream.c streamValidateListpackIntegrity(), t_hash.c and others.
 */
import { intsetCheck } from '../encoding/intset.ts'
import { listpackCheck, listpackFirst, listpackRead } from '../encoding/listpack.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import { ziplistCheck } from '../encoding/ziplist.ts'
import { zipmapCheck } from '../encoding/zipmap.ts'
import {
  BLOB_INTSET,
  BLOB_LISTPACK,
  BLOB_LISTPACK_PAIRS,
  BLOB_LISTPACK_TRIPLES,
  BLOB_STREAM,
  BLOB_ZIPLIST,
  BLOB_ZIPLIST_PAIRS,
  BLOB_ZIPMAP,
} from './value-grammar.ts'

const item = new PackedItem()
const otherItem = new PackedItem()

/** Names for messages, by kind. */
export const BLOB_NAMES: readonly string[] = [
  'ziplist',
  'ziplist of pairs',
  'listpack',
  'listpack of pairs',
  'listpack with field TTLs',
  'intset',
  'zipmap',
  'stream node',
  'string',
]

/**
 * Checks the packed value `bytes[start .. end)`.
 * @returns the number of elements (pairs count once), or `-1 - position` of what is wrong.
 */
export function checkBlob(kind: number, bytes: Uint8Array, start: number, end: number): number {
  switch (kind) {
    case BLOB_ZIPLIST:
      return ziplistCheck(bytes, start, end)
    case BLOB_ZIPLIST_PAIRS:
      return inGroups(ziplistCheck(bytes, start, end), 2, start)
    case BLOB_LISTPACK:
      return listpackCheck(bytes, start, end)
    case BLOB_LISTPACK_PAIRS:
      return inGroups(listpackCheck(bytes, start, end), 2, start)
    case BLOB_LISTPACK_TRIPLES:
      return checkTriples(bytes, start, end)
    case BLOB_INTSET:
      return intsetCheck(bytes, start, end)
    case BLOB_ZIPMAP:
      return zipmapCheck(bytes, start, end, item, otherItem)
    case BLOB_STREAM:
      return checkStreamNode(bytes, start, end)
    default:
      return 0
  }
}

function inGroups(count: number, size: number, start: number): number {
  if (count < 0) return count
  return count % size === 0 ? count / size : -1 - start
}

/** Field, value, TTL: the third of each must be an integer of 48 bits. */
function checkTriples(bytes: Uint8Array, start: number, end: number): number {
  const count = inGroups(listpackCheck(bytes, start, end), 3, start)
  let at = listpackFirst(start)
  for (let left = count; left > 0; left--) {
    at = listpackRead(bytes, at, end, item)
    at = listpackRead(bytes, at, end, item)
    const ttlAt = at
    at = listpackRead(bytes, at, end, item)
    if (!item.isInteger || item.hi < 0 || item.hi > 0xffff) return -1 - ttlAt
  }
  return count
}

/** Flags of a stream entry (redis 7.0 stream.h). */
export const STREAM_ENTRY_DELETED = 1
export const STREAM_ENTRY_SAME_FIELDS = 2

/**
 * A node of a stream, all items of one listpack:
 *
 *   | live entries | deleted entries | fields of the master entry | field … | 0 |
 *   entry: | flags | ms and sequence as differences to the node's ID | [fields, unless SAME_FIELDS] | content … | items before |
 */
function checkStreamNode(bytes: Uint8Array, start: number, end: number): number {
  const items = listpackCheck(bytes, start, end)
  if (items < 0) return items
  const last = end - 1
  let at = listpackFirst(start)
  const integer = (): number => {
    const from = at
    if (at >= last) return -1
    at = listpackRead(bytes, at, end, item)
    if (item.isInteger) return item.toNumber()
    at = from
    return -1
  }
  const skip = (count: number): boolean => {
    for (let left = count; left > 0; left--) {
      if (at >= last) return false
      at = listpackRead(bytes, at, end, item)
    }
    return true
  }
  const live = integer()
  const deleted = integer()
  const masterFields = integer()
  if (live < 0 || deleted < 0 || masterFields < 0 || !skip(masterFields)) return -1 - at
  if (integer() !== 0) return -1 - at
  let seenDeleted = 0
  for (let left = live + deleted; left > 0; left--) {
    const flags = integer()
    if (flags < 0) return -1 - at
    if ((flags & STREAM_ENTRY_DELETED) !== 0) seenDeleted++
    // The differences may be any integer.
    for (let i = 0; i < 2; i++) if (!skip(1) || !item.isInteger) return -1 - at
    let contentItems: number
    let itemsBefore: number
    if ((flags & STREAM_ENTRY_SAME_FIELDS) === 0) {
      const fields = integer()
      if (fields < 0) return -1 - at
      contentItems = fields * 2
      itemsBefore = contentItems + 4
    } else {
      contentItems = masterFields
      itemsBefore = contentItems + 3
    }
    if (!skip(contentItems)) return -1 - at
    if (integer() !== itemsBefore) return -1 - at
  }
  if (seenDeleted !== deleted || at !== last) return -1 - at
  return live
}
