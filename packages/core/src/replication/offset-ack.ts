/**
 * When the primary hears how far we are: once a second, at once after a sync, and at once when it asks (GETACK).
 * Source: redis 7.0 replication.c replicationSendAck(), replicationCron().
 */
import { encodeRequest } from './requests.ts'

export const ACK_PERIOD_MS = 1000

export class OffsetAck {
  #sentAtMs = -Infinity

  /** `REPLCONF ACK offset`, also counted as this second's. `replconf` is the command's name at this primary. */
  encode(replconf: string, appliedOffset: number, nowMs: number): Uint8Array {
    this.#sentAtMs = nowMs
    return encodeRequest(replconf, 'ACK', String(appliedOffset))
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.#sentAtMs >= ACK_PERIOD_MS
  }
}
