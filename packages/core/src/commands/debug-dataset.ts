/**
 * The subcommands of DEBUG that look at the dataset: `net` registers them beside its own. They see expired keys, as
 * debugging should.
 *
 * Source: redis 7.0 debug.c debugCommand().
 */
import {
  DatasetDigest,
  type DigestedValue,
  digestOfKey,
  digestOfValue,
  digestText,
  type ScoreText,
  scoreTextOf,
} from '../object-codec/digest.ts'
import { RDB_VERSION_DEFAULT } from '../object-codec/rdb-types.ts'
import { encodeDump } from '../object-codec/dump.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { NO_SUCH_KEY, subcommandSyntaxError } from '../resp/error-replies.ts'
import { expectStringLength } from './access.ts'
import { argBytes, argInteger, argText } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { entryEncoding, entryRefcount } from './object.ts'
import { entrySource, snapshotValue, storedTypeName, visitStoredItems } from '../values/stored-value.ts'

const NO_DIGEST: string = '0'.repeat(40)
/** A payload's bytes that are not the value: type, version and checksum. */
const PAYLOAD_FRAME_BYTES = 11

function digestedEntry(keyspace: KeyspaceReads, scoreText: ScoreText): DigestedValue {
  const { entry } = keyspace
  return {
    typeName: storedTypeName(entry.rdbType),
    text: entrySource(entry),
    items: (visitor) => visitStoredItems(keyspace, visitor),
    expires: entry.expireAtMs !== -1,
    scoreText,
  }
}

/** DEBUG DIGEST of all databases: 40 hex digits. O(bytes). @param rdbVersion of the release whose digest it is */
export function datasetDigest(keyspace: KeyspaceReads, rdbVersion: number = RDB_VERSION_DEFAULT): string {
  const digest = new DatasetDigest()
  const scoreText = scoreTextOf(rdbVersion)
  for (let db = 0; db < keyspace.databaseCount; db++) {
    keyspace.forEach(db, (entry) => {
      digest.add(db, digestOfKey(entry.keyToBuffer(), digestedEntry(keyspace, scoreText)))
    })
  }
  return digestText(digest.value())
}

function debugDigest(context: ReadContext): void {
  const { args, keyspace, settings } = context
  const rdbVersion = args.count === 3 ? argInteger(args, 2) : settings.dataRdbVersion
  if (args.count < 4 && !Number.isNaN(rdbVersion)) context.reply.simple(datasetDigest(keyspace, rdbVersion))
  else context.reply.error(subcommandSyntaxError(context.args, 'debug'))
}

function debugDigestValue({ args, keyspace, reply, db, settings }: ReadContext): void {
  const scoreText = scoreTextOf(settings.dataRdbVersion ?? RDB_VERSION_DEFAULT)
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const found = keyspace.lookup(db, args.bytes, args.start[i]!, args.end[i]!)
    reply.simple(found ? digestText(digestOfValue(digestedEntry(keyspace, scoreText))) : NO_DIGEST)
  }
}

function debugObject(context: ReadContext): void {
  const { args, keyspace, reply, db } = context
  if (args.count !== 3) {
    reply.error(subcommandSyntaxError(args, 'debug'))
    return
  }
  if (!keyspace.lookup(db, args.bytes, args.start[2]!, args.end[2]!)) {
    reply.error(NO_SUCH_KEY)
    return
  }
  const { entry } = keyspace
  const value = snapshotValue(keyspace)
  const serialized = encodeDump(value.rdbType, value.source).length - PAYLOAD_FRAME_BYTES
  const place = `${entry.region.index.toString(16)}:${(entry.address >>> 0).toString(16).padStart(8, '0')}`
  reply.simple(
    `Value at:${place} refcount:${entryRefcount(context)} encoding:${entryEncoding(context)} ` +
      `serializedlength:${serialized} lru:${keyspace.access.clock} lru_seconds_idle:${keyspace.access.idleSeconds(keyspace.entry)}`,
  )
}

function setActiveExpire({ args, reply, settings }: ReadContext): void {
  if (args.count !== 3) {
    reply.error(subcommandSyntaxError(args, 'debug'))
    return
  }
  settings.activeExpire = Number.parseInt(argText(args, 2), 10) > 0
  reply.ok()
}

const NOT_POSITIVE = 'ERR value is out of range, must be positive'
/** Keys of `DEBUG POPULATE` that are one unit for readers. */
const POPULATE_UNIT_KEYS = 64

/**
 * DEBUG POPULATE count [prefix [size]]: keys `prefix:0` and so on that are not there yet, of values `value:0` and so on, cut or filled
 * up with zero bytes to a size. Replicas are not told, as in Redis.
 */
function populate(context: CommandContext): void {
  const { args, db, keyspace, reply } = context
  if (args.count < 3 || args.count > 5) {
    reply.error(subcommandSyntaxError(args, 'debug'))
    return
  }
  const count = argInteger(args, 2)
  const size = args.count > 4 ? argInteger(args, 4) : 0
  if (!(count >= 0 && size >= 0)) {
    reply.error(NOT_POSITIVE)
    return
  }
  if (!expectStringLength(context, size)) return
  const prefix = args.count > 3 ? argBytes(args, 3) : Buffer.from('key')
  const sized = Buffer.alloc(size)
  for (let from = 0; from < count; from += POPULATE_UNIT_KEYS) {
    keyspace.inUnit(() => {
      for (let i = from; i < Math.min(count, from + POPULATE_UNIT_KEYS); i++) {
        const key = Buffer.concat([prefix, Buffer.from(`:${i}`)])
        if (keyspace.lookup(db, key, 0, key.length)) continue
        const text = Buffer.from(`value:${i}`)
        const value = size === 0 ? text : sized
        if (size > 0) text.copy(sized)
        keyspace.put(db, key, 0, key.length, 0, 0, value, 0, value.length, -1)
      }
    })
  }
  reply.ok()
}

/** One subcommand of DEBUG: argument 1 is its name. */
export interface DebugDatasetSubcommand {
  readonly usage?: string
  readonly summary: string
  readonly run: (context: CommandContext) => void
}

/** By upper-case name. What changes the dataset makes its own units. */
export const debugDatasetSubcommands: Readonly<Record<string, DebugDatasetSubcommand>> = {
  DIGEST: {
    usage: '[<rdb-version>]',
    summary:
      'Output a hex signature representing the current DB content, as the release with these snapshots does: 10 Redis 7.0, 11 later ones.',
    run: debugDigest,
  },
  'DIGEST-VALUE': {
    usage: '<key> [<key> ...]',
    summary: 'Output a hex signature of the values of all the specified keys.',
    run: debugDigestValue,
  },
  POPULATE: {
    usage: '<count> [<prefix>] [<size>]',
    summary: 'Create <count> string keys named key:<num>, or <prefix>:<num>. Replicas are not told.',
    run: populate,
  },
  OBJECT: { usage: '<key>', summary: 'Show low level info about `key` and associated value.', run: debugObject },
  'SET-ACTIVE-EXPIRE': {
    usage: '<0|1>',
    summary: 'Setting it to 0 disables expiring keys in background when they are not accessed.',
    run: setActiveExpire,
  },
}
