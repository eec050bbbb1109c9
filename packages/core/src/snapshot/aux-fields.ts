/**
 * The AUX fields of a snapshot, written and read: who made it, and where in which history of replication its data are.
 *
 * Source: redis 7.0 rdb.c rdbSaveInfoAuxFields(), rdbLoadRioWithLoadingCtx().
 */
import { REPLID_LENGTH, REPLID_NONE } from '../replication/replication-id.ts'

export type AuxField = readonly [name: string, value: string]

/** Where in which history of replication the data are. */
export interface SnapshotPosition {
  readonly replid: string
  readonly offset: number
  /** Database that the stream had selected. */
  readonly db: number
}

/** What the AUX fields tell. */
export interface SnapshotFacts {
  /** The version of Redis that this server says it has. */
  readonly redisVersion: string
  /** Milliseconds since 1970. */
  readonly wallMs: number
  readonly usedBytes: number
  /** Undefined when there is no stream behind the snapshot. */
  readonly streamDb: number | undefined
  /** Undefined for data of a history that nobody can be asked to continue. */
  readonly position: Pick<SnapshotPosition, 'replid' | 'offset'> | undefined
}

/** The AUX fields, in the order in which Redis writes them. */
export function snapshotAux({ redisVersion, wallMs, usedBytes, streamDb, position }: SnapshotFacts): AuxField[] {
  const fields: AuxField[] = [
    ['redis-ver', redisVersion],
    ['redis-bits', '64'],
    ['ctime', String(Math.floor(wallMs / 1000))],
    ['used-mem', String(usedBytes)],
  ]
  if (streamDb !== undefined) fields.push(['repl-stream-db', String(streamDb)])
  if (position !== undefined) fields.push(['repl-id', position.replid], ['repl-offset', String(position.offset)])
  fields.push(['aof-base', '0'])
  return fields
}

const REPLID = /^[\x21-\x7e]+$/

/** What a snapshot says of its position; undefined when it says nothing, or nothing that can be meant. */
export function snapshotPosition(aux: readonly AuxField[]): SnapshotPosition | undefined {
  const fields = new Map(aux)
  const replid = fields.get('repl-id') ?? ''
  const offsetText = fields.get('repl-offset') ?? ''
  const offset = Number(offsetText)
  if (replid.length !== REPLID_LENGTH || replid === REPLID_NONE || !REPLID.test(replid)) return undefined
  if (!/^\d+$/.test(offsetText) || !Number.isSafeInteger(offset)) return undefined
  return { replid, offset, db: streamDb(aux) }
}

/** The database in which the stream behind a snapshot starts. */
export function streamDb(aux: readonly AuxField[]): number {
  for (const [name, value] of aux) if (name === 'repl-stream-db' && /^\d{1,9}$/.test(value)) return Number(value)
  return 0
}
