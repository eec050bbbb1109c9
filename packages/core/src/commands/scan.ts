/**
 * SCAN, and the table of the commands that walk a database (KEYS: keys.ts). Expired keys are hidden. A SCAN meets every key that
 * is there throughout, whatever grows, is deleted or swapped meanwhile: the cursor is a position in hash order (keyspace/scan.ts).
 *
 * Source: redis 7.0 db.c scanGenericCommand(), parseScanCursorOrReply().
 */
import { globMatches } from '../glob.ts'
import type { Entry } from '../keyspace/entry.ts'
import { rdbTypeFacts } from '../object-codec/rdb-types.ts'
import { ReplyEncoder } from '../resp/encoder.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { argIs, argText } from './arguments.ts'
import type { CommandTable, ReadContext } from './command.ts'
import { READONLY } from './flags.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'
import { runKeys, sliceKeys } from './keys.ts'
import { integerArgument } from './access.ts'
import { entryExpired } from './lookup.ts'
import { cursorArgument, patternAt } from './scan-options.ts'

const COUNT_DEFAULT = 10

/** Collects the keys of one reply, whose number stands before them. Emptied by each use. */
const collected: ReplyEncoder = new ReplyEncoder()
let collectedCount = 0

function beginCollecting(): void {
  // A read that was disturbed, or a reply that grew too long, may have left something.
  collected.clear()
  collectedCount = 0
}

/** What a key must be to be shown. Argument indexes; 0 for no condition. */
interface Filter {
  pattern: number
  typeName: string | undefined
}

function collect(context: ReadContext, entry: Entry, filter: Filter): void {
  const { args } = context
  locateKey(entry)
  if (filter.pattern !== 0) {
    const { start, end } = args
    if (!globMatches(args.bytes, start[filter.pattern]!, end[filter.pattern]!, keyBytes, keyStart, keyEnd)) return
  }
  if (filter.typeName !== undefined && rdbTypeFacts(entry.rdbType)?.typeName !== filter.typeName) return
  if (entryExpired(context)) return
  collected.bulk(keyBytes, keyStart, keyEnd)
  collectedCount++
}

function writeCollected({ reply }: ReadContext): void {
  reply.array(collectedCount)
  reply.raw(collected.bytes, 0, collected.length)
  collected.clear()
  collectedCount = 0
}

function scan(context: ReadContext): void {
  const { args, reply, keyspace } = context
  const cursor = cursorArgument(context, 1)
  if (cursor === undefined) return
  const filter: Filter = { pattern: 0, typeName: undefined }
  let count = COUNT_DEFAULT
  for (let i = 2; i < args.count; i += 2) {
    const hasValue = i + 1 < args.count
    if (hasValue && argIs(args, i, 'COUNT')) {
      const value = integerArgument(context, i + 1)
      if (Number.isNaN(value)) return
      if (value < 1) {
        reply.error(SYNTAX_ERROR)
        return
      }
      count = value
    } else if (hasValue && argIs(args, i, 'MATCH')) filter.pattern = patternAt(context, i + 1)
    else if (hasValue && argIs(args, i, 'TYPE')) filter.typeName = argText(args, i + 1).toLowerCase()
    else {
      reply.error(SYNTAX_ERROR)
      return
    }
  }
  beginCollecting()
  const next = keyspace.scan(context.db, cursor, count, (entry) => collect(context, entry, filter))
  reply.array(2)
  reply.bulkString(String(next))
  writeCollected(context)
}

/** Commands that walk a database. */
export const scanCommands: CommandTable = {
  KEYS: {
    arity: 2,
    flags: READONLY,
    keys: [0, 0, 0],
    since: '1.0.0',
    group: 'generic',
    summary: 'Find all keys matching the given pattern',
    categories: ['dangerous'],
    tips: ['request_policy:all_shards', 'nondeterministic_output_order'],
    read: runKeys,
    slices: sliceKeys,
  },
  SCAN: {
    arity: -2,
    flags: READONLY,
    keys: [0, 0, 0],
    since: '2.8.0',
    group: 'generic',
    summary: 'Incrementally iterate the keys space',
    tips: ['nondeterministic_output', 'request_policy:special'],
    read: scan,
  },
}
