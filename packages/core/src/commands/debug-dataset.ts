/**
 * The subcommands of DEBUG that look at the dataset: `net` registers them beside its own. They see expired keys, as
 * debugging should.
 *
 * Source: redis 7.0 debug.c debugCommand().
 */
import { DatasetDigest, type DigestedValue, digestOfKey, digestOfValue, digestText } from '../object-codec/digest.ts'
import { encodeDump } from '../object-codec/dump.ts'
import type { KeyspaceReads } from '../keyspace/keyspace-reads.ts'
import { NO_SUCH_KEY, subcommandSyntaxError } from '../resp/error-replies.ts'
import { argText } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { entryEncoding, entryRefcount } from './object.ts'
import { entrySource, snapshotValue, storedTypeName, visitStoredItems } from '../values/stored-value.ts'

const NO_DIGEST: string = '0'.repeat(40)
/** A payload's bytes that are not the value: type, version and checksum. */
const PAYLOAD_FRAME_BYTES = 11

function digestedEntry(keyspace: KeyspaceReads): DigestedValue {
  const { entry } = keyspace
  return {
    typeName: storedTypeName(entry.rdbType),
    text: entrySource(entry),
    items: (visitor) => visitStoredItems(keyspace, visitor),
    expires: entry.expireAtMs !== -1,
  }
}

/** DEBUG DIGEST of all databases: 40 hex digits. O(bytes). */
export function datasetDigest(keyspace: KeyspaceReads): string {
  const digest = new DatasetDigest()
  for (let db = 0; db < keyspace.databaseCount; db++) {
    keyspace.forEach(db, (entry) => {
      digest.add(db, digestOfKey(entry.keyToBuffer(), digestedEntry(keyspace)))
    })
  }
  return digestText(digest.value())
}

function debugDigest(context: ReadContext): void {
  if (context.args.count === 2) context.reply.simple(datasetDigest(context.keyspace))
  else context.reply.error(subcommandSyntaxError(context.args, 'debug'))
}

function debugDigestValue({ args, keyspace, reply, db }: ReadContext): void {
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const found = keyspace.lookup(db, args.bytes, args.start[i]!, args.end[i]!)
    reply.simple(found ? digestText(digestOfValue(digestedEntry(keyspace))) : NO_DIGEST)
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

/** One subcommand of DEBUG: argument 1 is its name. */
export interface DebugDatasetSubcommand {
  readonly usage?: string
  readonly summary: string
  readonly run: (context: CommandContext) => void
}

/** By upper-case name. They only read, and need no unit. */
export const debugDatasetSubcommands: Readonly<Record<string, DebugDatasetSubcommand>> = {
  DIGEST: { summary: 'Output a hex signature representing the current DB content.', run: debugDigest },
  'DIGEST-VALUE': {
    usage: '<key> [<key> ...]',
    summary: 'Output a hex signature of the values of all the specified keys.',
    run: debugDigestValue,
  },
  OBJECT: { usage: '<key>', summary: 'Show low level info about `key` and associated value.', run: debugObject },
  'SET-ACTIVE-EXPIRE': {
    usage: '<0|1>',
    summary: 'Setting it to 0 disables expiring keys in background when they are not accessed.',
    run: setActiveExpire,
  },
}
