/**
 * Patterns of SORT's BY and GET: `#` is the element itself, `weight_*` a string, `user_*->name` a field of a hash, with the
 * element in place of the first star.
 *
 * Source: redis 7.0 sort.c lookupKeyByPattern().
 */
import { listpackFind, listpackSkip, listpackTotalBytes } from '../encoding/listpack-edit.ts'
import type { Entry } from '../keyspace/entry.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { ElementTable } from '../values/element-table.ts'
import { FORM_HASH_LISTPACK, FORM_HASH_TABLE } from '../values/form-numbers.ts'
import { HASH_ROOT } from '../values/hash-form.ts'
import { readListpackText, textBytes, textEnd, textStart } from '../values/item-text.ts'
import type { CommandArgs, ReadContext } from './command.ts'
import type { ByteItems } from './byte-items.ts'

const STAR = 42
const DASH = 45
const GREATER = 62
const HASH_SIGN = 35

const table = new ElementTable()

export class SortPattern {
  readonly #bytes: Uint8Array
  readonly #start: number
  /** Position of the star, -1: there is none. */
  readonly #star: number
  /** Where the part of the key behind the star ends. */
  readonly #keyEnd: number
  /** The field is [fieldStart, end); -1: none. */
  readonly #fieldStart: number
  readonly #end: number
  readonly #isElement: boolean
  #key: Uint8Array = new Uint8Array(64)

  // What `find` found: an entry whose whole value it is, or `bytes[start .. end)`.
  #entry: Entry | undefined
  #foundBytes: Uint8Array = this.#key
  #foundStart = 0
  #foundEnd = 0

  /** @param index argument that holds the pattern; it is borrowed. */
  constructor(args: CommandArgs, index: number) {
    const bytes = args.bytes
    const start = args.start[index]!
    const end = args.end[index]!
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#isElement = end > start && bytes[start] === HASH_SIGN && (end - start === 1 || bytes[start + 1] === 0)
    // As C looks at it: up to a zero byte.
    let textTo = start
    while (textTo < end && bytes[textTo] !== 0) textTo++
    const star = bytes.subarray(start, textTo).indexOf(STAR)
    this.#star = star < 0 ? -1 : start + star
    this.#keyEnd = end
    this.#fieldStart = -1
    if (star < 0) return
    for (let at = this.#star + 1; at + 2 < textTo; at++) {
      if (bytes[at] !== DASH || bytes[at + 1] !== GREATER) continue
      this.#keyEnd = at
      this.#fieldStart = at + 2
      break
    }
  }

  get hasStar(): boolean {
    return this.#star >= 0
  }

  /** Finds the value for element `index` of `elements`. @returns false when there is none. */
  find(context: ReadContext, elements: ByteItems, index: number): boolean {
    this.#entry = undefined
    const elementStart = elements.startOf(index)
    const elementEnd = elements.endOf(index)
    if (this.#isElement) return this.#found(elements.bytes, elementStart, elementEnd)
    if (this.#star < 0) return false
    const length = this.#fillKey(elements.bytes, elementStart, elementEnd)
    if (!findKey(context, this.#key, length)) return false
    const { keyspace } = context
    if (this.#fieldStart >= 0) return this.#findField(context)
    if (!keyspace.entry.isString) return false
    this.#entry = keyspace.entry
    return true
  }

  #found(bytes: Uint8Array, start: number, end: number): boolean {
    this.#foundBytes = bytes
    this.#foundStart = start
    this.#foundEnd = end
    return true
  }

  /** Prefix, element, what is behind the star. @returns the length of the key. */
  #fillKey(bytes: Uint8Array, start: number, end: number): number {
    const before = this.#star - this.#start
    const length = before + (end - start) + (this.#keyEnd - this.#star - 1)
    if (this.#key.length < length) this.#key = new Uint8Array(length * 2)
    this.#key.set(this.#bytes.subarray(this.#start, this.#star), 0)
    this.#key.set(bytes.subarray(start, end), before)
    this.#key.set(this.#bytes.subarray(this.#star + 1, this.#keyEnd), before + end - start)
    return length
  }

  #findField(context: ReadContext): boolean {
    const { keyspace } = context
    const { entry } = keyspace
    const fieldStart = this.#fieldStart
    if (entry.rdbType === FORM_HASH_LISTPACK) {
      const end = entry.start + listpackTotalBytes(entry.bytes, entry.start)
      const at = listpackFind(entry.bytes, entry.start, end, this.#bytes, fieldStart, this.#end, 2)
      if (at < 0) return false
      readListpackText(entry.bytes, listpackSkip(entry.bytes, at), end)
      return this.#found(textBytes, textStart, textEnd)
    }
    if (entry.rdbType !== FORM_HASH_TABLE) return false
    if (!table.open(keyspace.openLarge(), HASH_ROOT).find(this.#bytes, fieldStart, this.#end)) return false
    const { expireAtMs } = table.element
    if (expireAtMs >= 0 && !context.fromPrimary && context.nowMs > expireAtMs) return false
    this.#entry = table.element
    return true
  }

  /** Copies what was found behind the others. */
  copyTo(items: ByteItems): void {
    const entry = this.#entry
    if (entry === undefined) items.addCopy(this.#foundBytes, this.#foundStart, this.#foundEnd)
    else {
      const at = items.add(entry.length)
      entry.copy(0, entry.length, items.bytes, at)
    }
  }

  /** Writes what was found as a bulk reply. */
  reply(reply: ReplyEncoder): void {
    const entry = this.#entry
    if (entry === undefined) reply.bulk(this.#foundBytes, this.#foundStart, this.#foundEnd)
    else entry.replyBulk(reply, 0, entry.length)
  }
}

/** As findForRead of access.ts, for a key that is no argument. */
function findKey({ db, fromPrimary, keyspace, nowMs }: ReadContext, key: Uint8Array, length: number): boolean {
  if (fromPrimary) return keyspace.lookup(db, key, 0, length)
  const found = keyspace.lookupAlive(db, key, 0, length, nowMs)
  if (found) {
    keyspace.hits++
    keyspace.markAccess()
  } else keyspace.misses++
  return found
}
