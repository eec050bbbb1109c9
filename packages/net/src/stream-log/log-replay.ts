/**
 * What a start makes of the stream log: finds the run that goes on from the loaded snapshot, applies its bytes, and refills the backlog
 * with them, so that replicas below can go on, too. It never guesses: bytes count only as far as they follow the snapshot's, of the
 * same history, without a gap, with a right checksum, and as whole commands and groups.
 */
import {
  type CommandStream,
  type DrainOutcome,
  historyAt,
  type LoggedHistory,
  type LogRun,
  logRuns,
  ReplicaError,
  runBehind,
  SegmentReader,
  type SegmentSummary,
  type SnapshotPosition,
  type StreamHandler,
  type StreamHistory,
} from '@understudy/core/internal'
import type { BacklogWriter, Logger } from '@understudy/core/internal'
import type { FoundSegment, LogFiles } from './log-files.ts'
import type { RestoredRun } from './stream-log.ts'

export interface ReplayPorts {
  readonly logger: Logger
  readonly backlog: BacklogWriter
  /** Stands at the snapshot; the backlog is its sink. */
  readonly stream: CommandStream
  /** Applies. */
  readonly handler: StreamHandler
  /** False: other data are to come, and these need not be complete. */
  readonly isWanted: () => boolean
}

/** What the data belong to after a replay. */
export interface Replayed {
  readonly history: StreamHistory
  readonly offset: number
  /** Database that the stream has selected there. */
  readonly db: number
  readonly run: RestoredRun
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * @param found all segments. @param position of the snapshot that was loaded. @returns undefined: the log has nothing that follows it
 * @throws ReplicaError STREAM_LOG_BAD_VERSION, FILE_FAILED for a file that cannot be read, and whatever keeps a command from being applied
 */
export async function replayLog(
  files: LogFiles,
  found: readonly FoundSegment[],
  position: SnapshotPosition,
  ports: ReplayPorts,
): Promise<Replayed | undefined> {
  const { logger, stream, isWanted } = ports
  const summaries = await survey(files, found, logger)
  const runs = logRuns(summaries)
  const run = runBehind(runs, position.replid, position.offset)
  if (run === undefined) {
    const windows = runs.map(({ startOffset, endOffset }) => `${startOffset} to ${endOffset}`).join(', ')
    logger.warning(
      `The stream log is not used: the snapshot is at offset ${position.offset} of ${position.replid}, ` +
        `and the log has ${windows === '' ? 'nothing' : `${windows} of ${lastReplid(runs)}`}`,
    )
    return undefined
  }
  if (run !== runs.at(-1)) {
    logger.warning(
      `The stream log ends at offset ${run.endOffset}: what it has behind that does not follow without a gap`,
    )
  }
  await applyRun(files, run, position.offset, ports)
  if (!isWanted()) return undefined
  const offset = stream.appliedOffset
  if (offset < run.endOffset) {
    logger.notice(
      `The last ${run.endOffset - offset} bytes of the stream log are not a whole command or transaction: left out`,
    )
  }
  logger.notice(`Stream log: ${offset - position.offset} bytes applied behind the snapshot, up to offset ${offset}`)
  return {
    history: historyAt(run.histories, offset)!,
    offset,
    db: stream.db,
    run: { segments: segmentsOf(run, summaries), snapshotOffset: position.offset, isLast: run === runs.at(-1) },
  }
}

function segmentsOf(run: LogRun, summaries: readonly SegmentSummary[]): RestoredRun['segments'] {
  return run.pieces.map(({ sequence, from }) => ({
    sequence,
    startOffset: from,
    fileBytes: summaries.find((summary) => summary.sequence === sequence)!.fileBytes,
  }))
}

function lastReplid(runs: readonly LogRun[]): string {
  return runs.at(-1)!.histories.at(-1)!.history.replid
}

/** Reads all segments, and tells of what is torn. */
async function survey(files: LogFiles, found: readonly FoundSegment[], logger: Logger): Promise<SegmentSummary[]> {
  const summaries: SegmentSummary[] = []
  for (const { sequence, fileBytes } of found) {
    const histories: LoggedHistory[] = []
    const reader = new SegmentReader(files.nameOf(sequence), {
      history: (logged) => histories.push(logged),
      bytes: () => {},
    })
    for await (const piece of files.read(sequence)) reader.push(piece)
    reader.end()
    if (reader.fault !== undefined) {
      logger.warning(
        `Stream log: ${files.nameOf(sequence)} is cut at byte ${reader.goodBytes} of ${fileBytes}, behind its last good record: ` +
          reader.fault,
      )
    }
    summaries.push({ sequence, fileBytes, histories, endOffset: reader.endOffset })
  }
  return summaries
}

/** @throws ReplicaError that says where it came from: what was written was applied once, so this is no fault of the disk */
function drain(stream: CommandStream, handler: StreamHandler): DrainOutcome {
  try {
    return stream.drain(handler)
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error
    const text = `the stream log cannot be applied behind offset ${stream.appliedOffset}: ${error.message}`
    throw new ReplicaError(error.code, text, { cause: error })
  }
}

/** Bytes up to `offset` go to the backlog as far as it has room for them and for those behind, which are applied. */
async function applyRun(files: LogFiles, run: LogRun, offset: number, ports: ReplayPorts): Promise<void> {
  const { backlog, stream, handler, isWanted } = ports
  const refillFrom = Math.min(offset, Math.max(run.startOffset, run.endOffset - backlog.capacityBytes))
  backlog.restart(refillFrom)
  for (const { sequence, from, to } of run.pieces) {
    if (to <= refillFrom) continue
    const pieces: { readonly offset: number; readonly bytes: Uint8Array }[] = []
    const reader = new SegmentReader(files.nameOf(sequence), {
      history: () => {},
      bytes: (at, bytes) => pieces.push({ offset: at, bytes: new Uint8Array(bytes) }),
    })
    const first = Math.max(from, refillFrom)
    for await (const read of files.read(sequence)) {
      reader.push(read)
      for (const { offset: at, bytes } of pieces.splice(0)) {
        // Numbers of bytes become indexes into this piece.
        const start = Math.max(first - at, 0)
        const end = Math.min(to - at, bytes.length)
        const applyFrom = Math.min(Math.max(offset - at, start), end)
        if (start < applyFrom) backlog.append(bytes, start, applyFrom)
        if (applyFrom >= end) continue
        stream.push(bytes.subarray(applyFrom, end))
        while (isWanted() && drain(stream, handler) === 'more') await nextTurn()
      }
      await nextTurn()
      if (!isWanted()) return
    }
  }
}
