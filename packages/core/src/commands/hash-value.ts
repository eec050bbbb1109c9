/**
 * The fields of the hash that the last lookup found, whether it is a listpack or a table: finding, setting and removing one.
 * The key is always argument 1. Encodings change as redis 7.0 t_hash.c changes them (hashTypeTryConversion(), hashTypeSet()).
 *
 * A field whose own time to live has come (redis 7.4) is absent for clients, as a key is; on the stream it is there until
 * the primary removes it.
 */
import { listpackFirst } from '../encoding/listpack.ts'
import {
  LISTPACK_EMPTY_BYTES,
  listpackCount,
  listpackCreate,
  listpackFind,
  listpackItemBytes,
  listpackSkip,
  listpackWriteHeader,
  listpackWriteItem,
} from '../encoding/listpack-edit.ts'
import type { Entry } from '../keyspace/entry.ts'
import { FLAG_LARGE_ENCODING } from '../keyspace/layout.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { ElementTable } from '../values/element-table.ts'
import {
  FORM_HASH_LISTPACK,
  FORM_HASH_TABLE,
  isHashForm,
  LARGE_REPORTS_PACKED,
  PACKED_BYTES_MAX,
  PACKED_LARGE_ENCODING_BYTES_MAX,
} from '../values/form-numbers.ts'
import { fillHashTable, HASH_ROOT } from '../values/hash-form.ts'
import { readListpackText, textBytes, textEnd, textStart } from '../values/item-text.ts'
import { LargeValue } from '../values/large-value.ts'
import { deleteFound, expectForm } from './access.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { replyElementValue } from './element-reply.ts'

/** Of the hash at hand, if it is a table. */
export const hashTable: ElementTable = new ElementTable()
const large = new LargeValue()
/** Of the last field found: position of its value in a listpack. */
let valueAt = 0

/** True when the key just found holds a hash; otherwise the error is written. */
export function expectHash(context: ReadContext): boolean {
  return expectForm(context, isHashForm)
}

/** Opens the table of the hash just found; false when it is a listpack. */
export function openHashTable({ keyspace }: ReadContext): boolean {
  if (!keyspace.entry.isLarge) return false
  hashTable.open(keyspace.openLarge(large), HASH_ROOT)
  return true
}

/** Fields, those whose time has come included. */
export function hashLength(context: ReadContext): number {
  const { entry } = context.keyspace
  return openHashTable(context) ? hashTable.count : listpackCount(entry.bytes, entry.start) >>> 1
}

/** Has the time of this field come, for who asks? */
export function isFieldHidden(context: ReadContext, { expireAtMs }: Entry): boolean {
  return expireAtMs !== -1 && !context.fromPrimary && context.nowMs > expireAtMs
}

/** Finds the field in argument `index`; its value is the one that the functions below speak of. */
export function findField(context: ReadContext, index: number): boolean {
  const { args, keyspace } = context
  const { entry } = keyspace
  const start = args.start[index]!
  const end = args.end[index]!
  if (openHashTable(context)) {
    if (!hashTable.find(args.bytes, start, end)) return false
    if (!isFieldHidden(context, hashTable.element)) return true
    if (context.effects !== undefined) tellFieldExpired(context, index)
    return false
  }
  const at = listpackFind(entry.bytes, entry.start, entry.start + entry.length, args.bytes, start, end, 2)
  if (at < 0) return false
  valueAt = listpackSkip(entry.bytes, at)
  return true
}

/** A write takes an expired field for absent; replicas below do not: they lose it first. */
function tellFieldExpired(context: ReadContext, index: number): void {
  const { effects, args, db } = context
  if (!(context as CommandContext).keyspace.counters.isOpen) return
  effects!.begin(db, 'HDEL', 3)
  effects!.argument(args, 1)
  effects!.argument(args, index)
}

/** Writes the value of the field just found. */
export function replyFieldValue({ keyspace, reply }: ReadContext): void {
  const { entry } = keyspace
  if (entry.isLarge) replyElementValue(reply, hashTable.element)
  else replyItem(reply, entry)
}

function replyItem(reply: ReplyEncoder, entry: Entry): void {
  readListpackText(entry.bytes, valueAt, entry.start + entry.length)
  reply.bulk(textBytes, textStart, textEnd, textBytes === entry.bytes ? entry.view : undefined)
}

/** Length in bytes of the value of the field just found. */
export function fieldValueLength({ keyspace }: ReadContext): number {
  const { entry } = keyspace
  if (entry.isLarge) return hashTable.element.length
  readListpackText(entry.bytes, valueAt, entry.start + entry.length)
  return textEnd - textStart
}

/** A copy of the value of the field just found. */
export function fieldValueToBuffer({ keyspace }: ReadContext): Buffer {
  const { entry } = keyspace
  if (entry.isLarge) return hashTable.element.toBuffer()
  readListpackText(entry.bytes, valueAt, entry.start + entry.length)
  return Buffer.from(textBytes.subarray(textStart, textEnd))
}

/** Notes that arguments [from, to) are going to be stored: one that is too long makes the encoding large. */
export function noteArgumentLengths(context: CommandContext, from: number, to: number): void {
  const { args, settings } = context
  for (let i = from; i < to; i++) {
    if (args.end[i]! - args.start[i]! > settings.encodings.hashMaxListpackValue) {
      leavePackedEncoding(context)
      return
    }
  }
}

/** Says that Redis holds the hash just found as a hashtable from now on. */
function leavePackedEncoding(context: CommandContext): void {
  const { keyspace } = context
  const { entry } = keyspace
  if (entry.isLarge) {
    keyspace.openLarge(large)
    if ((large.bits & LARGE_REPORTS_PACKED) === 0) return
    keyspace.enterEntry()
    large.setBits(large.bits & ~LARGE_REPORTS_PACKED)
  } else if ((entry.flags & FLAG_LARGE_ENCODING) === 0) keyspace.setLargeEncoding()
}

/**
 * Sets the field in argument `index` of the hash just found, and removes its time to live.
 * @param expireAtMs of the field, -1 for none. @param mayBeThere false: it is known that a packed hash does not have it.
 * @returns whether it is new.
 */
export function setField(
  context: CommandContext,
  index: number,
  value: Uint8Array,
  start: number,
  end: number,
  expireAtMs: number = -1,
  mayBeThere: boolean = true,
): boolean {
  const { args, keyspace, settings } = context
  const { entry } = keyspace
  const { encodings } = settings
  const from = args.start[index]!
  const to = args.end[index]!
  const long = encodings.hashMaxListpackValue
  if (to - from > long || end - start > long) leavePackedEncoding(context)
  if (!entry.isLarge) {
    if (expireAtMs === -1) {
      const outcome = setPackedField(context, from, to, value, start, end, mayBeThere)
      if (outcome !== DOES_NOT_FIT) return outcome === ADDED
    }
    convertToTable(context)
  }
  keyspace.enterEntry()
  openHashTable(context)
  if (hashTable.find(args.bytes, from, to)) {
    const isNew = isFieldHidden(context, hashTable.element)
    hashTable.setValue(args.bytes, from, to, value, start, end, expireAtMs)
    return isNew
  }
  hashTable.insert(args.bytes, from, to, value, start, end, expireAtMs)
  if ((large.bits & LARGE_REPORTS_PACKED) !== 0 && hashTable.count > encodings.hashMaxListpackEntries) {
    large.setBits(large.bits & ~LARGE_REPORTS_PACKED)
  }
  return true
}

const ADDED = 0
const REPLACED = 1
const DOES_NOT_FIT = 2

function setPackedField(
  context: CommandContext,
  from: number,
  to: number,
  value: Uint8Array,
  start: number,
  end: number,
  mayBeThere: boolean,
): number {
  const { args, keyspace, settings } = context
  const { entry } = keyspace
  const { length } = entry
  const bytesMax = (entry.flags & FLAG_LARGE_ENCODING) === 0 ? PACKED_BYTES_MAX : PACKED_LARGE_ENCODING_BYTES_MAX
  const at = mayBeThere ? listpackFind(entry.bytes, entry.start, entry.start + length, args.bytes, from, to, 2) : -1
  const added = listpackItemBytes(value, start, end)
  const key = args.bytes
  const keyStart = args.start[1]!
  const keyEnd = args.end[1]!
  if (at >= 0) {
    const item = listpackSkip(entry.bytes, at)
    const removed = listpackSkip(entry.bytes, item) - item
    if (length - removed + added > bytesMax) return DOES_NOT_FIT
    const offset = item - entry.start
    keyspace.spliceEntry(key, keyStart, keyEnd, offset, removed, added)
    listpackWriteItem(value, start, end, entry.bytes, entry.start + offset, entry.view)
    listpackWriteHeader(entry.bytes, entry.start, entry.length, 0)
  } else {
    const fieldBytes = listpackItemBytes(args.bytes, from, to)
    if (length + fieldBytes + added > bytesMax) return DOES_NOT_FIT
    const offset = length - 1
    keyspace.spliceEntry(key, keyStart, keyEnd, offset, 0, fieldBytes + added)
    const next = listpackWriteItem(args.bytes, from, to, entry.bytes, entry.start + offset, entry.view)
    listpackWriteItem(value, start, end, entry.bytes, next, entry.view)
    listpackWriteHeader(entry.bytes, entry.start, entry.length, 2)
  }
  if (listpackCount(entry.bytes, entry.start) >>> 1 > settings.encodings.hashMaxListpackEntries) {
    leavePackedEncoding(context)
  }
  return at >= 0 ? REPLACED : ADDED
}

/** Makes a table of the listpack just found. */
function convertToTable(context: CommandContext): void {
  const { args, keyspace, settings } = context
  const { entry } = keyspace
  const build = keyspace.newBuild(settings.encodings)
  build.begin(keyspace.targetRegion)
  keyspace.enterEntry()
  const bits = (entry.flags & FLAG_LARGE_ENCODING) === 0 ? LARGE_REPORTS_PACKED : 0
  hashTable.open(build.beginLarge(FORM_HASH_TABLE, bits), HASH_ROOT)
  try {
    fillHashTable(hashTable, entry.bytes, entry.start, entry.start + entry.length)
  } catch (error) {
    hashTable.free()
    throw error
  }
  keyspace.putBuilt(context.db, args.bytes, args.start[1]!, args.end[1]!, build, entry.expireAtMs)
}

/** Removes the field in argument `index`; with the last one the key. @returns whether it was there. */
export function removeField(context: CommandContext, index: number): boolean {
  const { args, keyspace } = context
  const { entry } = keyspace
  const start = args.start[index]!
  const end = args.end[index]!
  if (openHashTable(context)) {
    if (!hashTable.find(args.bytes, start, end)) return false
    const wasHidden = isFieldHidden(context, hashTable.element)
    keyspace.enterEntry()
    hashTable.remove()
    if (hashTable.count === 0) deleteFound(context, 1)
    return !wasHidden
  }
  const at = listpackFind(entry.bytes, entry.start, entry.start + entry.length, args.bytes, start, end, 2)
  if (at < 0) return false
  const next = listpackSkip(entry.bytes, listpackSkip(entry.bytes, at))
  const offset = at - entry.start
  if (offset === listpackFirst(0) && next === entry.start + entry.length - 1) {
    deleteFound(context, 1)
    return true
  }
  keyspace.spliceEntry(args.bytes, args.start[1]!, args.end[1]!, offset, next - at, 0)
  listpackWriteHeader(entry.bytes, entry.start, entry.length, -2)
  return true
}

/** When the field just found expires, -1: never. */
export function fieldExpireAtMs({ keyspace }: ReadContext): number {
  return keyspace.entry.isLarge ? hashTable.element.expireAtMs : -1
}

/** Gives the field in argument `index`, which is there, another time to live; -1 for none. */
export function setFieldExpire(context: CommandContext, index: number, expireAtMs: number): void {
  const { args, keyspace } = context
  if (!keyspace.entry.isLarge) {
    if (expireAtMs === -1) return
    convertToTable(context)
  }
  keyspace.enterEntry()
  openHashTable(context)
  const start = args.start[index]!
  const end = args.end[index]!
  if (!hashTable.find(args.bytes, start, end)) return
  const value = hashTable.element.toBuffer()
  hashTable.setValue(args.bytes, start, end, value, 0, value.length, expireAtMs)
}

/** Makes a hash without fields at argument 1, which was looked up in vain; the caller adds some. `entry` follows. */
export function createEmptyHash(context: CommandContext): void {
  const { args, keyspace } = context
  const key = args.bytes
  const start = args.start[1]!
  const end = args.end[1]!
  const length = listpackCreate(emptyListpack, 0)
  keyspace.putLookedUp(context.db, key, start, end, FORM_HASH_LISTPACK, 0, emptyListpack, 0, length, -1)
  keyspace.lookup(context.db, key, start, end)
}

/** The hash at argument 1 was made for fields that memory then ended for: it goes again if it has none. */
export function dropEmptyHash(context: CommandContext): void {
  const { args, keyspace } = context
  const key = args.bytes
  const start = args.start[1]!
  const end = args.end[1]!
  if (keyspace.lookup(context.db, key, start, end) && hashLength(context) === 0) {
    keyspace.deleteEntry(context.db, key, start, end)
  }
}

const emptyListpack: Uint8Array = new Uint8Array(LISTPACK_EMPTY_BYTES)
