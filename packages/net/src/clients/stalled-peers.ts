/**
 * Connections whose replies are more than their peers have taken, so that nothing of them runs for now. They are not read from either, which
 * is how TCP slows a peer down; but one that takes nothing at all may be one that reads no replies before it has sent all its commands (a
 * pipeline of a blocking client library), and both sides would wait for ever. Of such a peer the input is taken in (`held-input.ts`), up to
 * a bound. Replies are not made for it meanwhile: who wants memory here has to send as much.
 */
import type { Connection } from './connection.ts'
import { CLIENT_BACK_PRESSURE, CLIENT_LONG_REPLY } from './connection-flags.ts'

/** A peer that has taken nothing for so long is read from, in milliseconds. */
const STALLED_MS = 100
/** Longer pipelines than anybody sends without reading; beyond it, and beyond client-query-buffer-limit, the peer has to read. */
const HELD_BYTES_MAX: number = 256 * 1024 * 1024

const HELD_UP: number = CLIENT_BACK_PRESSURE | CLIENT_LONG_REPLY

interface Stall {
  /** `Connection.takenBytes` when it was looked at last. */
  takenBytes: number
  forMs: number
}

export class StalledPeers {
  readonly #watched = new Map<Connection, Stall>()

  /** Replies of the connection are too many, or too long, to go on. Whoever calls stops reading from it. */
  watch(connection: Connection): void {
    if (!this.#watched.has(connection)) this.#watched.set(connection, { takenBytes: connection.takenBytes, forMs: 0 })
  }

  /**
   * Input came that is kept. @returns false: not for this reason, and beyond client-query-buffer-limit the connection is closed
   */
  holds(connection: Connection): boolean {
    if (!isHeldUp(connection)) return false
    if (!mayTakeMore(connection)) connection.socket.pause()
    return true
  }

  /** Every 1/hz seconds. @param elapsedMs between two calls */
  tick(elapsedMs: number): void {
    for (const [connection, stall] of this.#watched) {
      if ((connection.flags & HELD_UP) === 0 || connection.closed) {
        this.#watched.delete(connection)
        continue
      }
      if (connection.waits) continue
      const { takenBytes } = connection
      stall.forMs = takenBytes === stall.takenBytes ? stall.forMs + elapsedMs : 0
      stall.takenBytes = takenBytes
      if (stall.forMs >= STALLED_MS && mayTakeMore(connection)) connection.socket.resume()
      else connection.socket.pause()
    }
  }
}

/** Does the connection's input wait until the peer takes replies? One that waits for something else is read from in any case. */
function isHeldUp({ flags, waits }: Connection): boolean {
  return (flags & HELD_UP) !== 0 && !waits
}

function mayTakeMore({ inputBytes, settings }: Connection): boolean {
  return inputBytes < Math.min(HELD_BYTES_MAX, settings.clientQueryBufferBytesMax)
}
