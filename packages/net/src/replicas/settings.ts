/** Directives about replicas below, as this folder uses them. Read at every use: CONFIG SET changes the object. */
import type { ReplicaTimes } from './replica-machine.ts'

export interface ReplicaSettings extends ReplicaTimes {
  timeoutMs: number
  /** repl-ping-replica-period. */
  pingPeriodMs: number
  /** repl-disable-tcp-nodelay: few large packets, rather than early ones. */
  disableNoDelay: boolean
  /** repl-diskless-sync: replicas that take an end mark get a snapshot without its length. */
  disklessSync: boolean
  /** repl-diskless-sync-delay. */
  disklessDelayMs: number
  /** repl-diskless-sync-max-replicas; 0: no number is enough. */
  disklessReplicasMax: number
  /** repl-backlog-ttl; 0: for ever. */
  backlogTtlSeconds: number
  /** repl-rdb-version; 0: what the replica reads. */
  rdbVersion: number
  /** min-replicas-max-lag. */
  replicasMaxLagMs: number
}
