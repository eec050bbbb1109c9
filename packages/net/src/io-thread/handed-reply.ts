/** A long reply of a connection in an I/O thread, as the link thread sees it: handed over once everything before it was. */
import type { LongReplyRequest } from '@understudy/core/internal'
import type { LongReplyWork } from '../clients/long-replies.ts'
import type { RemoteSocket } from './remote-socket.ts'

export class HandedReply implements LongReplyWork {
  readonly #socket: RemoteSocket
  #request: LongReplyRequest | undefined

  /** Owns the pin. */
  constructor(socket: RemoteSocket, request: LongReplyRequest) {
    this.#socket = socket
    this.#request = request
  }

  /** The connection's thread looks after that. */
  get isBroken(): boolean {
    return false
  }

  /** @returns false: the I/O thread says when it is complete (FRAME_REPLIED). */
  step(): boolean {
    if (this.#request !== undefined) this.#socket.handOver(this.#request)
    this.#request = undefined
    return false
  }

  close(): void {
    this.#request?.pin.port.close()
  }
}
