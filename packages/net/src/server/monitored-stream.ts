/**
 * The commands of the primary's stream as MONITOR shows them: with the database selected in the stream and the address of
 * the primary. What is replayed from files has no primary, and is not shown.
 *
 * Source: redis 7.0 server.c call(), where the primary is a client like others.
 */
import type { CommandArgs, CommandMetadata } from '@understudy/core/internal'
import { HIDDEN_FROM_MONITORS } from '../clients/monitor.ts'
import type { ClientServer } from '../clients/server.ts'
import { hostPort } from '../clients/socket-facts.ts'
import type { ConnectionEnds } from '../link/transport.ts'

/** What is asked of a command that may be shown. */
interface ShownCommand {
  readonly flags: number
  readonly row: CommandMetadata
}

export class MonitoredStream {
  readonly #server: ClientServer
  readonly #ends: () => ConnectionEnds | undefined

  /** @param ends of the connection to the primary */
  constructor(server: ClientServer, ends: () => ConnectionEnds | undefined) {
    this.#server = server
    this.#ends = ends
  }

  /** Does anybody look? Asked for each command of the stream. */
  get isWatched(): boolean {
    return this.#server.monitors.size > 0
  }

  show({ flags, row }: ShownCommand, args: CommandArgs, db: number): void {
    const ends = this.#ends()
    if (ends === undefined || (flags & HIDDEN_FROM_MONITORS) !== 0) return
    this.#server.feedMonitors({ db, address: hostPort(ends.remoteAddress, ends.remotePort), row, args })
  }
}
