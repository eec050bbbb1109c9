/**
 * KEYS, whole and in slices. In slices the database is walked twice when the number of keys does not say how many match: it stands
 * before them.
 *
 * Source: redis 7.0 db.c keysCommand().
 */
import { globMatches } from '../glob.ts'
import type { Entry } from '../keyspace/entry.ts'
import { DatabaseWalk } from '../keyspace/table-walk.ts'
import { ReplyEncoder } from '../resp/encoder.ts'
import type { ReadContext } from './command.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { entryExpired } from './lookup.ts'
import { BulkParts, type ReplySlices, type SliceBounds } from './reply-slices.ts'
import { patternAt } from './scan-options.ts'

/** Collects the keys of one reply, whose number stands before them. */
const collected: ReplyEncoder = new ReplyEncoder()

/** Is the key in `entry` shown? @param pattern argument index; 0: all are. */
function isShown(context: ReadContext, entry: Entry, pattern: number): boolean {
  if (pattern !== 0) {
    const { bytes, start, end } = context.args
    locateKey(entry)
    if (!globMatches(bytes, start[pattern]!, end[pattern]!, keyBytes, keyStart, keyEnd)) return false
  }
  return !entryExpired(context)
}

/** KEYS pattern */
export function runKeys(context: ReadContext): void {
  const { keyspace, reply, db } = context
  reply.expectItems(keyspace.size(db))
  const pattern = patternAt(context, 1)
  // A read that was disturbed, or a reply that grew too long, may have left something.
  collected.clear()
  let count = 0
  keyspace.forEach(db, (entry) => {
    if (!isShown(context, entry, pattern)) return
    locateKey(entry)
    collected.bulk(keyBytes, keyStart, keyEnd)
    count++
  })
  reply.array(count)
  reply.raw(collected.bytes, 0, collected.length)
  collected.clear()
}

class KeysSlices implements ReplySlices {
  readonly #walk = new DatabaseWalk()
  readonly #parts = new BulkParts()
  #count = 0
  #isBegun = false

  write(context: ReadContext, slice: SliceBounds): boolean {
    const { keyspace, reply, db } = context
    const pattern = patternAt(context, 1)
    if (!this.#isBegun) {
      if (pattern === 0 && keyspace.expires(db) === 0) this.#count = keyspace.size(db)
      else if (!this.#visit(context, slice, pattern, () => this.#count++ >= 0)) return false
      reply.array(this.#count)
      this.#walk.restart()
      this.#isBegun = true
    }
    return this.#visit(context, slice, pattern, (entry) => this.#writeKey(reply, slice, entry))
  }

  /** Goes on with the walk over the keys that are shown. @param visit says false to be shown the key again. @returns true at the end. */
  #visit(context: ReadContext, slice: SliceBounds, pattern: number, visit: (entry: Entry) => boolean): boolean {
    const { keyspace, reply, db } = context
    while (!this.#walk.isOver) {
      if (slice.isOver(reply)) return false
      keyspace.walkKeys(db, this.#walk, (entry) => {
        if (slice.isOver(reply)) return false
        return !isShown(context, entry, pattern) || visit(entry)
      })
    }
    return true
  }

  #writeKey(reply: ReplyEncoder, slice: SliceBounds, entry: Entry): boolean {
    if (entry.isLongKey) return this.#parts.write(reply, slice, entry.keyNodes())
    locateKey(entry)
    reply.bulk(keyBytes, keyStart, keyEnd)
    return true
  }
}

export function sliceKeys(): ReplySlices {
  return new KeysSlices()
}
