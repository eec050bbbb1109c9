/**
 * What consumer groups know of how many entries they have read and how many are left. Follows redis 7.0.15 t_stream.c
 * streamRangeHasTombstones(), streamEstimateDistanceFromFirstEverEntry(), streamReplyWithCGLag().
 */
import { StreamId } from '../encoding/stream-id.ts'
import type { Stream } from './stream.ts'
import { ENTRIES_READ_UNKNOWN, type StreamGroups } from './stream-groups.ts'
import { R_FIRST, R_MAX_DELETED, R_LAST } from './stream-layout.ts'

const other = new StreamId()
const maxDeleted = new StreamId()
const lastRead = new StreamId()

/** May an entry at or behind `from` have been deleted, and not with all before it? */
export function hasTombstonesFrom(stream: Stream, from: StreamId): boolean {
  stream.readId(R_MAX_DELETED, maxDeleted)
  if (stream.length === 0 || maxDeleted.isZero) return false
  return maxDeleted.compare(stream.readId(R_FIRST, other)) >= 0 && from.compare(maxDeleted) <= 0
}

/** How many entries were added up to the one of this ID: -1 when that cannot be told. */
export function estimateEntriesRead(stream: Stream, id: StreamId): number | bigint {
  const added = stream.entriesAdded
  const { length } = stream
  if (added === 0) return 0
  const toLast = id.compare(stream.readId(R_LAST, other))
  if (length === 0 && toLast < 1) return added
  if (toLast === 0) return added
  if (toLast > 0) return ENTRIES_READ_UNKNOWN
  const toFirst = id.compare(stream.readId(R_FIRST, other))
  stream.readId(R_MAX_DELETED, maxDeleted)
  if (maxDeleted.isZero || maxDeleted.compare(other) < 0) {
    if (toFirst < 0) return difference(added, length)
    if (toFirst === 0) return difference(added, length - 1)
  }
  return ENTRIES_READ_UNKNOWN
}

/** Entries that the group has not read yet; undefined when that cannot be told. */
export function groupLag(stream: Stream, groups: StreamGroups, group: number): number | bigint | undefined {
  const added = stream.entriesAdded
  if (added === 0) return 0
  let read = groups.entriesRead(group)
  groups.lastId(group, lastRead)
  if (read === ENTRIES_READ_UNKNOWN || hasTombstonesFrom(stream, lastRead)) read = estimateEntriesRead(stream, lastRead)
  return read === ENTRIES_READ_UNKNOWN ? undefined : difference(added, read)
}

function difference(from: number | bigint, less: number | bigint): number | bigint {
  return typeof from === 'number' && typeof less === 'number'
    ? from - less
    : BigInt.asIntN(64, BigInt(from) - BigInt(less))
}
