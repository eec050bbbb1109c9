/**
 * What can be configured about clients, as one object that the configuration changes in place: every use reads it anew.
 * Names and defaults follow redis.conf of redis 7.0.
 */
import { DEFAULT_THRESHOLDS, HLL_SPARSE_BYTES_MAX, PROTO_MAX_BULK_BYTES } from '@understudy/core/internal'
import type { CommandSettings } from '@understudy/core/internal'
import type { OutputBufferLimits } from '../config/special-values.ts'

export interface ClientSettings extends CommandSettings {
  /** Password of the user `default`, as bytes (latin1); '' for none. */
  requirepass: string
  protectedMode: boolean
  maxclients: number
  /** Idle clients are closed after so many seconds; 0: never. */
  timeoutSeconds: number
  tcpKeepaliveSeconds: number
  tcpBacklog: number
  databases: number
  clientQueryBufferBytesMax: number
  outputBufferLimits: OutputBufferLimits
  /** A client whose long reply is under way has so long for it, and so many bytes may be kept for it meanwhile. */
  longReplyPinSeconds: number
  longReplyPinBytes: number
  /** Commands slower than this many microseconds are kept in the slow log; negative: none, 0: all. */
  slowlogSlowerThanMicros: number
  slowlogLengthMax: number
  /** Events at least this many milliseconds long are kept for LATENCY; 0: none. */
  latencyMonitorThresholdMs: number
  /** Histograms of every command's latency. */
  latencyTracking: boolean
  latencyTrackingPercentiles: number[]
  trackingTableKeysMax: number
  enableDebugCommand: 'no' | 'yes' | 'local'
  hz: number

  /** Version that HELLO and INFO tell: the one whose behaviour is copied. */
  redisVersion: string
  /** A connection's pipeline runs this long, or this many bytes, before others get their turn. */
  turnMsMax: number
  turnBytesMax: number
  /** A connection with more unsent output than this is not read from until half of it is gone. */
  outputPauseBytes: number
}

const MEBIBYTE = 1024 * 1024

/** Longest time that a timer of Node takes (24.8 days); a longer one would be over at once. */
export const TIMER_MS_MAX: number = 2 ** 31 - 1

export function defaultClientSettings(): ClientSettings {
  return {
    requirepass: '',
    protectedMode: true,
    maxclients: 10_000,
    timeoutSeconds: 0,
    tcpKeepaliveSeconds: 300,
    tcpBacklog: 511,
    databases: 16,
    protoMaxBulkBytes: PROTO_MAX_BULK_BYTES,
    hllSparseMaxBytes: HLL_SPARSE_BYTES_MAX,
    encodings: { ...DEFAULT_THRESHOLDS },
    clientQueryBufferBytesMax: 1024 * MEBIBYTE,
    outputBufferLimits: {
      normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
      replica: { hardBytes: 256 * MEBIBYTE, softBytes: 64 * MEBIBYTE, softSeconds: 60 },
      pubsub: { hardBytes: 32 * MEBIBYTE, softBytes: 8 * MEBIBYTE, softSeconds: 60 },
    },
    longReplyPinSeconds: 300,
    longReplyPinBytes: 256 * MEBIBYTE,
    slowlogSlowerThanMicros: 10_000,
    slowlogLengthMax: 128,
    latencyMonitorThresholdMs: 0,
    latencyTracking: true,
    latencyTrackingPercentiles: [50, 99, 99.9],
    trackingTableKeysMax: 1_000_000,
    enableDebugCommand: 'no',
    hz: 10,
    redisVersion: '7.0.15',
    turnMsMax: 1,
    turnBytesMax: 256 * 1024,
    outputPauseBytes: 16 * MEBIBYTE,
  }
}
