/**
 * What the segments of a stream log say together. Segments whose bytes follow each other are a run; data of a snapshot that lies
 * in a run become, by the bytes behind it, the data of the run's end. Pure: who reads the files is net's.
 *
 *     segment   1          2          3 begins a run   4
 *               ├──────────┼──────┤   ├────────────────┼──┬────────┤
 *                                 └ torn                  └ a start cut the tail of 4, and went on in 5: the later one counts
 */
import type { StreamHistory } from '../replication/replication-id.ts'
import type { LoggedHistory } from './records.ts'

/** What was found in one segment. */
export interface SegmentSummary {
  readonly sequence: number
  /** Of the file. */
  readonly fileBytes: number
  /** In order; empty: nothing in it is good. */
  readonly histories: readonly LoggedHistory[]
  /** Number of the last byte of the stream in it. */
  readonly endOffset: number
}

/** The bytes that count of one segment: those behind number `from` up to number `to`. */
export interface LogPiece {
  readonly sequence: number
  readonly from: number
  readonly to: number
}

/** Bytes of the stream without a gap. */
export interface LogRun {
  readonly pieces: readonly LogPiece[]
  /** By offset, the first one at the run's beginning. */
  readonly histories: readonly LoggedHistory[]
  /** Number of the last byte before it. */
  readonly startOffset: number
  readonly endOffset: number
}

/** @param segments by sequence. @returns the runs, oldest first */
export function logRuns(segments: readonly SegmentSummary[]): LogRun[] {
  const runs: LogRun[] = []
  for (const segment of segments) {
    const first = segment.histories[0]
    if (first === undefined) continue
    const piece: LogPiece = { sequence: segment.sequence, from: first.offset, to: segment.endOffset }
    const last = runs.at(-1)
    if (last !== undefined && goesOn(last, first)) {
      runs[runs.length - 1] = {
        pieces: [...last.pieces.flatMap((before) => cut(before, piece.from)), piece],
        histories: [...last.histories.filter(({ offset }) => offset < piece.from), ...segment.histories],
        startOffset: last.startOffset,
        endOffset: piece.to,
      }
    } else {
      runs.push({ pieces: [piece], histories: segment.histories, startOffset: piece.from, endOffset: piece.to })
    }
  }
  return runs
}

function cut(piece: LogPiece, at: number): LogPiece[] {
  return piece.from >= at ? [] : [{ ...piece, to: Math.min(piece.to, at) }]
}

function goesOn({ startOffset, endOffset, histories }: LogRun, { beginsRun, offset, history }: LoggedHistory): boolean {
  if (beginsRun || offset < startOffset || offset > endOffset) return false
  const before = historyAt(histories, offset)
  return before === undefined ? true : knows(history, before.replid, offset)
}

/** Is a history that has `replid` up to byte `offset` a part of `history`, which has all of that? */
function knows({ replid: now, past }: StreamHistory, replid: string, offset: number): boolean {
  return replid === now || past.some((one) => one.replid === replid && offset < one.endsBefore)
}

/** Whose the bytes behind number `offset` are. */
export function historyAt(histories: readonly LoggedHistory[], offset: number): StreamHistory | undefined {
  return histories.findLast((logged) => logged.offset <= offset)?.history
}

/** The latest run that has what follows the data of a snapshot; undefined: none has. */
export function runBehind(runs: readonly LogRun[], replid: string, offset: number): LogRun | undefined {
  return runs.findLast((run) => {
    if (offset < run.startOffset || offset > run.endOffset) return false
    return run.histories.some(({ history }, i) => {
      // The id of a record is good up to where the next one stands, under which it may have other bytes.
      const validTo = run.histories[i + 1]?.offset ?? run.endOffset
      return history.replid === replid ? offset <= validTo : knows(history, replid, offset)
    })
  })
}
