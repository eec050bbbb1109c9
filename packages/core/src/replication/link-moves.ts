/**
 * The moves of the link that several events lead to (beginning an attempt, failing, being connected …), and what is kept from one
 * event to the next. Which event leads to which move is link-machine.ts. A state is entered by `enter()` alone.
 */
import { DEFAULT_HANDSHAKE } from './handshake.ts'
import type { HandshakeOptions } from './handshake.ts'
import type { LinkAction, LinkCounters, LinkMachineOptions, LogLevel } from './link-actions.ts'
import { assertLinkState, hasConnection, roleState } from './link-state.ts'
import type { LinkState, LinkTarget, RoleState } from './link-state.ts'
import { OffsetAck } from './offset-ack.ts'
import { ReconnectPolicy } from './reconnect.ts'
import type { ReplicationHistory } from './replication-id.ts'
import { printable } from './requests.ts'

/** How often a newline tells the primary that we are alive while it cannot get ACKs. */
const NEWLINE_PERIOD_MS = 1000
const NEWLINE: Uint8Array = Buffer.from('\n')

export abstract class LinkMoves {
  readonly history: ReplicationHistory
  readonly counters: LinkCounters = {
    attempts: 0,
    failedAttempts: 0,
    losses: 0,
    fullResyncsBegun: 0,
    fullResyncs: 0,
    partialResyncs: 0,
    partialResyncsRefused: 0,
  }
  /** Why the last attempt failed or the link was lost; empty when it works. */
  lastFailure = ''
  protected readonly options: LinkMachineOptions
  /** Of the attempt under way. */
  protected handshake: Readonly<HandshakeOptions> = DEFAULT_HANDSHAKE
  readonly #reconnect: ReconnectPolicy
  readonly #ack = new OffsetAck()
  #state: LinkState = { name: 'none' }
  #target: LinkTarget | undefined
  #actions: LinkAction[] = []
  #newlineAtMs = 0
  #acceptsNext = false
  /** Since when the link has been down, monotonic; undefined: it is up, or was never up. */
  #downSinceMs: number | undefined

  constructor(options: LinkMachineOptions) {
    this.options = options
    this.history = options.history
    this.#reconnect = new ReconnectPolicy(options.random)
  }

  get state(): LinkState {
    return this.#state
  }

  get target(): LinkTarget | undefined {
    return this.#target
  }

  get roleState(): RoleState {
    return roleState(this.#state)
  }

  get downSinceMs(): number | undefined {
    return this.#downSinceMs
  }

  /** The next full resync is taken, whatever is against it: somebody said so. */
  get acceptsNext(): boolean {
    return this.#acceptsNext
  }

  protected set acceptsNext(accepts: boolean) {
    this.#acceptsNext = accepts
  }

  /** What is to be done now, in this order. Each action is given out once. */
  takeActions(): LinkAction[] {
    const actions = this.#actions
    this.#actions = []
    return actions
  }

  /** Who is followed from now on; undefined: nobody. */
  protected aim(target: LinkTarget | undefined): void {
    this.#target = target
    this.#acceptsNext = false
    this.#downSinceMs = undefined
    this.#reconnect.reset()
  }

  /** The next attempt is made at once. */
  protected connectNow(nowMs: number): void {
    this.enter({ name: 'connect', tryAtMs: nowMs })
    this.connectIfTime(nowMs)
  }

  protected connected(nowMs: number, known: boolean): void {
    this.#downSinceMs = undefined
    this.#acceptsNext = false
    this.lastFailure = ''
    this.#reconnect.succeeded()
    this.enter({ name: 'connected', lastIoMs: nowMs, sinceMs: nowMs, known })
    this.getAck(this.history.replOffset, nowMs)
  }

  /** The primary asked (GETACK): the answer, when this link has a known history. */
  getAck(appliedOffset: number, nowMs: number): void {
    if (this.state.name === 'connected' && this.state.known) this.sendAck(appliedOffset, nowMs)
  }

  protected sendAck(appliedOffset: number, nowMs: number): void {
    this.send(this.#ack.encode(this.handshake.replconf, appliedOffset, nowMs))
  }

  /** The answer to a question that was not asked for a while. */
  protected ackIfTime(nowMs: number): void {
    if (this.#ack.isDue(nowMs)) this.getAck(this.history.replOffset, nowMs)
  }

  protected connectIfTime(nowMs: number): void {
    if (this.state.name !== 'connect' || nowMs < this.state.tryAtMs || this.target === undefined) return
    const { host, port } = this.target
    this.counters.attempts++
    this.log('notice', `Connecting to MASTER ${host}:${port}`)
    this.order({ do: 'connect', host, port })
    this.log('notice', 'MASTER <-> REPLICA sync started')
    this.enter({ name: 'connecting', lastIoMs: nowMs })
  }

  /** The attempt did not lead to a working link, or to one whose stream cannot be followed: say so, wait, try again. */
  protected fail(nowMs: number, text: string, reason: string, level: LogLevel = 'warning'): void {
    const { state } = this
    const delayMs =
      state.name === 'connected'
        ? this.#reconnect.delayAfterUnfollowable(nowMs - state.sinceMs)
        : this.#reconnect.delayAfterFailure()
    this.leaveConnection()
    this.log(level, text)
    this.lastFailure = printable(reason)
    this.counters.failedAttempts++
    this.#downSinceMs ??= nowMs
    this.enter({ name: 'connect', tryAtMs: nowMs + delayMs })
  }

  /** The data are kept, and nothing is tried again before somebody says so: each attempt would cost the primary a snapshot. */
  protected hold(reason: string): void {
    this.leaveConnection()
    this.lastFailure = printable(reason)
    this.log(
      'warning',
      `A full resync from the MASTER is refused, the data are kept: ${reason}. FULLRESYNC ACCEPT takes it`,
    )
    this.enter({ name: 'held', reason })
  }

  /** The link had worked: its history is kept, and it is tried again at once. */
  protected retryAfterLoss(nowMs: number, reason: string): void {
    const livedMs = this.state.name === 'connected' ? nowMs - this.state.sinceMs : 0
    this.log('warning', `Connection with master lost. (${printable(reason)})`)
    if (this.history.resumable) this.log('notice', 'Caching the disconnected master state.')
    this.leaveConnection()
    this.lastFailure = printable(reason)
    this.counters.losses++
    this.#downSinceMs = nowMs
    const delayMs = this.#reconnect.delayAfterLoss(livedMs)
    if (this.target !== undefined) {
      this.log('notice', `Reconnecting to MASTER ${this.target.host}:${this.target.port}`)
    }
    this.enter({ name: 'connect', tryAtMs: nowMs + delayMs })
    this.connectIfTime(nowMs)
  }

  protected leaveConnection(): void {
    const { name } = this.state
    if (!hasConnection(this.state)) return
    if (name === 'connected') this.order({ do: 'forget-unapplied' })
    if (name === 'receiving' || name === 'loading') this.order({ do: 'abort-full-sync' })
    this.order({ do: 'close' })
  }

  protected isTimedOut(state: { lastIoMs: number }, nowMs: number): boolean {
    return nowMs - state.lastIoMs > this.options.timeoutMs()
  }

  protected newlineIfTime(nowMs: number): void {
    if (nowMs - this.#newlineAtMs < NEWLINE_PERIOD_MS) return
    this.#newlineAtMs = nowMs
    this.send(NEWLINE)
  }

  /** The only way into a state. */
  protected enter(state: LinkState): void {
    this.#state = state
    this.check()
    this.options.onState?.(state.name)
  }

  protected order(action: LinkAction): void {
    this.#actions.push(action)
  }

  protected send(bytes: Uint8Array): void {
    this.order({ do: 'send', bytes })
  }

  protected log(level: LogLevel, text: string): void {
    this.order({ do: 'log', level, text })
  }

  protected check(): void {
    assertLinkState(this.state, this.target)
  }
}
