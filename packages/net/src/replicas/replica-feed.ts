/**
 * Everything that goes to one replica below, in order: answers and bytes of a snapshot first, then the stream out of the
 * backlog, in pieces, as fast as the connection takes them. What the connection cannot take stays in the backlog's memory,
 * once for all replicas; how far a replica may fall behind is bounded here (client-output-buffer-limit replica).
 */
import { BacklogCursor, type BacklogWriter } from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'

/** One write. */
const PIECE_BYTES: number = 128 * 1024
/** Given to the connection in one turn of the event loop; the rest goes in the next one. */
const TURN_BYTES_MAX: number = 512 * 1024
/** On its way to a connection in an I/O thread, or waiting there: more stays in the backlog's memory. */
const REMOTE_BYTES_MAX: number = 1024 * 1024

interface Queued {
  readonly bytes: Buffer
  readonly taken: () => void
}

export class ReplicaFeed {
  readonly #session: ClientSession
  readonly #backlog: BacklogWriter
  #queue: Queued[] = []
  /** Where each piece of the stream is put: there is one write at a time. Buffers of their own would be collected every few seconds. */
  #piece: Buffer | undefined
  #cursor: BacklogCursor | undefined
  #isStreaming = false
  #isWriting = false
  #isPumping = false
  #closesAtEnd = false
  /** Since when it has been above the soft limit, monotonic; 0: it is not. */
  #softLimitSinceMs = 0

  constructor(session: ClientSession, backlog: BacklogWriter) {
    this.#session = session
    this.#backlog = backlog
  }

  /** Bytes kept for it that its connection has not taken. */
  get lagBytes(): number {
    return this.#cursor === undefined ? 0 : this.#backlog.endOffset + 1 - this.#cursor.offset
  }

  /** Number of the next byte of the stream that it gets; undefined before one is kept for it. */
  get nextOffset(): number | undefined {
    return this.#cursor?.offset
  }

  /** Sends bytes before the stream. Ownership moves. @returns when the connection has taken them, or is closed. */
  send(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#queue.push({ bytes, taken: resolve })
      this.pump()
    })
  }

  /** What it needs next could not be kept for it: it has to go. */
  get isOverrun(): boolean {
    return this.#cursor?.isOverrun === true
  }

  /** From now on the stream is kept for it, from number `offset` on. */
  hold(offset: number): void {
    this.#cursor = new BacklogCursor(offset)
    this.#backlog.overflow.add(this.#cursor)
  }

  /** The stream flows. */
  stream(): void {
    this.#isStreaming = true
    this.pump()
  }

  /** Sends what there is and the connection takes. Called when there is more. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    const session = this.#session
    for (let given = 0; !this.#isWriting && !session.closed;) {
      if (given >= TURN_BYTES_MAX) {
        // Every feed is pumped again at the end of the next turn.
        session.server.endTurnSoon()
        break
      }
      // What frees it ends a turn, too.
      if (session.remote !== undefined && session.remote.untakenBytes >= REMOTE_BYTES_MAX) break
      const next = this.#queue.shift() ?? this.#nextPiece()
      if (next === undefined) {
        if (this.#closesAtEnd) session.closeAfterReply()
        break
      }
      given += next.bytes.length
      this.#write(next)
    }
    this.#isPumping = false
  }

  /** Closes the connection when everything queued was sent. */
  closeAtEnd(): void {
    this.#closesAtEnd = true
    this.pump()
  }

  /** Nothing more is sent, nothing is kept. */
  close(): void {
    this.#isStreaming = false
    if (this.#cursor !== undefined) this.#backlog.overflow.remove(this.#cursor)
    this.#cursor = undefined
    for (const { taken } of this.#queue.splice(0)) taken()
  }

  /**
   * Is so much kept for it that it has to go? As in redis 7.0 a hard limit below the size of the backlog is that size
   * (networking.c checkClientOutputBufferLimits()).
   */
  isTooFarBehind(nowMs: number): boolean {
    const { hardBytes, softBytes, softSeconds } = this.#session.settings.outputBufferLimits.replica
    const lag = this.lagBytes
    const { capacityBytes } = this.#backlog
    if (hardBytes > 0 && lag > Math.max(hardBytes, capacityBytes)) return true
    if (softBytes === 0 || lag <= Math.max(softBytes, capacityBytes)) {
      this.#softLimitSinceMs = 0
      return false
    }
    if (this.#softLimitSinceMs === 0) this.#softLimitSinceMs = nowMs
    return nowMs - this.#softLimitSinceMs > softSeconds * 1000
  }

  #nextPiece(): Queued | undefined {
    const cursor = this.#cursor
    if (cursor === undefined || cursor.isOverrun || !this.#isStreaming || this.lagBytes === 0) return undefined
    const piece = (this.#piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES))
    const count = this.#backlog.read(cursor.offset, piece)
    cursor.offset += count
    this.#backlog.overflow.moved()
    return { bytes: piece.subarray(0, count), taken: () => {} }
  }

  #write({ bytes, taken }: Queued): void {
    const session = this.#session
    this.#isWriting = true
    session.sendUnsent()
    session.write(bytes, () => {
      this.#isWriting = false
      session.written(bytes.length)
      taken()
      this.pump()
    })
    session.sendUnsent()
  }
}
