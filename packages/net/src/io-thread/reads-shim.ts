import { Keyspace, type ReaderHandle } from '@understudy/core/internal'
import type { IoSession } from './io-session.ts'
export class NeedsWriter extends Error {}
export class ReadTooLong extends Error {}
export class SharedKeyspace extends Keyspace {
  constructor(handle: ReaderHandle) {
    super({ databaseCount: 16 })
    void handle
  }
  run(_context: IoSession, _work: () => void): void {
    throw new NeedsWriter()
  }
}
