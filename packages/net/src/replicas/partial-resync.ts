/**
 * May a replica below go on where it stopped? Holds no state. The answer names what did not match, with both values.
 *
 * Source: redis 7.0 replication.c masterTryPartialResync(); its log lines.
 */
import { type ReplicationHistory, printable } from '@understudy/core/internal'

/** The first argument of PSYNC of a replica that has no history, or wants none. */
const NO_HISTORY = '?'

export interface ResyncRequest {
  readonly replid: string
  /** Number of the first byte it wants. */
  readonly offset: number
}

/** What the backlog can give. */
export interface BacklogWindow {
  readonly firstByteOffset: number
  readonly endOffset: number
  covers(offset: number): boolean
}

export type ResyncVerdict =
  | { readonly kind: 'partial' }
  /** @member isRefusal false when the replica asked for a full one. */
  | { readonly kind: 'full'; readonly isRefusal: boolean; readonly reason: string }

/** @param backlog undefined: there is none. @param replica its name in the log. */
export function judgeResync(
  request: ResyncRequest,
  history: ReplicationHistory,
  backlog: BacklogWindow | undefined,
  replica: string,
): ResyncVerdict {
  const { replid, offset } = request
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
  const window = backlog === undefined ? 'is none' : `holds ${backlog.firstByteOffset} to ${backlog.endOffset}`
  const ahead =
    offset > history.replOffset + 1 ? `; the replica is ahead of this node, which is at ${history.replOffset}` : ''
  return {
    kind: 'full',
    isRefusal: true,
    reason:
      `Unable to partial resync with replica ${replica} for lack of backlog ` +
      `(Replica request was: ${offset}, the backlog ${window}${ahead}).`,
  }
}
