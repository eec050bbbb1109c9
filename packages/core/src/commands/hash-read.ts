/**
 * Reads of whole hashes: HGETALL, HKEYS, HVALS, HRANDFIELD, HSCAN (redis 7.0 t_hash.c). A listpack answers in its order, as
 * in Redis; the order of a table is that of the hash.
 */
import { listpackFirst } from '../encoding/listpack.ts'
import { listpackSeek, listpackSkip } from '../encoding/listpack-edit.ts'
import { checkRead } from '../keyspace/read-guard.ts'
import type { Entry } from '../keyspace/entry.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { readListpackText, textBytes, textEnd, textStart } from '../values/item-text.ts'
import { findForRead } from './access.ts'
import { argIs } from './arguments.ts'
import type { ReadContext } from './command.ts'
import { replyElementValue, replyName } from './element-reply.ts'
import { NAMES, NAMES_AND_VALUES, VALUES } from './element-slices.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { expectHash, hashLength, hashTable, isFieldHidden, openHashTable } from './hash-value.ts'
import { rangedCount } from './ranged-count.ts'
import { beginElementScan, scanCount, scanMatches, scanNamesOnly, scanned, writeScanned } from './scan-options.ts'

export function runHGetAll(context: ReadContext): void {
  replyAllFields(context, NAMES_AND_VALUES)
}

export function runHKeys(context: ReadContext): void {
  replyAllFields(context, NAMES)
}

export function runHVals(context: ReadContext): void {
  replyAllFields(context, VALUES)
}

/** @param what NAMES, VALUES or NAMES_AND_VALUES. */
export function replyAllFields(context: ReadContext, what: number): void {
  const { reply, keyspace } = context
  if (!findForRead(context, 1)) {
    if (what === NAMES_AND_VALUES) reply.map(0)
    else reply.array(0)
    return
  }
  if (!expectHash(context)) return
  reply.expectItems(hashLength(context))
  const count = shownFields(context)
  if (what === NAMES_AND_VALUES) reply.map(count)
  else reply.array(count)
  const { entry } = keyspace
  if (entry.isLarge) {
    hashTable.forEach((element) => {
      if (isFieldHidden(context, element)) return
      if ((what & NAMES) !== 0) replyName(reply, element)
      if ((what & VALUES) !== 0) replyElementValue(reply, element)
    })
    return
  }
  const { bytes } = entry
  const end = entry.start + entry.length
  for (let at = listpackFirst(entry.start); at < end - 1 && at >= 0;) {
    checkRead()
    if ((what & NAMES) !== 0) at = replyItem(reply, bytes, at, end)
    else at = listpackSkip(bytes, at)
    if ((what & VALUES) !== 0) at = replyItem(reply, bytes, at, end)
    else at = listpackSkip(bytes, at)
  }
}

/** Writes the item at `at`. @returns the position of the next. */
function replyItem(reply: ReplyEncoder, bytes: Uint8Array, at: number, end: number): number {
  const next = readListpackText(bytes, at, end)
  reply.bulk(textBytes, textStart, textEnd)
  return next
}

/** Fields that the client may see. Opens the table, if it is one. */
function shownFields(context: ReadContext): number {
  const count = hashLength(context)
  if (!context.keyspace.entry.isLarge || hashTable.expires === 0 || context.fromPrimary) return count
  let hidden = 0
  hashTable.forEach((element) => {
    if (isFieldHidden(context, element)) hidden++
  })
  return count - hidden
}

/** HRANDFIELD key [count [WITHVALUES]] */
export function runHRandField(context: ReadContext): void {
  const { args, reply } = context
  if (args.count === 2) {
    if (!findForRead(context, 1)) reply.nullBulk()
    else if (expectHash(context)) replyOneRandom(context)
    return
  }
  const count = rangedCount(context, 2)
  if (count === undefined) return
  const withValues = args.count === 4 && argIs(args, 3, 'WITHVALUES')
  if (args.count > 4 || (args.count === 4 && !withValues)) {
    reply.error(SYNTAX_ERROR)
    return
  }
  if (withValues && Math.abs(count) > 2 ** 62) {
    reply.error('ERR value is out of range')
    return
  }
  if (!findForRead(context, 1)) {
    reply.array(0)
    return
  }
  if (!expectHash(context)) return
  if (count < 0) replyRepeated(context, -count, withValues)
  else replyDistinct(context, count, withValues)
}

function replyOneRandom(context: ReadContext): void {
  const { reply, keyspace } = context
  if (randomField(context)) {
    if (keyspace.entry.isLarge) replyName(reply, hashTable.element)
    else replyItem(reply, keyspace.entry.bytes, randomAt, keyspace.entry.start + keyspace.entry.length)
  } else reply.nullBulk()
}

/** Position of the field that `randomField` drew from a listpack. */
let randomAt = 0
const HIDDEN_DRAWS_MAX = 100

/** Draws a field, all equally likely. @returns false when none can be seen. */
function randomField(context: ReadContext): boolean {
  const { entry } = context.keyspace
  const count = hashLength(context)
  if (!entry.isLarge) {
    randomAt = listpackSeek(entry.bytes, entry.start, 2 * Math.floor(Math.random() * count))
    return true
  }
  for (let draw = 0; draw < HIDDEN_DRAWS_MAX; draw++) {
    if (!hashTable.random(Math.random)) return false
    if (!isFieldHidden(context, hashTable.element)) return true
  }
  return false
}

function replyPairs(reply: ReplyEncoder, count: number, withValues: boolean): void {
  if (withValues && reply.resp === 2) reply.array(count * 2)
  else reply.array(count)
}

function replyElement(reply: ReplyEncoder, element: Entry, withValues: boolean): void {
  if (withValues && reply.resp > 2) reply.array(2)
  replyName(reply, element)
  if (withValues) replyElementValue(reply, element)
}

function replyPacked(reply: ReplyEncoder, bytes: Uint8Array, at: number, end: number, withValues: boolean): void {
  if (withValues && reply.resp > 2) reply.array(2)
  const next = replyItem(reply, bytes, at, end)
  if (withValues) replyItem(reply, bytes, next, end)
}

/** A negative count: as many draws, which may repeat. */
function replyRepeated(context: ReadContext, count: number, withValues: boolean): void {
  const { reply, keyspace } = context
  const { entry } = keyspace
  if (shownFields(context) === 0) {
    reply.array(0)
    return
  }
  replyPairs(reply, count, withValues)
  for (let i = 0; i < count; i++) {
    // Where nearly all are hidden, whatever was drawn last is shown rather than a reply of the wrong length.
    randomField(context)
    if (entry.isLarge) replyElement(reply, hashTable.element, withValues)
    else replyPacked(reply, entry.bytes, randomAt, entry.start + entry.length, withValues)
  }
}

/** A positive count: a selection in the order of the hash, each field as likely as the others. */
function replyDistinct(context: ReadContext, count: number, withValues: boolean): void {
  const { reply, keyspace } = context
  const { entry } = keyspace
  let left = shownFields(context)
  let wanted = Math.min(count, left)
  replyPairs(reply, wanted, withValues)
  if (entry.isLarge) {
    if (hashTable.expires === 0 && wanted * 8 < left) {
      const drawn = new Set<number>()
      while (drawn.size < wanted) {
        checkRead()
        hashTable.random(Math.random)
        drawn.add(hashTable.element.address)
      }
      for (const address of drawn) replyElement(reply, hashTable.loadElement(address), withValues)
      return
    }
    hashTable.forEach((element) => {
      if (wanted === 0 || isFieldHidden(context, element)) return
      if (Math.random() * left-- >= wanted) return
      wanted--
      replyElement(reply, element, withValues)
    })
    return
  }
  const { bytes } = entry
  const end = entry.start + entry.length
  for (let at = listpackFirst(entry.start); wanted > 0 && at < end - 1;) {
    if (Math.random() * left-- < wanted) {
      wanted--
      replyPacked(reply, bytes, at, end, withValues)
    }
    at = listpackSkip(bytes, listpackSkip(bytes, at))
  }
}

/** HSCAN key cursor [MATCH pattern] [COUNT count]: a listpack comes whole. */
export function runHScan(context: ReadContext): void {
  const { keyspace } = context
  const { entry } = keyspace
  const cursor = beginElementScan(context, expectHash, true)
  if (cursor === undefined) return
  let items = 0
  let next = 0
  if (openHashTable(context)) {
    next = hashTable.scan(cursor, scanCount, (element) => {
      if (isFieldHidden(context, element)) return
      locateKey(element)
      if (!scanMatches(context, keyBytes, keyStart, keyEnd)) return
      scanned.bulk(keyBytes, keyStart, keyEnd)
      items++
      if (scanNamesOnly) return
      replyElementValue(scanned, element)
      items++
    })
  } else {
    const { bytes } = entry
    const end = entry.start + entry.length
    for (let at = listpackFirst(entry.start); at < end - 1 && at >= 0;) {
      const value = readListpackText(bytes, at, end)
      if (scanMatches(context, textBytes, textStart, textEnd)) {
        scanned.bulk(textBytes, textStart, textEnd)
        items++
        if (!scanNamesOnly) {
          replyItem(scanned, bytes, value, end)
          items++
        }
      }
      at = listpackSkip(bytes, value)
    }
  }
  writeScanned(context, next, items)
}
