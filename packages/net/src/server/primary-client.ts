/**
 * The link to the primary as CLIENT LIST and CLIENT KILL see it: a connection of type master, from the moment the stream
 * flows until it ends. It reads the link and orders a new attempt; it knows nothing of the protocol.
 *
 * Source: redis 7.0 replication.c replicationCreateMasterClient(), networking.c catClientInfoString().
 */
import { hostPort } from '../clients/socket-facts.ts'
import type { ForeignConnection } from '../clients/ports.ts'
import type { Node } from './node.ts'

export class PrimaryClient {
  readonly #node: Node
  #id = 0
  #sinceMs = 0

  constructor(node: Node) {
    this.#node = node
  }

  /** To be called whenever the link's state changed: each connection has a number of its own. */
  noteState(): void {
    const { link, server, clock } = this.#node
    if (link.state.name !== 'connected') this.#id = 0
    else if (this.#id === 0) {
      this.#id = server.words.takeClientId()
      this.#sinceMs = clock.monotonicMs()
    }
  }

  /** None or one. */
  connections(): ForeignConnection[] {
    const { link, clock } = this.#node
    const ends = link.connectionEnds
    if (this.#id === 0 || ends === undefined) return []
    const ageMs = clock.monotonicMs() - this.#sinceMs
    const address = hostPort(ends.remoteAddress, ends.remotePort)
    const localAddress = hostPort(ends.localAddress, ends.localPort)
    return [
      {
        id: this.#id,
        type: 'master',
        address,
        localAddress,
        ageMs,
        describe: () => this.#describe(address, localAddress, ageMs),
        kill: () => link.reconnect('CLIENT KILL'),
      },
    ]
  }

  #describe(address: string, localAddress: string, ageMs: number): string {
    const { link } = this.#node
    const status = link.getStatus()
    const pendingBytes = status.receivedOffset - status.appliedOffset
    const freeBytes = Math.max(0, link.stream.bufferBytes - pendingBytes)
    return (
      `id=${this.#id} addr=${address} laddr=${localAddress} fd=-1 name= age=${Math.floor(ageMs / 1000)} ` +
      `idle=${Math.floor(Math.max(0, status.lastIoMsAgo) / 1000)} flags=M db=${status.db} sub=0 psub=0 ssub=0 ` +
      `multi=-1 qbuf=${pendingBytes} qbuf-free=${freeBytes} argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 ` +
      `tot-mem=${link.stream.bufferBytes} events=r cmd=NULL user=(superuser) redir=-1 resp=2 lib-name= lib-ver=`
    )
  }
}
