/**
 * Which history this node's data belong to: the id of now, the ids before it, and how far each of them is valid.
 *
 *     before ───────────┐
 *     replid2           └──────────────┐ secondReplOffset = first byte that is no longer replid2's
 *     replid                           └──────────────────────────────► replOffset
 *
 * Redis remembers one id before that of now. Here there are a few: a primary that is promoted, killed and started again has had two
 * within a minute, and who was its primary before knows only the first of them.
 *
 * Rules: redis 7.0 replication.c changeReplicationId(), clearReplicationId2(), shiftReplicationId(),
 * replicationCacheMasterUsingMyself().
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'

export const REPLID_LENGTH = 40
/** "No id": matches nobody's history. */
export const REPLID_NONE: string = '0'.repeat(REPLID_LENGTH)
/** secondReplOffset when replid2 is not set. */
export const SECOND_REPL_OFFSET_NONE = -1

/** Ids before that of now that are remembered. */
const PAST_MAX = 4

/** An id that a history had before. */
export interface PastReplid {
  readonly replid: string
  /** Number of the first byte that is no longer its own. */
  readonly endsBefore: number
}

/** The ids of a history: that of now, and those before it, newest first. */
export interface StreamHistory {
  readonly replid: string
  readonly past: readonly PastReplid[]
}

/** A new id: 40 lower-case hex digits. */
export function generateReplid(): string {
  return randomBytes(REPLID_LENGTH / 2).toString('hex')
}

export interface ReplicationHistoryRecord {
  replid: string
  replid2: string
  secondReplOffset: number
  replOffset: number
}

export class ReplicationHistory implements StreamHistory {
  #replid: string
  #past: readonly PastReplid[] = []
  /** Applied offset: number of the last stream byte whose command (or group) is in the data. */
  replOffset = 0
  /** May the next PSYNC ask for a partial resync? False before the first sync, and when the stream was corrupt. */
  resumable = false

  constructor(replid: string = generateReplid()) {
    assert.equal(replid.length, REPLID_LENGTH)
    this.#replid = replid
  }

  get replid(): string {
    return this.#replid
  }

  get past(): readonly PastReplid[] {
    return this.#past
  }

  get replid2(): string {
    return this.#past[0]?.replid ?? REPLID_NONE
  }

  /** First offset that replid2 does not cover; -1 without replid2. */
  get secondReplOffset(): number {
    return this.#past[0]?.endsBefore ?? SECOND_REPL_OFFSET_NONE
  }

  /**
   * The data are now those of a full resync. Of an unknown id (malformed FULLRESYNC, SYNC: REPLID_NONE) no primary can be asked to go on
   * with them; for replicas below the history has an id of its own, under which they acknowledge and come back.
   */
  adoptFullResync(replid: string, offset: number): void {
    this.resumable = replid !== REPLID_NONE
    this.#replid = this.resumable ? replid : generateReplid()
    this.replOffset = offset
    this.#past = []
  }

  /** `+CONTINUE newid`: the same bytes under another name from here on. */
  adoptContinuedId(replid: string): void {
    this.#shiftTo(replid)
  }

  /** REPLICAOF NO ONE: a new history begins; replicas below may go on from the old one up to here. */
  becomePrimary(): void {
    this.#shiftTo(generateReplid())
    this.resumable = false
  }

  /** A primary becomes a replica: its own past is what it asks its new primary to continue. */
  becomeReplica(): void {
    this.resumable = true
  }

  /**
   * A primary that has written nothing under its id of now goes back to the one before, which others know, too. Only for one that has
   * told everything it wrote. @returns false: it has written, or has had no other id
   */
  returnToPast(): boolean {
    const [last, ...older] = this.#past
    const endsBefore = this.replOffset + 1
    if (last === undefined || last.endsBefore !== endsBefore) return false
    this.#past = [{ replid: this.#replid, endsBefore }, ...older]
    this.#replid = last.replid
    return true
  }

  /** A replica begins with data of before, and asks its primary to go on from there. @param past ids that those data had */
  resumeFrom(replid: string, offset: number, past: readonly PastReplid[] = []): void {
    this.adoptFullResync(replid, offset)
    this.#past = upTo(past, offset)
  }

  /** A primary begins with data of before: a new history, which replicas may join from that of the data. */
  beginBehind(replid: string, offset: number, past: readonly PastReplid[] = []): void {
    this.#past = upTo([{ replid, endsBefore: offset + 1 }, ...past], offset)
    this.replOffset = offset
  }

  /** Nobody can know this history: what was written was not kept. The offset goes on, under an id of its own. */
  beginAnew(): void {
    this.#replid = generateReplid()
    this.#past = []
  }

  /** The data are gone, and with them what a primary could be asked to continue. */
  forget(): void {
    this.beginAnew()
    this.resumable = false
  }

  /** Does a replica that knows `replid` up to byte `offset - 1` share our past? (The backlog must still have `offset`.) */
  isContinuation(replid: string, offset: number): boolean {
    if (replid === REPLID_NONE) return false
    return replid === this.#replid || this.#past.some((one) => one.replid === replid && offset <= one.endsBefore)
  }

  toRecord(): ReplicationHistoryRecord {
    const { replid, replid2, secondReplOffset, replOffset } = this
    return { replid, replid2, secondReplOffset, replOffset }
  }

  #shiftTo(replid: string): void {
    // The old id is also good for the byte after the last: a replica that has everything asks for that one.
    this.#past = upTo([{ replid: this.#replid, endsBefore: this.replOffset + 1 }, ...this.#past], this.replOffset)
    this.#replid = replid
  }
}

/** What of the past is true of data up to `offset`, and has a name. */
function upTo(past: readonly PastReplid[], offset: number): readonly PastReplid[] {
  return past
    .filter(({ replid }) => replid !== REPLID_NONE)
    .slice(0, PAST_MAX)
    .map(({ replid, endsBefore }) => ({ replid, endsBefore: Math.min(endsBefore, offset + 1) }))
}
