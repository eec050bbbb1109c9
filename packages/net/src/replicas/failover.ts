/**
 * FAILOVER: this primary hands its role over to a replica that has everything. Decides when and to whom; how roles change is not
 * its business.
 *
 *             begin()            the target has everything, or              the target answers: taken over
 *      ┌──────────────────┐      the time is over and it is forced    ┌───────────────────────────────┐
 *      │                  ▼                    │                      │                               │
 *     none            waiting ─────────────────┴────────────► handing-over ───────────────────────────┤
 *      ▲                  │                                           │                               │
 *      └──────────────────┴───────────────────────────────────────────┴───────────────────────────────┘
 *        abort(), the time is over                     abort(), the target refuses: a primary again
 *
 * Guarantees
 *     waiting        this node is a primary, and its clients' writes are held back.
 *     handing-over   this node is a replica of the target, which is asked to take over (`PSYNC replid offset FAILOVER`) until
 *                    it answers; writes are held back until then, and then done or refused as the role is.
 *
 * Source: redis 7.0 replication.c failoverCommand(), updateFailoverStatus(), abortFailover(), clearFailoverState().
 */
import type { Clock, Logger } from '@understudy/core/internal'

export interface FailoverTarget {
  readonly host: string
  readonly port: number
}

export interface FailoverRequest {
  /** Undefined: whichever replica has everything first. */
  readonly target: FailoverTarget | undefined
  /** How long it may take until a target has everything; 0: as long as it takes. */
  readonly timeoutMs: number
  /** Hands over to the target when that time is over, whatever it has. */
  readonly force: boolean
}

/** A replica below, as far as it matters here. */
export interface FailoverCandidate {
  readonly ip: string
  readonly port: number
  readonly machine: { readonly isOnline: boolean; readonly ackOffset: number }
}

export interface FailoverPorts {
  readonly clock: Clock
  readonly logger: Logger
  readonly isReplica: () => boolean
  readonly replicas: () => readonly FailoverCandidate[]
  /** master_repl_offset. */
  readonly offset: () => number
  /** Clients' writes wait, or go on. */
  readonly holdWrites: (held: boolean) => void
  /** Follow the target and ask it to take over; `answered` tells whether it did. */
  readonly handOver: (target: FailoverTarget) => void
  /** Be a primary again. */
  readonly takeBack: () => void
}

type State =
  | { readonly name: 'none' }
  | { readonly name: 'waiting'; readonly request: FailoverRequest; readonly endsAtMs: number }
  | { readonly name: 'handing-over'; readonly target: FailoverTarget }

const NONE: State = { name: 'none' }

/** As INFO has it: master_failover_state. */
const STATE_NAMES = {
  none: 'no-failover',
  waiting: 'waiting-for-sync',
  'handing-over': 'failover-in-progress',
} as const

export class Failover {
  readonly #ports: FailoverPorts
  #state: State = NONE

  constructor(ports: FailoverPorts) {
    this.#ports = ports
  }

  get isUnderWay(): boolean {
    return this.#state.name !== 'none'
  }

  get stateName(): (typeof STATE_NAMES)[State['name']] {
    return STATE_NAMES[this.#state.name]
  }

  /** FAILOVER. @returns why not, with the error's code. */
  begin(request: FailoverRequest): string | undefined {
    const { clock, logger, isReplica, replicas, holdWrites } = this.#ports
    const { target, timeoutMs, force } = request
    if (this.isUnderWay) return 'ERR FAILOVER already in progress.'
    if (isReplica()) return 'ERR FAILOVER is not valid when server is a replica.'
    if (replicas().length === 0) return 'ERR FAILOVER requires connected replicas.'
    if (force && (timeoutMs === 0 || target === undefined)) {
      return 'ERR FAILOVER with force option requires both a timeout and target HOST and IP.'
    }
    if (target !== undefined) {
      const replica = this.#find(target)
      if (replica === undefined) return 'ERR FAILOVER target HOST and PORT is not a replica.'
      if (!replica.machine.isOnline) return 'ERR FAILOVER target replica is not online.'
    }
    logger.notice(`FAILOVER requested to ${nameOf(target)}.`)
    const endsAtMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs
    this.#state = { name: 'waiting', request, endsAtMs }
    holdWrites(true)
    return undefined
  }

  /** FAILOVER ABORT. @returns false: there is nothing to abort. */
  abort(): boolean {
    if (!this.isUnderWay) return false
    this.#abort('Failover manually aborted')
    return true
  }

  /** Looks whether the time has come. To be called when an ACK came, and often. */
  look(): void {
    const state = this.#state
    if (state.name !== 'waiting') return
    const { clock, logger, replicas, offset } = this.#ports
    const { target, force } = state.request
    if (clock.monotonicMs() >= state.endsAtMs) {
      if (!force || target === undefined) return this.#abort('Replica never caught up before timeout')
      logger.notice(`FAILOVER to ${nameOf(target)} time out exceeded, failing over.`)
      return this.#handOver(target)
    }
    const end = offset()
    const candidates = target === undefined ? replicas() : [this.#find(target)]
    const synced = candidates.find((replica) => replica?.machine.isOnline === true && replica.machine.ackOffset === end)
    if (synced === undefined) return
    const chosen = target ?? { host: synced.ip, port: synced.port }
    logger.notice(`Failover target ${nameOf(chosen)} is synced, failing over.`)
    this.#handOver(chosen)
  }

  /** The target has answered. @param accepted it is the primary now */
  answered(accepted: boolean): void {
    if (this.#state.name !== 'handing-over') return
    if (accepted) this.#end()
    else this.#abort('Failover target rejected psync request')
  }

  #find({ host, port }: FailoverTarget): FailoverCandidate | undefined {
    const wanted = host.toLowerCase()
    return this.#ports.replicas().find((replica) => replica.port === port && replica.ip.toLowerCase() === wanted)
  }

  #handOver(target: FailoverTarget): void {
    this.#state = { name: 'handing-over', target }
    this.#ports.handOver(target)
  }

  #abort(reason: string): void {
    const state = this.#state
    if (state.name === 'none') return
    const target = state.name === 'waiting' ? state.request.target : state.target
    this.#ports.logger.notice(`FAILOVER to ${nameOf(target)} aborted: ${reason}`)
    if (state.name === 'handing-over') this.#ports.takeBack()
    this.#end()
  }

  #end(): void {
    this.#state = NONE
    this.#ports.holdWrites(false)
  }
}

function nameOf(target: FailoverTarget | undefined): string {
  return target === undefined ? 'any replica' : `${target.host}:${target.port}`
}
