/**
 * The members of sets, whatever the form: `SetView` reads one (several may be open at once), `addMember` and `removeMember`
 * change the set that the last lookup found, `SetMaker` makes a new one. Encodings change as redis 7.0 t_set.c changes them
 * (setTypeAdd()).
 */
import { noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import { INTSET_HEADER_BYTES, intsetCount } from '../encoding/intset.ts'
import {
  intsetCreate,
  intsetInsert,
  intsetRemove,
  intsetSearch,
  intsetWiden,
  intsetWidth,
  intsetWidthFor,
} from '../encoding/intset-edit.ts'
import { listpackFirst } from '../encoding/listpack.ts'
import {
  listpackAppend,
  listpackCount,
  listpackCreate,
  listpackFind,
  listpackItemBytes,
  listpackSeek,
  listpackSkip,
  listpackWriteHeader,
  listpackWriteItem,
} from '../encoding/listpack-edit.ts'
import { int64Hi, int64Lo, parseInt64 } from '../encoding/integer.ts'
import { FILTERED_NAMES_MIN, NameFilter } from '../encoding/name-filter.ts'
import { NOTIFY_SET } from '../keyspace/key-events.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { ElementTable } from '../values/element-table.ts'
import {
  FORM_INTSET,
  FORM_SET_LISTPACK,
  FORM_SET_TABLE,
  isSetForm,
  LARGE_REPORTS_PACKED,
  PACKED_BYTES_MAX,
  PACKED_LARGE_ENCODING_BYTES_MAX,
} from '../values/form-numbers.ts'
import { readIntsetText, readListpackText, textBytes, textEnd, textStart } from '../values/item-text.ts'
import { LargeValue } from '../values/large-value.ts'
import { fillSetTable, SET_ROOT } from '../values/set-form.ts'
import type { ValueBuild } from '../values/value-build.ts'
import { beginBuild, deleteFound, expectForm, foundChanged } from './access.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { notify, notifyDeleted } from './notify.ts'

const NO_VALUE: Uint8Array = new Uint8Array(0)

/** True when the key just found holds a set; otherwise the error is written. */
export function expectSet(context: ReadContext): boolean {
  return expectForm(context, isSetForm)
}

/** Says false to end the walk. Bytes are borrowed for the call. */
export type MemberVisitor = (bytes: Uint8Array, start: number, end: number) => boolean

/** One set as it is; valid until the next change of that set. */
export class SetView implements ViewHolder {
  count = 0
  #form = 0
  #bytes: Uint8Array = NO_VALUE
  #start = 0
  #end = 0
  readonly table: ElementTable = new ElementTable()
  readonly #large = new LargeValue()

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.#bytes = NO_VALUE
  }

  /** Opens the set that the last lookup found. */
  open(keyspace: KeyspaceReads): this {
    const { entry } = keyspace
    this.#form = entry.rdbType
    if (this.isTable) {
      this.count = this.table.open(keyspace.openLarge(this.#large), SET_ROOT).count
      return this
    }
    this.#bytes = entry.bytes
    this.#start = entry.start
    this.#end = entry.start + entry.length
    this.count =
      this.#form === FORM_INTSET ? intsetCount(entry.bytes, entry.start) : listpackCount(entry.bytes, entry.start)
    return this
  }

  get isTable(): boolean {
    return this.#form === FORM_SET_TABLE
  }

  get isIntset(): boolean {
    return this.#form === FORM_INTSET
  }

  has(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.isTable) return this.table.find(bytes, start, end)
    if (!this.isIntset) return listpackFind(this.#bytes, this.#start, this.#end, bytes, start, end, 1) >= 0
    return parseInt64(bytes, start, end) && intsetSearch(this.#bytes, this.#start, int64Lo, int64Hi) >= 0
  }

  forEach(visit: MemberVisitor): void {
    const bytes = this.#bytes
    if (this.isTable) {
      let goesOn = true
      this.table.forEach((element) => {
        if (!goesOn) return
        locateKey(element)
        goesOn = visit(keyBytes, keyStart, keyEnd)
      })
    } else if (this.isIntset) {
      for (let i = 0; i < this.count; i++) {
        readIntsetText(bytes, this.#start, this.#end, i)
        if (!visit(textBytes, textStart, textEnd)) return
      }
    } else {
      for (let at = listpackFirst(this.#start); at < this.#end - 1 && at >= 0;) {
        at = readListpackText(bytes, at, this.#end)
        if (!visit(textBytes, textStart, textEnd)) return
      }
    }
  }

  /** Shows a random member, all equally likely. The set is not empty. */
  random(visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (this.isTable) {
      this.table.random(Math.random)
      locateKey(this.table.element)
      visit(keyBytes, keyStart, keyEnd)
      return
    }
    const index = Math.floor(Math.random() * this.count)
    if (this.isIntset) readIntsetText(this.#bytes, this.#start, this.#end, index)
    else readListpackText(this.#bytes, listpackSeek(this.#bytes, this.#start, index), this.#end)
    visit(textBytes, textStart, textEnd)
  }
}

const large = new LargeValue()
const table = new ElementTable()
const scratch: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)

function splice(context: CommandContext, keyIndex: number, at: number, removed: number, inserted: number): void {
  const { args, keyspace } = context
  keyspace.spliceEntry(args.bytes, args.start[keyIndex]!, args.end[keyIndex]!, at, removed, inserted)
}

/**
 * Adds a member to the set just found at the key of argument `keyIndex`. @param mayBeThere false: it is known that a listpack does
 * not have it. @returns whether it is new.
 */
export function addMember(
  context: CommandContext,
  keyIndex: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  mayBeThere: boolean = true,
): boolean {
  const { keyspace, settings } = context
  const { entry } = keyspace
  for (;;) {
    switch (entry.rdbType) {
      case FORM_INTSET:
        if (parseInt64(bytes, start, end)) {
          const added = addInteger(context, keyIndex, int64Lo, int64Hi)
          if (added !== undefined) return added
        } else leaveIntset(context, keyIndex, listpackItemBytes(bytes, start, end))
        break
      case FORM_SET_LISTPACK: {
        const listpackEnd = entry.start + entry.length
        if (mayBeThere && listpackFind(entry.bytes, entry.start, listpackEnd, bytes, start, end, 1) >= 0) return false
        const added = listpackItemBytes(bytes, start, end)
        if (entry.length + added > PACKED_LARGE_ENCODING_BYTES_MAX) {
          becomeTable(context, keyIndex, entry.bytes, entry.start, entry.start + entry.length, 0)
          break
        }
        const offset = entry.length - 1
        splice(context, keyIndex, offset, 0, added)
        listpackWriteItem(bytes, start, end, entry.bytes, entry.start + offset, entry.view)
        listpackWriteHeader(entry.bytes, entry.start, entry.length, 1)
        return true
      }
      default: {
        table.open(keyspace.openLarge(large), SET_ROOT)
        if (table.find(bytes, start, end)) return false
        keyspace.enterEntry()
        table.insert(bytes, start, end, NO_VALUE, 0, 0, -1)
        if (
          (large.bits & LARGE_REPORTS_PACKED) !== 0 &&
          (table.count > settings.encodings.setMaxIntsetEntries || !parseInt64(bytes, start, end))
        ) {
          large.setBits(large.bits & ~LARGE_REPORTS_PACKED)
        }
        return true
      }
    }
  }
}

/** @returns undefined when the set is no intset any more: to be tried again. */
function addInteger(context: CommandContext, keyIndex: number, lo: number, hi: number): boolean | undefined {
  const { keyspace, settings } = context
  const { entry } = keyspace
  const found = intsetSearch(entry.bytes, entry.start, lo, hi)
  if (found >= 0) return false
  const count = intsetCount(entry.bytes, entry.start) + 1
  const before = intsetWidth(entry.bytes, entry.start)
  const width = Math.max(before, intsetWidthFor(lo, hi))
  const length = INTSET_HEADER_BYTES + count * width
  if (count > settings.encodings.setMaxIntsetEntries) {
    leaveIntset(context, keyIndex, 24)
    return undefined
  }
  if (length > PACKED_BYTES_MAX) {
    const end = intsetToListpack(entry.bytes, entry.start, entry.length, bigScratch)
    becomeTable(context, keyIndex, bigScratch, 0, end, LARGE_REPORTS_PACKED)
    return undefined
  }
  splice(context, keyIndex, entry.length, 0, length - entry.length)
  if (width !== before) intsetWiden(entry.bytes, entry.start, width)
  intsetInsert(entry.bytes, entry.start, -1 - found, lo, hi)
  return true
}

/** Every integer of the longest intset as an item of a listpack: at most 2,000 of two bytes or 1,000 of eight. */
const bigScratch: Uint8Array = new Uint8Array(4 * PACKED_BYTES_MAX)

/** @returns the length of the listpack. */
function intsetToListpack(bytes: Uint8Array, start: number, length: number, target: Uint8Array): number {
  let end = listpackCreate(target, 0)
  const count = intsetCount(bytes, start)
  for (let i = 0; i < count; i++) {
    readIntsetText(bytes, start, start + length, i)
    end = listpackAppend(target, 0, textBytes, textStart, textEnd)
  }
  return end
}

/** The intset just found becomes what Redis calls a hashtable; `room` bytes are about to be added. */
function leaveIntset(context: CommandContext, keyIndex: number, room: number): void {
  const { args, keyspace } = context
  const { entry } = keyspace
  const length = intsetToListpack(entry.bytes, entry.start, entry.length, bigScratch)
  if (length + room > PACKED_LARGE_ENCODING_BYTES_MAX) {
    becomeTable(context, keyIndex, bigScratch, 0, length, 0)
    return
  }
  const key = args.bytes
  const start = args.start[keyIndex]!
  const end = args.end[keyIndex]!
  const { expireAtMs } = entry
  keyspace.putLookedUp(context.db, key, start, end, FORM_SET_LISTPACK, 0, bigScratch, 0, length, expireAtMs)
  keyspace.lookup(context.db, key, start, end)
}

function becomeTable(
  context: CommandContext,
  keyIndex: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  bits: number,
): void {
  const { args, keyspace, settings } = context
  const build = keyspace.newBuild(settings.encodings)
  build.begin(keyspace.targetRegion)
  keyspace.enterEntry()
  table.open(build.beginLarge(FORM_SET_TABLE, bits), SET_ROOT)
  try {
    fillSetTable(table, bytes, start, end)
  } catch (error) {
    table.free()
    throw error
  }
  const { expireAtMs } = keyspace.entry
  keyspace.putBuilt(context.db, args.bytes, args.start[keyIndex]!, args.end[keyIndex]!, build, expireAtMs)
}

/** Removes a member from the set just found; with the last one the key. @returns whether it was there. */
export function removeMember(
  context: CommandContext,
  keyIndex: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const { keyspace } = context
  const { entry } = keyspace
  switch (entry.rdbType) {
    case FORM_INTSET: {
      if (!parseInt64(bytes, start, end)) return false
      const index = intsetSearch(entry.bytes, entry.start, int64Lo, int64Hi)
      if (index < 0) return false
      if (intsetCount(entry.bytes, entry.start) === 1) {
        deleteFound(context, keyIndex)
        return true
      }
      // The integers move up first: the splice then only cuts the end off.
      keyspace.enterEntry()
      const width = intsetWidth(entry.bytes, entry.start)
      intsetRemove(entry.bytes, entry.start, index)
      splice(context, keyIndex, entry.length - width, width, 0)
      return true
    }
    case FORM_SET_LISTPACK: {
      const at = listpackFind(entry.bytes, entry.start, entry.start + entry.length, bytes, start, end, 1)
      if (at < 0) return false
      const next = listpackSkip(entry.bytes, at)
      if (at === listpackFirst(entry.start) && next === entry.start + entry.length - 1) {
        deleteFound(context, keyIndex)
        return true
      }
      splice(context, keyIndex, at - entry.start, next - at, 0)
      listpackWriteHeader(entry.bytes, entry.start, entry.length, -1)
      return true
    }
    default:
      table.open(keyspace.openLarge(large), SET_ROOT)
      if (!table.find(bytes, start, end)) return false
      keyspace.enterEntry()
      table.remove()
      if (table.count === 0) deleteFound(context, keyIndex)
      return true
  }
}

/** Tells of members removed from the set at argument 1, and of its end if they were the last. */
export function noteRemoval(context: CommandContext, event: string): void {
  const isGone = context.keyspace.entry.address === 0
  if (!isGone) foundChanged(context, 1)
  notify(context, NOTIFY_SET, event, 1)
  if (isGone) notifyDeleted(context, 1)
}

/**
 * Makes a set that becomes the value of a key when it is complete. Between `begin` and the end nothing else may be looked up for
 * a change; other sets may be read.
 */
export class SetMaker {
  /** Kept for the next set: SADD of a new key makes no objects. */
  #build: ValueBuild | undefined
  readonly #table = new ElementTable()
  readonly #names = new NameFilter()
  #isTable = false
  /** Length of the listpack in `scratch`. */
  #length = 0
  #allIntegers = true
  count = 0

  /** Begins a set for the key that was looked up last (found or not). */
  begin(context: CommandContext): void {
    this.#build = beginBuild(context, this.#build)
    this.#isTable = false
    this.#length = listpackCreate(scratch, 0)
    this.#allIntegers = true
    this.count = 0
  }

  /** Says that Redis would hold the set as a hashtable, whatever its members are. */
  forbidIntset(): void {
    this.#allIntegers = false
  }

  /** May a member of that name be in the listpack? The name is noted. */
  #mayHave(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.count < FILTERED_NAMES_MIN) return true
    if (this.count === FILTERED_NAMES_MIN) this.#names.begin(scratch, 0, this.#length, 1)
    return this.#names.add(bytes, start, end)
  }

  /** @returns whether the member is new. When memory ends, the set is forgotten. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#isTable) {
      if (this.#mayHave(bytes, start, end) && listpackFind(scratch, 0, this.#length, bytes, start, end, 1) >= 0) {
        return false
      }
      const added = listpackItemBytes(bytes, start, end)
      if (this.#length + added <= PACKED_LARGE_ENCODING_BYTES_MAX) {
        if (this.#allIntegers && !parseInt64(bytes, start, end)) this.#allIntegers = false
        this.#length = listpackAppend(scratch, 0, bytes, start, end)
        this.count++
        return true
      }
    }
    if (!this.#isTable) this.#beginTable()
    if (this.#table.find(bytes, start, end)) return false
    if (this.#allIntegers && !parseInt64(bytes, start, end)) this.#allIntegers = false
    try {
      this.#table.insert(bytes, start, end, NO_VALUE, 0, 0, -1)
    } catch (error) {
      this.drop()
      throw error
    }
    this.count++
    return true
  }

  /** When memory ends, the set is forgotten. */
  #beginTable(): void {
    this.#table.open(this.#build!.beginLarge(FORM_SET_TABLE, 0), SET_ROOT)
    this.#isTable = true
    try {
      fillSetTable(this.#table, scratch, 0, this.#length)
    } catch (error) {
      this.drop()
      throw error
    }
  }

  /** Forgets the set. */
  drop(): void {
    if (this.#isTable) this.#table.free()
    this.#isTable = false
  }

  /** Makes it the value of the key of argument `index`, which was looked up last. It is not empty. */
  put(context: CommandContext, index: number, expireAtMs: number): void {
    const { args, keyspace, db } = context
    const build = this.#build!
    const isIntset = this.#allIntegers && this.count <= build.thresholds.setMaxIntsetEntries
    if (isIntset) {
      const length = this.#intset()
      if (length > 0) {
        this.drop()
        build.packed(FORM_INTSET, 0, intset, 0, length)
      } else {
        if (!this.#isTable) this.#beginTable()
        build.large.setBits(LARGE_REPORTS_PACKED)
      }
    } else if (!this.#isTable) build.packed(FORM_SET_LISTPACK, 0, scratch, 0, this.#length)
    keyspace.putBuilt(db, args.bytes, args.start[index]!, args.end[index]!, build, expireAtMs)
    this.#isTable = false
  }

  /** Makes an intset of the members, which are all integers. @returns its length, 0 if it does not fit. */
  #intset(): number {
    let length = intsetCreate(intset, 0)
    let count = 0
    const add = (bytes: Uint8Array, start: number, end: number): boolean => {
      parseInt64(bytes, start, end)
      const width = Math.max(intsetWidth(intset, 0), intsetWidthFor(int64Lo, int64Hi))
      length = INTSET_HEADER_BYTES + ++count * width
      if (length > intset.length) return false
      if (width !== intsetWidth(intset, 0)) intsetWiden(intset, 0, width)
      intsetInsert(intset, 0, -1 - intsetSearch(intset, 0, int64Lo, int64Hi), int64Lo, int64Hi)
      return true
    }
    if (this.#isTable) {
      let fits = true
      this.#table.forEach((element) => {
        locateKey(element)
        fits = fits && add(keyBytes, keyStart, keyEnd)
      })
      return fits ? length : 0
    }
    for (let at = listpackFirst(0); at < this.#length - 1;) {
      at = readListpackText(scratch, at, this.#length)
      if (!add(textBytes, textStart, textEnd)) return 0
    }
    return length
  }
}

const intset: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)
