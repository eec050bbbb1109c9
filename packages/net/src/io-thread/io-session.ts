/**
 * One client connection in an I/O thread: it knows what it needs to run reads, and how much of what it forwarded the link
 * thread has done. Everything else about the client is in its session there.
 */
import type { SharedKeyspace, SharedReadContext } from '@understudy/core/internal'
import { Connection, type ConnectionIdentity, type ConnectionSocket } from '../clients/connection.ts'
import { CLIENT_FORWARDS_FULL, CLIENT_REPLICA } from '../clients/connection-flags.ts'
import type { MeteredCommand } from '../clients/meter.ts'
import type { IoServer } from './io-server.ts'
import type { ReadTransaction } from './read-transactions.ts'

/** The link thread has not yet heard of the connection. */
const NOT_OPENED = -1

export class IoSession extends Connection implements SharedReadContext {
  readonly server: IoServer
  readonly fromPrimary = false
  entry: MeteredCommand | undefined
  /** Row in the thread's table. */
  readonly slot: number
  /** Bytes of commands sent to the link thread, and how many of them it has run. */
  forwardedBytes = 0
  settledBytes: number = NOT_OPENED
  /** A command that was forwarded waits (BLPOP …). */
  waitsThere = false
  /** Bytes of output that came from the link thread. */
  receivedOutput = 0
  /** MULTI, as far as it is only reads. */
  transaction: ReadTransaction | undefined
  /** Of this connection: when the channel has room again. */
  readonly goOn: () => void = () => this.server.goOn(this)
  #endTold = false

  constructor(server: IoServer, socket: ConnectionSocket, identity: ConnectionIdentity, slot: number) {
    super(server, socket, identity)
    this.server = server
    this.slot = slot
  }

  get keyspace(): SharedKeyspace {
    return this.server.keyspace
  }

  get writable(): boolean {
    return this.server.writable
  }

  /** The link thread still works on what this connection sent: its next commands go there as well, to keep their order. */
  get forwards(): boolean {
    return this.settledBytes !== this.forwardedBytes
  }

  /** Who waits does so in the link thread. Here nothing waits for that until no more may be forwarded. */
  get waits(): boolean {
    return this.waitsThere && (this.flags & CLIENT_FORWARDS_FULL) !== 0
  }

  /** The link thread knows whether it still waits. */
  giveUp(): void {
    this.server.tellGone(this)
  }

  /** A command found out that it would wait. */
  wait(): void {
    this.keyspace.requireWriter()
  }

  runCommand(): void {
    this.server.runOrForward(this)
  }

  get mindsEmpty(): boolean {
    return this.forwards || this.server.forwardsReads(this)
  }

  emptyRequest(): void {
    this.server.forward(this)
  }

  /** The error's place is behind the replies that are still to come; and it may be none, if one of them is that of AUTH. */
  override failProtocol(): void {
    if (this.forwards) this.flags |= CLIENT_FORWARDS_FULL
    else super.failProtocol()
  }

  commandsDone(): void {
    this.server.noteFacts(this)
  }

  /** To a replica below the link thread sends no more than this connection takes. */
  override written(byteCount: number): void {
    super.written(byteCount)
    if ((this.flags & CLIENT_REPLICA) !== 0 && !this.closed) this.server.tellTaken(this)
  }

  finishInput(): void {
    if (!this.forwards) {
      this.closeAfterReply()
      return
    }
    if (this.#endTold) return
    this.#endTold = true
    this.server.tellEnd(this)
  }
}
