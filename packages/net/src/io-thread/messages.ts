/**
 * What the link thread and an I/O thread tell each other beside the batches of the channel (`frames.ts`), over the same
 * port and so in order with them. A batch comes as a Uint8Array, everything here as an object with a `kind`.
 */
import type { CommandRename, LongReplyRequest, ReaderHandle } from '@understudy/core/internal'
import type { ClientSettings } from '../clients/settings.ts'

/** What an I/O thread starts with. */
export interface IoThreadStart {
  readonly settings: ClientSettings
  readonly renames: readonly CommandRename[]
  /** Ids of commands in the statistics, by full name. */
  readonly commandIds: ReadonlyMap<string, number>
  /** MULTI, EXEC and DISCARD have their own names: a transaction of reads can be recognised and run in the thread. */
  readonly runsTransactions: boolean
  /** Memory of `SharedWords`, `ThreadStatistics` and `ConnectionTable`. */
  readonly words: SharedArrayBuffer
  readonly statistics: SharedArrayBuffer
  readonly table: SharedArrayBuffer
  /** The link thread's clock: `process.hrtime()` in milliseconds at its zero. */
  readonly clockZeroMs: number
  readonly reader: ReaderHandle
}

/** A socket to listen on. */
export interface SharedPlace {
  readonly key: number
  /** Of the link thread: not to be used, only to be inherited. */
  readonly fd: number
  readonly unixPath: string | undefined
}

export type ToIoThread =
  | { readonly kind: 'settings'; readonly settings: ClientSettings }
  | { readonly kind: 'listen'; readonly places: readonly SharedPlace[] }
  | { readonly kind: 'unlisten'; readonly key: number }
  /** Make this reply for a connection, behind all output before it. `request.pin.port` is in the transfer list. */
  | { readonly kind: 'long-reply'; readonly id: number; readonly request: LongReplyRequest }
  /** For tests: throw. */
  | { readonly kind: 'fail' }

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning'

export type FromIoThread =
  /** @param error why a place cannot be listened on: the system's code and text. */
  | { readonly kind: 'listening'; readonly keys: readonly number[]; readonly error?: { code: string; message: string } }
  | { readonly kind: 'unlistened'; readonly key: number }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string }
