/**
 * What the buffers of all clients take together, replicas below left out: a sum that follows each connection when that is looked after, once
 * a second, so that nobody has to go through all of them for it. Link thread.
 */
import type { ClientSession } from './session.ts'

export class ClientMemory {
  #bytes = 0

  /** Of each connection as it was counted last. */
  get bytes(): number {
    return this.#bytes
  }

  count(session: ClientSession): void {
    const bytes = session.type === 'replica' ? 0 : session.memoryBytes
    this.#bytes += bytes - session.countedBytes
    session.countedBytes = bytes
  }

  /** The connection is over. */
  forget(session: ClientSession): void {
    this.#bytes -= session.countedBytes
    session.countedBytes = 0
  }
}
