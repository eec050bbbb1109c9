/**
 * The request that decides between a full and a partial resync, and its outcomes. Holds no state.
 *
 *     (empty line)                  wait         the primary is not ready yet, and alive
 *     +CONTINUE [replid]            continue     partial resync; a new id: same bytes, another name
 *     +FULLRESYNC replid offset     full         a snapshot follows; malformed: known is false
 *     -NOMASTERLINK, -LOADING       later        keep the history and come back
 *     anything else                 unsupported  ask again in the old way, with SYNC
 *
 * The sixth outcome, a write error, is the transport's. Source: redis 7.0 replication.c slaveTryPartialResynchronization().
 */
import { REPLID_LENGTH, REPLID_NONE } from './replication-id.ts'
import type { ReplicationHistory } from './replication-id.ts'
import { encodeRequest } from './requests.ts'

export interface PsyncRequest {
  /** '?' without history. */
  readonly replid: string
  /** First byte wanted; -1 without history. */
  readonly offset: number
}

export function psyncRequest(history: ReplicationHistory): PsyncRequest {
  return history.resumable ? { replid: history.replid, offset: history.replOffset + 1 } : { replid: '?', offset: -1 }
}

/** @param takesOver the primary is a replica of this node, and is asked to become the primary first */
export function encodePsync(name: string, { replid, offset }: PsyncRequest, takesOver: boolean): Uint8Array {
  return encodeRequest(name, replid, String(offset), ...(takesOver ? ['FAILOVER'] : []))
}

/** The inline form, which every primary of every age reads. */
export function encodeSync(): Uint8Array {
  return Buffer.from('SYNC\r\n')
}

export type PsyncOutcome =
  | { readonly kind: 'wait' }
  | { readonly kind: 'continue'; readonly replid: string | undefined }
  | { readonly kind: 'full'; readonly known: boolean; readonly replid: string; readonly offset: number }
  | { readonly kind: 'later' }
  | { readonly kind: 'unsupported' }

const FULL = /^\+FULLRESYNC (\S+) (\d{1,15})\s*$/
const CONTINUE = /^\+CONTINUE(?:\s+(\S+))?\s*$/

/** @param line without CR LF. */
export function parsePsyncReply(line: string): PsyncOutcome {
  if (line === '') return { kind: 'wait' }
  if (line.startsWith('+FULLRESYNC')) {
    const match = FULL.exec(line)
    if (match?.[1]?.length === REPLID_LENGTH && match[1] !== REPLID_NONE) {
      return { kind: 'full', known: true, replid: match[1], offset: Number(match[2]) }
    }
    // It means to send a snapshot, but its history cannot be named: with the blank id later partial attempts fail
    // rather than corrupt.
    return { kind: 'full', known: false, replid: REPLID_NONE, offset: 0 }
  }
  if (line.startsWith('+CONTINUE')) {
    const replid = CONTINUE.exec(line)?.[1]
    return { kind: 'continue', replid: replid?.length === REPLID_LENGTH ? replid : undefined }
  }
  if (line.startsWith('-NOMASTERLINK') || line.startsWith('-LOADING')) return { kind: 'later' }
  return { kind: 'unsupported' }
}
