/** `understudy check [--json] FILE...`: says of each file what it holds, or what is wrong with it and where. */
import { rdbTypeName } from '@understudy/core/internal'
import type { RdbSummary } from '@understudy/core/internal'
import { checkSnapshotFile } from '@understudy/rdb-worker'
import type { DatabaseCounts, SnapshotReport } from '@understudy/rdb-worker'
import { ProgressBar } from '../log/progress.ts'
import type { BarStream } from '../log/progress.ts'

export interface CheckCommand {
  readonly kind: 'check'
  readonly files: readonly string[]
  readonly json: boolean
}

export interface CheckStreams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: BarStream
}

const AUX_CHARACTERS_SHOWN = 100

/** @returns the exit code: 0 if all files are right, 1 otherwise */
export function runCheck(command: CheckCommand, { stdout, stderr }: CheckStreams): number {
  let exitCode = 0
  for (const path of command.files) {
    const bar = new ProgressBar(stderr, path)
    const startedMs = performance.now()
    const report = checkSnapshotFile(path, (doneBytes, totalBytes, keys) =>
      bar.show({ doneBytes, totalBytes, keys, elapsedMs: performance.now() - startedMs }),
    )
    bar.end()
    if (report.fault !== undefined) exitCode = 1
    stdout.write(command.json ? `${JSON.stringify(jsonReport(path, report))}\n` : textReport(path, report))
  }
  return exitCode
}

function keyCount(databases: readonly DatabaseCounts[]): number {
  return databases.reduce((sum, { keys }) => sum + keys, 0)
}

/** Why is there nothing to compare, or was it compared? A fault of its own says that it is wrong. */
function checksumState({ summary, fault }: SnapshotReport): 'right' | 'wrong' | 'none' | 'not reached' {
  if (fault?.code === 'RDB_BAD_CHECKSUM') return 'wrong'
  const isRead = fault === undefined || fault.code === 'RDB_TRAILING_BYTES'
  if (!isRead || summary === undefined) return 'not reached'
  return summary.checksumVerified ? 'right' : 'none'
}

function typeCounts({ family, keysByType }: RdbSummary): Record<string, number> {
  const named = Object.entries(keysByType).map(([type, count]) => [rdbTypeName(family, Number(type)) ?? type, count])
  return Object.fromEntries(named)
}

/** One line of JSON per file. Keys and AUX fields are what the file says, as text. */
function jsonReport(file: string, report: SnapshotReport): object {
  const { fileBytes, summary, databases, fault } = report
  return {
    file,
    ok: fault === undefined,
    fileBytes,
    ...(summary === undefined
      ? {}
      : {
          family: summary.family,
          version: summary.version,
          snapshotBytes: summary.byteCount,
          aux: Object.fromEntries(summary.aux),
          keys: keyCount(databases),
          databases,
          types: typeCounts(summary),
          functionLibraries: summary.functions.length,
          emptyKeysDropped: summary.emptyKeysDropped,
          skippedModules: summary.skippedModules,
          skippedModuleAux: summary.skippedModuleAux,
          skippedKeyMeta: summary.skippedKeyMeta,
          checksum: checksumState(report),
        }),
    ...(fault === undefined ? {} : { error: fault }),
  }
}

function textReport(file: string, report: SnapshotReport): string {
  const { fileBytes, summary, databases, fault } = report
  const lines = [file]
  const line = (title: string, text: string): number => lines.push(`  ${title.padEnd(12)}${text}`)
  if (summary !== undefined) {
    line('version', `${summary.family === 'valkey' ? 'VALKEY' : 'REDIS'} ${summary.version}`)
    for (const [name, value] of summary.aux) line('aux', `${shown(name)} = ${shown(value)}`)
    for (const { db, keys, expires, announced } of databases) {
      const hint = announced === undefined ? '' : ` (announced: ${announced.keys}, ${announced.expires})`
      line(`database ${db}`, `${keys} keys, ${expires} with a TTL${hint}`)
    }
    for (const [name, count] of Object.entries(typeCounts(summary))) line('type', `${name}: ${count}`)
    if (summary.functions.length > 0) line('functions', `${summary.functions.length} libraries`)
    if (summary.emptyKeysDropped > 0) line('empty', `${summary.emptyKeysDropped} keys without elements, to be dropped`)
    for (const [name, count] of Object.entries(summary.skippedModules)) {
      line('module', `${name}: ${count} keys that cannot be held here, to be skipped`)
    }
    if (summary.skippedModuleAux > 0)
      line('module', `${summary.skippedModuleAux} sections that belong to no key, to be skipped`)
    if (summary.skippedKeyMeta > 0) line('module', `metadata of ${summary.skippedKeyMeta} keys, to be skipped`)
    line('checksum', checksumState(report))
    line('length', `${summary.byteCount} of ${fileBytes} bytes, ${keyCount(databases)} keys`)
  }
  lines.push(fault === undefined ? '  OK' : `  BAD         ${fault.code}: ${fault.message}`)
  return `${lines.join('\n')}\n`
}

/** Nothing that moves a terminal's cursor, and not a script of a megabyte. */
function shown(text: string): string {
  const cut = text.length > AUX_CHARACTERS_SHOWN ? `${text.slice(0, AUX_CHARACTERS_SHOWN)}…` : text
  return JSON.stringify(cut).slice(1, -1)
}
