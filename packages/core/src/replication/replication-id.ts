/**
 * Which history this node's data belong to: the id of now, the id before it, and how far that one is valid.
 *
 *     replid2 ─────────────────────────┐ secondReplOffset = first byte that is no longer replid2's
 *     replid                           └──────────────────────────────► replOffset
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

export class ReplicationHistory {
  #replid: string
  #replid2 = REPLID_NONE
  #secondReplOffset = SECOND_REPL_OFFSET_NONE
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

  get replid2(): string {
    return this.#replid2
  }

  /** First offset that replid2 does not cover; -1 without replid2. */
  get secondReplOffset(): number {
    return this.#secondReplOffset
  }

  /** The data are now those of a full resync. An unknown id (malformed FULLRESYNC, SYNC) never allows a partial one. */
  adoptFullResync(replid: string, offset: number): void {
    this.#replid = replid
    this.replOffset = offset
    this.#clearSecond()
    this.resumable = replid !== REPLID_NONE
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

  /** A replica begins with the data of a snapshot, and asks its primary to go on from there. */
  resumeFrom(replid: string, offset: number): void {
    this.adoptFullResync(replid, offset)
  }

  /** A primary begins with the data of a snapshot: a new history, which replicas may join from the snapshot's. */
  beginBehind(replid: string, offset: number): void {
    this.#replid2 = replid
    this.#secondReplOffset = offset + 1
    this.replOffset = offset
  }

  /** Nobody can know this history: what was written was not kept. The offset goes on, under an id of its own. */
  beginAnew(): void {
    this.#replid = generateReplid()
    this.#clearSecond()
  }

  /** Does a replica that knows `replid` up to byte `offset - 1` share our past? (The backlog must still have `offset`.) */
  isContinuation(replid: string, offset: number): boolean {
    return replid === this.#replid || (replid === this.#replid2 && offset <= this.#secondReplOffset)
  }

  toRecord(): ReplicationHistoryRecord {
    const { replid, replid2, secondReplOffset, replOffset } = this
    return { replid, replid2, secondReplOffset, replOffset }
  }

  #shiftTo(replid: string): void {
    this.#replid2 = this.#replid
    // The old id is also good for the byte after the last: a replica that has everything asks for that one.
    this.#secondReplOffset = this.replOffset + 1
    this.#replid = replid
  }

  #clearSecond(): void {
    this.#replid2 = REPLID_NONE
    this.#secondReplOffset = SECOND_REPL_OFFSET_NONE
  }
}
