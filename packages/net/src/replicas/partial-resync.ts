/**
 * May a replica below go on where it stopped? Holds no state. The answer names what did not match, with both values.
 *
 * Source: redis 7.0 replication.c masterTryPartialResync(); its log lines.
 */
import { type ReplicationHistory, printable } from '@understudy/core/internal'

/** The first argument of PSYNC of a replica that has no history, or wants none. */
const NO_HISTORY = '?'

/** A longer one is none, and is told in the log up to there. */
export const REPLID_BYTES_MAX = 128

export interface ResyncRequest {
  readonly replid: string
  /** Number of the first byte it wants. */
  readonly offset: number
}

/** What the backlog can give; numbers of bytes. */
export interface BacklogWindow {
  readonly firstByteOffset: number
  readonly endOffset: number
  covers(offset: number): boolean
}

/** What there is to go on from. */
export interface ResyncSource {
  readonly history: ReplicationHistory
  /** Undefined: there is none. */
  readonly backlog: BacklogWindow | undefined
  /** Does this node follow a primary, so that its history grows by what comes from there? */
  readonly isFollowing: boolean
}

export type GrantedResync =
  | { readonly kind: 'partial' }
  /** @member isRefusal false when the replica asked for a full one. */
  | { readonly kind: 'full'; readonly isRefusal: boolean; readonly reason: string }

/** `later`: what it has of this very history is still on its way to this node; it is to ask again. */
export type ResyncVerdict = GrantedResync | { readonly kind: 'later'; readonly reason: string }

/**
 * A replica may be ahead of the node that it follows: that was killed, and started with less than it had passed on. Its primary has
 * the bytes in between, since an id never goes back; with them a partial resync will do. (redis 7.0 gives a full one here.)
 *
 * @param replica its name in the log
 */
export function judgeResync(request: ResyncRequest, source: ResyncSource, replica: string): ResyncVerdict {
  const { replid, offset } = request
  const { history, backlog, isFollowing } = source
  if (replid.startsWith(NO_HISTORY)) {
    return { kind: 'full', isRefusal: false, reason: `Full resync requested by replica ${replica}` }
  }
  const asked = replid.toLowerCase()
  if (!history.isContinuation(asked, offset)) {
    const reason =
      asked === history.replid2
        ? `Requested offset for second ID was ${offset}, but I can reply up to ${history.secondReplOffset}`
        : `Replication ID mismatch (Replica asked for '${printable(replid)}', my replication IDs are ` +
          `'${history.replid}' and '${history.replid2}')`
    return { kind: 'full', isRefusal: true, reason: `Partial resynchronization not accepted: ${reason}` }
  }
  if (backlog?.covers(offset) === true) return { kind: 'partial' }
  const isAhead = offset > history.replOffset + 1
  const ahead = isAhead ? `; the replica is ahead of this node, which is at ${history.replOffset}` : ''
  if (isAhead && isFollowing) {
    const reason = `Replica ${replica} asks for byte ${offset} of the stream${ahead}. It is to come back`
    return { kind: 'later', reason }
  }
  const window = backlog === undefined ? 'is none' : `holds ${backlog.firstByteOffset} to ${backlog.endOffset}`
  return {
    kind: 'full',
    isRefusal: true,
    reason:
      `Unable to partial resync with replica ${replica} for lack of backlog ` +
      `(Replica request was: ${offset}, the backlog ${window}${ahead}).`,
  }
}
