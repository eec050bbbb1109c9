/**
 * What comes before the end of the process: replicas below may catch up first (shutdown-timeout), and a snapshot is saved when
 * SHUTDOWN, a signal or save points want one. Who ends the process then is main.ts.
 *
 *   begin() ──► waiting ──► every replica has everything, or the time is over ──► saved ──► the end
 *      │           └── abort(), or the snapshot could not be saved: goes on as before
 *      └── nobody to wait for, NOW ─────────────────────────────────────────────► saved ──► the end
 *
 * Source: redis 7.0 server.c prepareForShutdown(), isReadyToShutdown(), finishShutdown(), cancelShutdown(), sigShutdownHandler().
 */
import type { Clock, Logger } from '@understudy/core/internal'
import type { ShutdownOutcome, ShutdownRequest } from '../clients/ports.ts'
import type { Config } from '../config/config.ts'
import type { Node } from './node.ts'

/** What a signal asks for: shutdown-on-sigterm, shutdown-on-sigint. */
export function shutdownOnSignal(config: Config, signal: 'SIGTERM' | 'SIGINT'): ShutdownRequest {
  const chosen = config.get(signal === 'SIGTERM' ? 'shutdown-on-sigterm' : 'shutdown-on-sigint')
  const save = chosen.includes('save') ? 'yes' : chosen.includes('nosave') ? 'no' : 'default'
  return { save, now: chosen.includes('now'), force: chosen.includes('force') }
}

/** A replica below, as far as it matters here. */
export interface LaggingReplica {
  readonly name: string
  readonly stateName: string
  readonly machine: { readonly isOnline: boolean; readonly ackOffset: number; readonly ackAtMs: number }
}

export interface ShutdownPorts {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly replicas: () => readonly LaggingReplica[]
  /** master_repl_offset. */
  readonly offset: () => number
  /** Clients' writes wait, or go on. */
  readonly holdWrites: (held: boolean) => void
  /** Is there a dataset of this node's own? The file of one without is worth more than what it has. */
  readonly hasDataset: () => boolean
  /** @returns false when it failed, which was logged */
  readonly save: () => boolean
  /** Ends the process. */
  readonly end: () => void
}

interface Waiting {
  readonly request: ShutdownRequest
  readonly endsAtMs: number
  /** Told when nothing comes of it. */
  readonly cancelled: (() => void)[]
}

export class Shutdown {
  readonly #ports: ShutdownPorts
  #waiting: Waiting | undefined
  #isEnding = false

  constructor(ports: ShutdownPorts) {
    this.#ports = ports
  }

  /** Time left for replicas, milliseconds; undefined: nothing is waited for. */
  get leftMs(): number | undefined {
    if (this.#waiting === undefined) return undefined
    return Math.max(0, Math.round(this.#waiting.endsAtMs - this.#ports.clock.monotonicMs()))
  }

  /**
   * A shutdown was asked for. One that comes while another waits joins it, whatever it says, and one that is heard of behind the save,
   * because nothing was heard meanwhile, changes nothing.
   * @param cancelled called later when 'waiting' came to nothing
   */
  begin(request: ShutdownRequest, cancelled: () => void): ShutdownOutcome {
    const { config, clock, logger, holdWrites } = this.#ports
    if (this.#isEnding) return 'ending'
    if (this.#waiting !== undefined) {
      this.#waiting.cancelled.push(cancelled)
      return 'waiting'
    }
    logger.warning('User requested shutdown...')
    const timeoutMs = config.get('shutdown-timeout') * 1000
    if (request.now || timeoutMs === 0 || this.#laggards().length === 0) return this.#finish(request)
    holdWrites(true)
    logger.notice('Waiting for replicas before shutting down.')
    this.#waiting = { request, endsAtMs: clock.monotonicMs() + timeoutMs, cancelled: [cancelled] }
    return 'waiting'
  }

  /** SHUTDOWN ABORT. @returns false: there is nothing to abort */
  abort(): boolean {
    if (this.#waiting === undefined) return false
    this.#cancel()
    this.#ports.logger.notice('Shutdown manually aborted.')
    return true
  }

  /** Looks whether the time has come. To be called when an ACK came, and often. */
  look(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    if (this.#ports.clock.monotonicMs() < waiting.endsAtMs && this.#laggards().length > 0) return
    if (this.#finish(waiting.request) === 'failed') this.#cancel()
  }

  #laggards(): LaggingReplica[] {
    const { replicas, offset } = this.#ports
    const end = offset()
    return replicas().filter(({ machine }) => machine.ackOffset !== end)
  }

  #cancel(): void {
    const { cancelled } = this.#waiting!
    this.#waiting = undefined
    for (const tell of cancelled) tell()
    this.#ports.holdWrites(false)
  }

  #finish(request: ShutdownRequest): 'ending' | 'failed' {
    this.#tellOfReplicas()
    if (!this.#save(request)) {
      this.#ports.logger.warning('Errors trying to shut down the server. Check the logs for more information.')
      return 'failed'
    }
    this.#waiting = undefined
    this.#isEnding = true
    this.#ports.end()
    return 'ending'
  }

  #tellOfReplicas(): void {
    const { clock, logger, replicas, offset } = this.#ports
    const laggards = this.#laggards()
    for (const { name, stateName, machine } of laggards) {
      const lag = machine.isOnline ? Math.floor((clock.monotonicMs() - machine.ackAtMs) / 1000) : 0
      logger.warning(
        `Lagging replica ${name} reported offset ${offset() - machine.ackOffset} behind master, lag=${lag}, ` +
          `state=${stateName}.`,
      )
    }
    const count = replicas().length
    if (count > 0) logger.notice(`${count - laggards.length} of ${count} replicas are in sync when shutting down.`)
  }

  /** @returns false when that failed and the end was not forced */
  #save({ save, force }: ShutdownRequest): boolean {
    const { config, logger, hasDataset } = this.#ports
    const wanted = save === 'default' ? config.get('save').length > 0 : save === 'yes'
    if (!wanted || !hasDataset()) return true
    logger.notice('Saving the final RDB snapshot before exiting.')
    if (this.#ports.save()) return true
    logger.warning(force ? 'Error trying to save the DB. Exit anyway.' : "Error trying to save the DB, can't exit.")
    return force
  }
}

/** That of a server. `node` need not be complete yet. */
export function newShutdown(node: Node, end: () => void): Shutdown {
  return new Shutdown({
    config: node.config,
    clock: node.clock,
    logger: node.logger,
    replicas: () => node.below.list(),
    offset: () => node.link.history.replOffset,
    holdWrites: (held) => node.server.pauses.holdWrites('shutdown', held),
    hasDataset: () => !node.state.loading && !node.persistence.hasNothing,
    save: () => node.persistence.save(),
    end,
  })
}

/** For INFO server. */
export function shutdownLines({ leftMs }: Shutdown): string[] {
  return leftMs === undefined ? [] : [`shutdown_in_milliseconds:${leftMs}`]
}
