/**
 * OBJECT ENCODING, REFCOUNT, IDLETIME, FREQ. None of them counts as an access.
 *
 * Source: redis 7.0 object.c objectCommand().
 */
import { storedEncoding } from '../values/stored-value.ts'
import type { CommandTable, KeyPositions, ReadContext, RowFunction, SubcommandRow } from './command.ts'
import { READONLY } from './flags.ts'
import { findUnnoticed } from './access.ts'
import { container } from './subcommands.ts'

/** Redis shares the objects of 0 … 9,999; their count of references is INT_MAX. */
const SHARED_INTEGER_DIGITS_MAX = 4
const SHARED_REFCOUNT = 2_147_483_647

const SWITCHING_TEXT =
  'Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.'

/** Name of the encoding of the value that the last lookup found. */
export function entryEncoding({ keyspace }: ReadContext): string {
  return storedEncoding(keyspace)
}

/** References to the value that the last lookup found, as Redis would count them. */
export function entryRefcount(context: ReadContext): number {
  const { entry } = context.keyspace
  const shared =
    entry.isString &&
    entry.length <= SHARED_INTEGER_DIGITS_MAX &&
    entry.byteAt(0) !== 45 &&
    entryEncoding(context) === 'int'
  return shared ? SHARED_REFCOUNT : 1
}

function encoding(context: ReadContext): void {
  if (findUnnoticed(context, 2)) context.reply.bulkString(entryEncoding(context))
  else context.reply.nullBulk()
}

function refcount(context: ReadContext): void {
  if (findUnnoticed(context, 2)) context.reply.integer(entryRefcount(context))
  else context.reply.nullBulk()
}

function idletime(context: ReadContext): void {
  const { keyspace, reply } = context
  if (!findUnnoticed(context, 2)) reply.nullBulk()
  else if (keyspace.access.tracksFrequency) {
    reply.error(`ERR An LFU maxmemory policy is selected, idle time not tracked. ${SWITCHING_TEXT}`)
  } else reply.integer(keyspace.access.idleSeconds(keyspace.entry))
}

function freq(context: ReadContext): void {
  const { keyspace, reply } = context
  if (!findUnnoticed(context, 2)) reply.nullBulk()
  else if (keyspace.access.tracksFrequency) reply.integer(keyspace.access.frequency(keyspace.entry))
  else reply.error(`ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${SWITCHING_TEXT}`)
}

const SECOND_IS_KEY: KeyPositions = [2, 2, 1]

function subcommand(since: string, summary: string, read: (context: ReadContext) => void): SubcommandRow & RowFunction {
  return {
    arity: 3,
    flags: READONLY,
    keys: SECOND_IS_KEY,
    keyFlags: ['RO'],
    since,
    group: 'generic',
    summary,
    tips: ['nondeterministic_output'],
    read,
  }
}

/** The OBJECT container. */
export const objectCommands: CommandTable = {
  OBJECT: container(
    'OBJECT',
    { since: '2.2.3', group: 'generic', summary: 'A container for object introspection commands' },
    {
      ENCODING: subcommand('2.2.3', 'Inspect the internal encoding of a value', encoding),
      FREQ: subcommand('4.0.0', 'Get the logarithmic access frequency counter of a value', freq),
      IDLETIME: subcommand('2.2.3', 'Get the time since a value was last accessed', idletime),
      REFCOUNT: subcommand('2.2.3', 'Get the number of references to the value of a key', refcount),
    },
    [
      [
        'ENCODING <key>',
        'Return the kind of internal representation used in order to store the value',
        'associated with a <key>.',
      ],
      [
        'FREQ <key>',
        'Return the access frequency index of the <key>. The returned integer is',
        'proportional to the logarithm of the recent access frequency of the key.',
      ],
      [
        'IDLETIME <key>',
        'Return the idle time of the <key>, that is the approximated number of',
        'seconds elapsed since the last access to the key.',
      ],
      ['REFCOUNT <key>', 'Return the number of references of the value associated with the specified', '<key>.'],
    ],
    '6.2.0',
  ),
}
