/**
 * All that crosses between the thread that asks for a load and the worker that does it. Errors lose their class on the way
 * and are made anew from records.
 */
import { RdbError, ReplicaError } from '@understudy/core/loading'
import type {
  EncodingThresholds,
  ErrorCode,
  GenerationTransfer,
  RdbLoadOptions,
  RdbSummary,
} from '@understudy/core/loading'
import type { MessagePort } from 'node:worker_threads'
import type { InsertQueueMemory } from './load/insert-queue.ts'
import type { RingMemory } from './load/ring.ts'

/** A task whose thread writes memory that other threads go on with. */
export interface SharedMemoryTask {
  /** `memoryFingerprint()` of who asks: the thread refuses when its own differs (`same-code.ts`). */
  readonly memoryFingerprint: string
}

export interface LoadTask extends SharedMemoryTask {
  readonly ring: RingMemory
  /** Messages on it, of any content, mean: there is room in the ring again. */
  readonly spacePort: MessagePort | undefined
  /** `load`: the snapshot comes through the ring. `file`: it is in this file, and the ring is used for progress only. */
  readonly source: { kind: 'ring'; framing: RdbLoadOptions['framing'] } | { kind: 'file'; path: string }
  readonly databaseCount: number
  readonly hashSeed: Uint8Array
  readonly verifyChecksum: boolean
  readonly file: RdbLoadOptions['file'] | undefined
  readonly keyLoadDelayMicros: number
  readonly encodings: EncodingThresholds
  readonly tracksFrequency: boolean
  /** Module that makes the sink instead of `create-sink.ts`. */
  readonly sinkModuleUrl: string | undefined
  /** Threads that help, once they are up. */
  readonly inserters: readonly InserterLink[]
  /** The load does not begin without them. */
  readonly awaitInserters: boolean
  /** The thread's priority is lowered, for good. */
  readonly givesWay: boolean
}

/** What the scanning thread has of an inserter. */
export interface InserterLink {
  readonly queue: InsertQueueMemory
  /** An InserterOrder goes out, an InserterReport comes back. */
  readonly port: MessagePort
  /** Bit set of the regions that it takes. */
  readonly regions: number
}

/** What an inserter starts with. */
export interface InsertTask extends SharedMemoryTask {
  readonly queue: InsertQueueMemory
  readonly port: MessagePort
  /** As its load. */
  readonly givesWay: boolean
}

/** From now on these regions of the generation are the inserter's. */
export interface InserterOrder {
  readonly generation: GenerationTransfer
  readonly regions: number
  readonly encodings: EncodingThresholds
  readonly tracksFrequency: boolean
}

/** The regions are given back, with the segments that they have now; or the load has failed. */
export type InserterReport =
  | {
      readonly ok: true
      readonly generation: GenerationTransfer
      /** Keys without elements that were dropped, by RDB type. */
      readonly emptyByType: ReadonlyMap<number, number>
    }
  | { readonly ok: false; readonly error: ErrorRecord }

export type LoadReply =
  | {
      readonly ok: true
      readonly generation: GenerationTransfer
      readonly summary: RdbSummary
      readonly keyCount: number
      /** Why there is no file. */
      readonly fileFault?: string
      /** Bytes the worker took that lie behind the end mark. */
      readonly leftover: Uint8Array
    }
  | { readonly ok: false; readonly error: ErrorRecord }

export interface ErrorRecord {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  /** Present for an RdbError. */
  readonly rdb?: { readonly byteOffset: number; readonly opcode: number; readonly key: string | undefined }
}

/** @param byteOffset where the load was, for errors that do not know */
export function toRecord(error: unknown, byteOffset: number): ErrorRecord {
  if (error instanceof RdbError) {
    const { code, retryable, byteOffset: at, opcode, key } = error
    // The constructor will put the place behind the text again.
    const message = error.message.slice(0, error.message.lastIndexOf(' (at byte '))
    return { code, message, retryable, rdb: { byteOffset: at, opcode, key } }
  }
  if (error instanceof ReplicaError) {
    return { code: error.code, message: error.message, retryable: error.retryable }
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return {
    code: 'RDB_WORKER_FAILED',
    message: `the RDB worker failed: ${text}`,
    retryable: true,
    rdb: { byteOffset, opcode: -1, key: undefined },
  }
}

export function fromRecord(record: ErrorRecord): ReplicaError {
  if (record.rdb !== undefined) {
    const { byteOffset, opcode, key } = record.rdb
    return new RdbError(record.code, record.message, byteOffset, opcode, key)
  }
  return new ReplicaError(record.code, record.message, { retryable: record.retryable })
}
