/**
 * What the machine of the link is given and what it gives out: its options, the actions that it orders, and what it counts.
 * Types alone; the machine is link-machine.ts.
 */
import type { SnapshotFraming } from './full-sync.ts'
import type { HandshakeOptions } from './handshake.ts'
import type { FullSync, LinkState } from './link-state.ts'
import type { ReplicationHistory } from './replication-id.ts'

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning'

export type LinkAction =
  | { readonly do: 'connect'; readonly host: string; readonly port: number }
  | { readonly do: 'send'; readonly bytes: Uint8Array }
  /** Drop the connection, if there is one; nothing more is heard of it. */
  | { readonly do: 'close' }
  /** The bytes from here on are a snapshot. */
  | { readonly do: 'begin-full-sync'; readonly framing: SnapshotFraming }
  /** The snapshot being received or loaded is not wanted any more. */
  | { readonly do: 'abort-full-sync' }
  /** The bytes from here on are commands, starting behind the applied offset. */
  | { readonly do: 'resume-stream' }
  /** Received but unapplied commands are gone with their link. */
  | { readonly do: 'forget-unapplied' }
  /** The id changed while the data went on: replicas below must hear of it. */
  | { readonly do: 'history-changed' }
  /** Who was asked to take over (`handOver`) has answered. Refused: nobody is followed any more once that is carried out. */
  | { readonly do: 'handed-over'; readonly accepted: boolean }
  | { readonly do: 'log'; readonly level: LogLevel; readonly text: string }

export interface LinkMachineOptions {
  readonly history: ReplicationHistory
  /** Read at every attempt, so that CONFIG SET counts for the next one. */
  readonly handshake: () => Readonly<HandshakeOptions>
  /** repl-timeout, milliseconds; read at every tick. */
  readonly timeoutMs: () => number
  /** [0, 1): jitter of the back-off. */
  readonly random: () => number
  /** May this node's data be replaced by what the primary offers? @returns why not; undefined: they may */
  readonly refuseFullSync?: (sync: FullSync) => string | undefined
  /** Called at every change of state, for tests and metrics. */
  readonly onState?: (name: LinkState['name']) => void
}

/** Only ever counted up. */
export interface LinkCounters {
  /** Connections begun. */
  attempts: number
  /** Attempts that did not lead to a working link. */
  failedAttempts: number
  /** Links that had worked and were lost. */
  losses: number
  /** Snapshots announced by the primary, and those loaded. */
  fullResyncsBegun: number
  fullResyncs: number
  partialResyncs: number
  /** Partial resyncs that were asked for and answered with a snapshot. */
  partialResyncsRefused: number
}
