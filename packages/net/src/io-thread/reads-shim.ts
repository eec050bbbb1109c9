import type { CommandEntry, ReaderHandle } from '@understudy/core/internal'
import type { IoSession } from './io-session.ts'
export class NeedsWriter extends Error {}
export class ReadTooLong extends Error {}
export interface KeyspaceReads {
  hits: number
  misses: number
}
export class SharedKeyspace implements KeyspaceReads {
  hits = 0
  misses = 0
  constructor(handle: ReaderHandle) {
    void handle
  }
  run(_context: IoSession, work: () => void): void {
    work()
  }
}
export type ReadEntry = CommandEntry<never> & { readonly read?: (session: IoSession) => void }
