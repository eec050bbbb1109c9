/**
 * Lists as whole values (list-value.ts draws their descriptor): made from what snapshots hold, written back, copied, freed.
 *
 * Snapshots have them as plain strings (type 1), as one ziplist (10), as ziplists (14), as listpacks and plain nodes (18).
 * A listpack that fits a node becomes one, without being taken apart, unless the node before has room for it. What is short in all
 * becomes a packed list (list-builder.ts).
 *
 * Source: redis 7.0 rdb.c rdbLoadObject(), rdbSaveObject().
 */
import { listpackFirst, listpackRead } from '../encoding/listpack.ts'
import { listpackCount } from '../encoding/listpack-edit.ts'
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from '../encoding/integer.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import { ziplistFirst, ziplistRead } from '../encoding/ziplist.ts'
import { confirmRead } from '../keyspace/read-guard.ts'
import {
  RDB_TYPE_LIST,
  RDB_TYPE_LIST_QUICKLIST,
  RDB_TYPE_LIST_QUICKLIST_2,
  RDB_TYPE_LIST_ZIPLIST,
} from '../object-codec/rdb-types.ts'
import { SourceReader, type ValueSource } from '../object-codec/value-source.ts'
import { FORM_LIST } from './form-numbers.ts'
import type { LargeValue } from './large-value.ts'
import { ListBuilder } from './list-builder.ts'
import { LIST_WORDS } from './list-cursor.ts'
import { listNodeRule, type ListNodeRule, prepareElement } from './list-node.ts'
import { CONTAINER_PLAIN, writeListNode } from './list-node-snapshot.ts'
import { moveList } from './list-relocation.ts'
import { ListValue } from './list-value.ts'
import type { ValueBuild } from './value-build.ts'
import type { ValueForm } from './value-form.ts'

const opened = new ListValue()
const builder = new ListBuilder()
const reader = new SourceReader()
const copied = new ListValue()
const item = new PackedItem()
const digits: Uint8Array = new Uint8Array(INTEGER_TEXT_BYTES_MAX)

function openList(value: LargeValue): ListValue {
  return opened.open(value.region, value.words, value.at, value.lazyFree)
}

export const listForm: ValueForm = {
  form: FORM_LIST,
  descriptorWords: LIST_WORDS,

  count(value) {
    return openList(value).count
  },

  encodingName() {
    return 'quicklist'
  },

  visitItems(value, visitor) {
    const list = openList(value)
    for (let more = list.first(); more; more = list.next()) {
      list.load()
      confirmRead(list.elementLength)
      const bytes = new Uint8Array(list.elementLength)
      list.copyElement(bytes, 0)
      visitor.text(bytes, 0, bytes.length)
    }
  },

  snapshotType: () => RDB_TYPE_LIST_QUICKLIST_2,

  serialize(value, _rdbType, out) {
    const list = openList(value)
    out.count(list.nodeCount)
    list.forEachNode((node) => writeListNode(value.region, node, out))
  },

  footprint(value, samples) {
    return openList(value).footprint(samples)
  },

  copy(value, target, descriptor) {
    const copy = copied.open(target, descriptor, 0)
    try {
      openList(value).copyTo(copy)
    } catch (error) {
      copy.free()
      throw error
    }
  },

  free(value) {
    openList(value).free()
  },

  move: moveList,

  visitBlocks(value, visit) {
    openList(value).visitBlocks(visit)
  },
}

/** Makes a list of any of its types (a BuildValue). */
export function buildList(rdbType: number, source: ValueSource, build: ValueBuild): void {
  builder.begin(build)
  const rule = listNodeRule(build.thresholds.listMaxListpackSize)
  reader.open(source)
  try {
    if (rdbType === RDB_TYPE_LIST_ZIPLIST) {
      pushZiplist(reader.string(), rule)
    } else {
      for (let left = reader.length().value; left > 0; left--) {
        if (rdbType === RDB_TYPE_LIST) pushText(reader.string(), rule)
        else if (rdbType === RDB_TYPE_LIST_QUICKLIST) pushZiplist(reader.string(), rule)
        else if (reader.length().value === CONTAINER_PLAIN) pushText(reader.string(), rule)
        else addListpack(rule)
      }
    }
    builder.finish()
  } finally {
    reader.close()
  }
}

function pushText(text: Uint8Array, rule: ListNodeRule): void {
  prepareElement(text, 0, text.length)
  builder.push(false, rule)
}

function pushItem(bytes: Uint8Array, rule: ListNodeRule): void {
  if (item.isInteger) prepareElement(digits, 0, writeInt64(item.lo, item.hi, digits, 0))
  else prepareElement(bytes, item.start, item.end)
  builder.push(false, rule)
}

function pushZiplist(bytes: Uint8Array, rule: ListNodeRule): void {
  const last = bytes.length - 1
  for (let at = ziplistFirst(0); at < last && at > 0;) {
    at = ziplistRead(bytes, at, bytes.length, item)
    if (at > 0) pushItem(bytes, rule)
  }
}

/** Adds the elements of the listpack that the reader comes to. */
function addListpack(rule: ListNodeRule): void {
  reader.readString()
  const { text: bytes, textStart: start, textEnd: end } = reader
  const items = listpackCount(bytes, start)
  if (items === 0 || builder.appendListpack(bytes, start, end, items, rule)) return
  for (let at = listpackFirst(start); at < end - 1 && at > 0;) {
    at = listpackRead(bytes, at, end, item)
    if (at > 0) pushItem(bytes, rule)
  }
}

/** The types that `buildList` makes lists of. */
export const LIST_RDB_TYPES: readonly number[] = [
  RDB_TYPE_LIST,
  RDB_TYPE_LIST_ZIPLIST,
  RDB_TYPE_LIST_QUICKLIST,
  RDB_TYPE_LIST_QUICKLIST_2,
]
