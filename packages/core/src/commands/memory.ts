/**
 * MEMORY: what keys and the node as a whole occupy, in this engine's own bytes (records, nodes, tables), which are fewer
 * than Redis'. Field names and their order are Redis'.
 *
 * Source: redis 7.0 object.c memoryCommand(), getMemoryOverheadData(), getMemoryDoctorReport().
 */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from '../resp/error-replies.ts'
import { argIs } from './arguments.ts'
import type { CommandContext, CommandTable, KeyPositions, ReadContext, RowFunction, SubcommandRow } from './command.ts'
import { READONLY } from './flags.ts'
import { findUnnoticed } from './access.ts'
import { container } from './subcommands.ts'
import { wideInteger } from './wide-integer.ts'

/** What the process knows and the keyspace does not; bytes. */
export interface MemoryFacts {
  /** As INFO's used_memory. */
  readonly usedBytes: number
  readonly peakBytes: number
  /** Used when the process had started. */
  readonly startupBytes: number
  /** Resident set of the process. */
  readonly residentBytes: number
  readonly backlogBytes: number
  /** Buffers of replicas below us. */
  readonly replicaBytes: number
  /** Buffers of all other clients. */
  readonly clientBytes: number
  readonly functionBytes: number
}

/** Elements that MEMORY USAGE measures, as in Redis. */
const DEFAULT_SAMPLES = 5
/** Below this the doctor does not look. */
const DOCTOR_USED_BYTES_MIN = 5 << 20
const DOCTOR_EXTRA_BYTES_MIN = 10 << 20
const DOCTOR_PEAK_RATIO = 1.5
const DOCTOR_FRAGMENTATION_RATIO = 1.4
/** How long MEMORY PURGE may free what waits to be freed. */
const PURGE_MS = 2

function usage(context: ReadContext): void {
  const { args, keyspace, reply } = context
  let samples = DEFAULT_SAMPLES
  for (let i = 3; i < args.count; i++) {
    if (!argIs(args, i, 'SAMPLES') || i + 1 >= args.count) {
      reply.error(SYNTAX_ERROR)
      return
    }
    const wanted = wideInteger(context, ++i)
    if (wanted === undefined || wanted < 0) {
      reply.error(wanted === undefined ? NOT_AN_INTEGER : SYNTAX_ERROR)
      return
    }
    samples = Number(wanted)
  }
  // 0 is for all: as many as may be measured without holding others up.
  if (findUnnoticed(context, 2)) reply.integer(keyspace.footprint(samples === 0 ? undefined : samples))
  else reply.nullBulk()
}

function stats({ keyspace, reply }: CommandContext, facts: MemoryFacts): void {
  const databases: number[] = []
  let tableBytes = 0
  for (let db = 0; db < keyspace.databaseCount; db++) {
    if (keyspace.size(db) === 0) continue
    databases.push(db)
    tableBytes += keyspace.tableBytes(db)
  }
  const { usedBytes, startupBytes } = facts
  const buffers = facts.backlogBytes + facts.replicaBytes + facts.clientBytes + facts.functionBytes
  const overheadBytes = Math.min(usedBytes, startupBytes + buffers + tableBytes)
  const datasetBytes = usedBytes - overheadBytes
  const netBytes = Math.max(1, usedBytes - startupBytes)
  const { keyCount } = keyspace
  const arenaUsed = keyspace.usedBytes
  const arenaActive = keyspace.generation.runBytes
  const integers = (fields: readonly (readonly [string, number])[]): void => {
    for (const [name, value] of fields) {
      reply.bulkString(name)
      reply.integer(Math.round(value))
    }
  }
  const double = (name: string, value: number): void => {
    reply.bulkString(name)
    reply.double(value)
  }
  reply.map(27 + databases.length)
  integers([
    ['peak.allocated', facts.peakBytes],
    ['total.allocated', usedBytes],
    ['startup.allocated', startupBytes],
    ['replication.backlog', facts.backlogBytes],
    ['clients.slaves', facts.replicaBytes],
    ['clients.normal', facts.clientBytes],
    ['cluster.links', 0],
    ['aof.buffer', 0],
    ['lua.caches', 0],
    ['functions.caches', facts.functionBytes],
  ])
  for (const db of databases) {
    reply.bulkString(`db.${db}`)
    reply.map(3)
    // Times to live stand in the records: they have no table of their own.
    integers([
      ['overhead.hashtable.main', keyspace.tableBytes(db)],
      ['overhead.hashtable.expires', 0],
      ['overhead.hashtable.slot-to-keys', 0],
    ])
  }
  integers([
    ['overhead.total', overheadBytes],
    ['keys.count', keyCount],
    ['keys.bytes-per-key', keyCount === 0 ? 0 : Math.floor(netBytes / keyCount)],
    ['dataset.bytes', datasetBytes],
  ])
  double('dataset.percentage', (datasetBytes * 100) / netBytes)
  double('peak.percentage', facts.peakBytes === 0 ? 0 : (usedBytes * 100) / facts.peakBytes)
  integers([
    ['allocator.allocated', arenaUsed],
    ['allocator.active', arenaActive],
    ['allocator.resident', facts.residentBytes],
  ])
  double('allocator-fragmentation.ratio', ratio(arenaActive, arenaUsed))
  integers([['allocator-fragmentation.bytes', arenaActive - arenaUsed]])
  double('allocator-rss.ratio', ratio(facts.residentBytes, arenaActive))
  integers([['allocator-rss.bytes', facts.residentBytes - arenaActive]])
  double('rss-overhead.ratio', 1)
  integers([['rss-overhead.bytes', 0]])
  double('fragmentation', ratio(facts.residentBytes, usedBytes))
  integers([['fragmentation.bytes', facts.residentBytes - usedBytes]])
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

/** What MEMORY DOCTOR says. */
function diagnosis(keyspace: Keyspace, facts: MemoryFacts): string {
  const { usedBytes, peakBytes } = facts
  if (usedBytes < DOCTOR_USED_BYTES_MIN) {
    return (
      'Hi Sam, this instance is empty or is using very little memory, ' +
      "my issues detector can't be used in these conditions. " +
      'Please, leave for your mission on Earth and fill it with some data. ' +
      'The new Sam and I will be back to our programming as soon as I ' +
      'finished rebooting.\n'
    )
  }
  const problems: string[] = []
  if (peakBytes / usedBytes > DOCTOR_PEAK_RATIO) {
    problems.push(
      `* Peak memory: the peak (${peakBytes} bytes) was more than ${DOCTOR_PEAK_RATIO} times what is used now ` +
        `(${usedBytes} bytes). With activedefrag, segments that became sparse are given back in the background.`,
    )
  }
  const active = keyspace.generation.runBytes
  const used = keyspace.usedBytes
  if (active / used > DOCTOR_FRAGMENTATION_RATIO && active - used > DOCTOR_EXTRA_BYTES_MIN) {
    problems.push(
      `* High allocator fragmentation: ${active} bytes of runs hold ${used} bytes of blocks ` +
        `(ratio ${(active / used).toFixed(2)}).`,
    )
  }
  if (problems.length === 0) {
    return "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n"
  }
  return `Sam, I detected a few issues in this instance memory:\n\n${problems.join('\n\n')}\n`
}

/** What MEMORY MALLOC-STATS says: the arenas, one line per region. */
function arenaReport({ generation, lazyFreePending }: Keyspace): string {
  const lines = ['region segments reserved used runs']
  for (const { index, memory, arena } of generation.regions) {
    const reserved = memory.segments.reduce((sum, segment) => sum + segment.byteLength, 0)
    const segments = memory.segments.filter((segment) => segment.byteLength > 0).length
    lines.push(`${index} ${segments} ${reserved} ${arena.usedBytes} ${arena.runBytes}`)
  }
  lines.push(`waiting to be freed: ${lazyFreePending}`)
  return `${lines.join('\n')}\n`
}

const DIAGNOSTIC_TIPS = ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'] as const

/** The MEMORY container. @param facts asked at each MEMORY STATS and DOCTOR. */
export function memoryCommands(facts: () => MemoryFacts): CommandTable {
  function subcommand(
    since: string,
    summary: string,
    tips: readonly string[],
    run: (context: CommandContext) => void,
  ): SubcommandRow & RowFunction {
    return { arity: 2, flags: 0, keys: [0, 0, 0], since, group: 'server', summary, tips, run }
  }
  const secondIsKey: KeyPositions = [2, 2, 1]
  return {
    MEMORY: container(
      'MEMORY',
      { since: '4.0.0', group: 'server', summary: 'A container for memory diagnostics commands' },
      {
        DOCTOR: subcommand('4.0.0', 'Outputs memory problems report', DIAGNOSTIC_TIPS, ({ reply, keyspace }) =>
          reply.verbatim('txt', diagnosis(keyspace, facts())),
        ),
        'MALLOC-STATS': subcommand('4.0.0', 'Show allocator internal stats', DIAGNOSTIC_TIPS, ({ reply, keyspace }) =>
          reply.verbatim('txt', arenaReport(keyspace)),
        ),
        PURGE: subcommand(
          '4.0.0',
          'Ask the allocator to release memory',
          ['request_policy:all_shards', 'response_policy:all_succeeded'],
          ({ reply, keyspace }) => {
            keyspace.freeSlice(PURGE_MS)
            reply.ok()
          },
        ),
        STATS: subcommand('4.0.0', 'Show memory usage details', DIAGNOSTIC_TIPS, (context) => stats(context, facts())),
        USAGE: {
          arity: -3,
          flags: READONLY,
          keys: secondIsKey,
          keyFlags: ['RO'],
          since: '4.0.0',
          group: 'server',
          summary: 'Estimate the memory usage of a key',
          read: usage,
        },
      },
      [
        ['DOCTOR', 'Return memory problems reports.'],
        ['MALLOC-STATS', 'Return internal statistics report from the memory allocator.'],
        ['PURGE', 'Attempt to purge dirty pages for reclamation by the allocator.'],
        ['STATS', 'Return information about the memory usage of the server.'],
        [
          'USAGE <key> [SAMPLES <count>]',
          'Return memory in bytes used by <key> and its value. Nested values are',
          'sampled up to <count> times (default: 5, 0 means sample all).',
        ],
      ],
      '4.0.0',
    ),
  }
}
