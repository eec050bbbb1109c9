/**
 * Reads a segment of the stream log from bytes that come in pieces of any size. It stops at the first thing that is not a whole,
 * checked record: what was before counts, what is behind does not exist. Every byte is hostile.
 */
import { strict as assert } from 'node:assert'
import { crc32 } from 'node:zlib'
import { ReplicaError } from '../errors.ts'
import { type PastReplid, REPLID_LENGTH } from '../replication/replication-id.ts'
import {
  HISTORY_COUNT_AT,
  HISTORY_ENTRIES_AT,
  HISTORY_ENTRY_BYTES,
  HISTORY_FLAG_NEW_RUN,
  HISTORY_FLAGS_AT,
  RECORD_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_HISTORY,
  RECORD_KIND_AT,
  RECORD_LENGTH_AT,
  RECORD_OFFSET_AT,
  RECORD_PAYLOAD_MAX,
  SEGMENT_HEADER_BYTES,
  STREAM_LOG_MAGIC,
  STREAM_LOG_VERSION,
} from './layout.ts'
import type { LoggedHistory } from './records.ts'

/** Who gets what was read, in order. */
export interface SegmentEvents {
  history(logged: LoggedHistory): void
  /** Bytes of the stream. Borrowed. @param offset number of the last byte before them */
  bytes(offset: number, bytes: Uint8Array): void
}

const REPLID = /^[0-9a-f]{40}$/
const BUFFER_BYTES: number = RECORD_HEADER_BYTES + RECORD_PAYLOAD_MAX

export class SegmentReader {
  readonly #name: string
  readonly #events: SegmentEvents
  /** The record, or the header, that is not whole yet. */
  readonly #held: Buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #heldBytes = 0
  #neededBytes = SEGMENT_HEADER_BYTES
  #isPastHeader = false
  #goodBytes = 0
  #fault: string | undefined
  /** Number of the last byte of the stream so far; -1 before the first record. */
  #offset = -1

  /** @param name of the file, for errors */
  constructor(name: string, events: SegmentEvents) {
    this.#name = name
    this.#events = events
  }

  /** Bytes of the file up to the end of the last good record. */
  get goodBytes(): number {
    return this.#goodBytes
  }

  /** Number of the last byte of the stream that was read; -1: not even the first record was good. */
  get endOffset(): number {
    return this.#offset
  }

  /** What is wrong behind `goodBytes`; undefined: nothing so far. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** @throws ReplicaError STREAM_LOG_BAD_VERSION for a segment of another version */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#fault === undefined;) {
      const count = Math.min(this.#neededBytes - this.#heldBytes, bytes.length - at)
      this.#held.set(bytes.subarray(at, at + count), this.#heldBytes)
      this.#heldBytes += count
      at += count
      if (this.#heldBytes === this.#neededBytes) this.#whole()
    }
  }

  /** No more bytes come. */
  end(): void {
    if (this.#fault === undefined && (this.#heldBytes > 0 || !this.#isPastHeader))
      this.#fail('it ends inside of a record')
  }

  #whole(): void {
    if (!this.#isPastHeader) return this.#header()
    if (this.#neededBytes === RECORD_HEADER_BYTES) {
      const length = this.#held.readUInt32LE(RECORD_LENGTH_AT)
      if (length === 0 || length > RECORD_PAYLOAD_MAX) return this.#fail(`a record of ${length} bytes`)
      this.#neededBytes = RECORD_HEADER_BYTES + length
      return
    }
    this.#record(this.#held.subarray(0, this.#neededBytes))
    if (this.#fault === undefined) this.#next(RECORD_HEADER_BYTES)
  }

  #header(): void {
    const magic = this.#held.readUInt32LE(0)
    if (magic !== STREAM_LOG_MAGIC) return this.#fail('it is no segment of a stream log')
    const version = this.#held.readUInt32LE(4)
    if (version !== STREAM_LOG_VERSION) {
      throw new ReplicaError(
        'STREAM_LOG_BAD_VERSION',
        `${this.#name} is a stream log of version ${version}, and this program reads version ${STREAM_LOG_VERSION}`,
      )
    }
    this.#isPastHeader = true
    this.#next(RECORD_HEADER_BYTES)
  }

  #next(neededBytes: number): void {
    this.#goodBytes += this.#neededBytes
    this.#heldBytes = 0
    this.#neededBytes = neededBytes
  }

  #fail(fault: string): void {
    this.#fault = fault
  }

  #record(record: Buffer): void {
    if (crc32(record.subarray(RECORD_KIND_AT)) !== record.readUInt32LE(0)) return this.#fail('a wrong checksum')
    const kind = record.readUInt32LE(RECORD_KIND_AT)
    const offset = Number(record.readBigUInt64LE(RECORD_OFFSET_AT))
    const payload = record.subarray(RECORD_HEADER_BYTES)
    if (!Number.isSafeInteger(offset + payload.length)) return this.#fail(`offset ${offset}`)
    const isFirst = this.#offset === -1
    if (!isFirst && offset !== this.#offset) return this.#fail(`offset ${offset} behind offset ${this.#offset}`)
    if (kind === RECORD_HISTORY) {
      const logged = decodeHistory(offset, payload)
      if (logged === undefined) return this.#fail('a history that cannot be meant')
      this.#offset = offset
      this.#events.history(logged)
    } else if (kind === RECORD_BYTES && !isFirst) {
      this.#events.bytes(offset, payload)
      this.#offset = offset + payload.length
    } else this.#fail(`a record of kind ${kind}`)
  }
}

function decodeHistory(offset: number, payload: Buffer): LoggedHistory | undefined {
  if (payload.length < HISTORY_ENTRIES_AT) return undefined
  const count = payload.readUInt32LE(HISTORY_COUNT_AT)
  if (count === 0 || payload.length !== HISTORY_ENTRIES_AT + count * HISTORY_ENTRY_BYTES) return undefined
  const ids: PastReplid[] = []
  for (let at = HISTORY_ENTRIES_AT; at < payload.length; at += HISTORY_ENTRY_BYTES) {
    const replid = payload.toString('latin1', at, at + REPLID_LENGTH)
    const endsBefore = Number(payload.readBigUInt64LE(at + REPLID_LENGTH))
    if (!REPLID.test(replid) || !Number.isSafeInteger(endsBefore)) return undefined
    ids.push({ replid, endsBefore })
  }
  const [now, ...past] = ids
  assert(now !== undefined)
  const beginsRun = (payload.readUInt32LE(HISTORY_FLAGS_AT) & HISTORY_FLAG_NEW_RUN) !== 0
  return { offset, beginsRun, history: { replid: now.replid, past } }
}
