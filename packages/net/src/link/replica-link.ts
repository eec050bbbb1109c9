/**
 * Drives the link to the primary: carries out what core's LinkMachine orders, brings bytes to where they belong
 * (machine, snapshot receiver or command stream), and gives the rest of the server a turn between budgets. It decides
 * nothing about the protocol and knows no command. What a full resync does with data and memory is `full-resync.ts`.
 *
 *                       lines                 ┌─► LinkMachine ──actions──┐
 *     PrimaryConnection ───────────────────── ┤                          ▼
 *                       snapshot bytes        ├─► SnapshotReceiver ─► RdbLoad ─► ports.onFullSync
 *                       behind it, meanwhile  ├─► SpillQueue ─► CatchUp ─► CommandStream
 *                       commands              └─► CommandStream ─► ports.applyCommand, applyGroup; BacklogWriter
 *
 * One turn of the event loop takes at most TURN_BYTES_MAX or TURN_MS_MAX of the stream; then the socket is paused and
 * the work goes on in setImmediate. All methods belong to the thread that made the link.
 */
import {
  CommandStream,
  LinkMachine,
  ReplicaError,
  ReplicationHistory,
  TURN_BYTES_MAX,
  readsLines,
} from '@understudy/core/internal'
import type { LinkAction, LinkState, SnapshotFraming, SnapshotPosition, StreamHandler } from '@understudy/core/internal'
import { errorText } from '../error-text.ts'
import { collectGarbageSoon } from '../server/collect-garbage.ts'
import { CatchUp } from './catch-up.ts'
import { FullResync } from './full-resync.ts'
import { OPEN_GATE } from './full-sync-gate.ts'
import { linkStatus } from './link-status.ts'
import type { LinkStatus } from './link-status.ts'
import type { ReplicaLinkConfig, ReplicaLinkPorts } from './replica-link-ports.ts'
import type { SnapshotReceiver } from './snapshot-receiver.ts'
import { TimerLateness } from '../timer-lateness.ts'
import { PrimaryConnection } from './transport.ts'
import type { ConnectionEnds, TransportEvents } from './transport.ts'
import { TurnBudget } from './turn-budget.ts'

const TICK_MS = 100

export class ReplicaLink {
  readonly config: ReplicaLinkConfig
  readonly history: ReplicationHistory
  readonly stream: CommandStream
  readonly #ports: ReplicaLinkPorts
  readonly #machine: LinkMachine
  readonly #handler: StreamHandler
  #connection: PrimaryConnection | undefined
  readonly #resync: FullResync
  /** After a load, until what came meanwhile is applied. */
  #catchUp: CatchUp | undefined
  /** The connection ended while there was still something of it to load or to apply; told to the machine afterwards. */
  #endedWhileLoading: string | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #lateness = new TimerLateness()
  /** Counts connections, made and dropped. */
  #attempt = 0
  #isPaused = false
  /** Nothing of the stream is to be applied. */
  #isHeld = false
  #isDraining = false
  #isStopped = false
  #immediate: NodeJS.Immediate | undefined
  readonly #turn = new TurnBudget()
  #bytesReceived = 0

  constructor(
    config: ReplicaLinkConfig,
    ports: ReplicaLinkPorts,
    history: ReplicationHistory = new ReplicationHistory(),
  ) {
    this.config = config
    this.history = history
    this.#ports = ports
    const gate = ports.gate ?? OPEN_GATE
    this.stream = new CommandStream({ clock: ports.clock, sink: ports.backlog, letGo: collectGarbageSoon })
    this.stream.begin(history.replOffset, 0)
    this.#machine = new LinkMachine({
      history,
      handshake: () => this.config.handshake,
      timeoutMs: () => this.config.replTimeoutMs,
      random: ports.random ?? Math.random,
      refuseFullSync: (sync) => gate.refuseHistory(sync),
      ...(ports.onState === undefined ? {} : { onState: ports.onState }),
    })
    const accepts = (): boolean => this.#machine.acceptsNext
    this.#resync = new FullResync(
      { config, ports, gate, history, stream: this.stream, accepts },
      {
        onRoom: () => {
          if (this.#immediate === undefined) this.#resume()
        },
        onReadable: () => this.#goOnNextTurn(),
        adopted: (receiver, file) => this.#adopted(receiver, file),
        refused: (why) => {
          this.#machine.holdFullSync(why)
          this.#carryOut()
        },
        failed: (fault) => {
          this.#endedWhileLoading = undefined
          this.#machine.snapshotFailed(this.#now(), fault)
          this.#carryOut()
        },
        lost: (why) => this.reconnect(`the stream that waited in a file cannot be read back: ${why}`),
      },
    )
    this.#handler = {
      command: ports.applyCommand,
      group: ports.applyGroup,
      getAck: (appliedOffset) => {
        this.#machine.getAck(appliedOffset, this.#now())
        this.#carryOut()
      },
      ...(ports.commandsAhead === undefined ? {} : { ahead: ports.commandsAhead }),
      ...(ports.onFrame === undefined ? {} : { frame: ports.onFrame }),
    }
  }

  // ── orders ──

  /** REPLICAOF host port. @param by see LinkMachine.replicaOf. */
  replicaOf(host: string, port: number, by?: string): 'same' | 'changed' {
    this.#prepareToFollow()
    const outcome = this.#machine.replicaOf(host, port, this.#now(), by)
    this.#carryOut()
    return outcome
  }

  /** A primary becomes the replica of one of its own, and asks it to take over; `ports.onHandedOver` tells of its answer. */
  handOver(host: string, port: number): void {
    this.#prepareToFollow()
    this.#machine.handOver(host, port, this.#now())
    this.#carryOut()
  }

  #prepareToFollow(): void {
    this.#saveOffset()
    // A node that was a primary has written its own bytes meanwhile.
    if (this.#machine.state.name === 'none' && this.stream.appliedOffset !== this.history.replOffset) {
      this.stream.begin(this.history.replOffset, 0)
    }
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** REPLICAOF NO ONE. False when this node was a primary already. @param cause see LinkMachine.replicaOfNoOne. */
  replicaOfNoOne(cause: string): boolean {
    this.#saveOffset()
    const changed = this.#machine.replicaOfNoOne(cause)
    this.#carryOut()
    if (changed) this.#ports.onHistoryChanged?.()
    return changed
  }

  /** Drop the link and try again at once. */
  reconnect(reason: string): void {
    this.#saveOffset()
    this.#machine.reconnect(this.#now(), reason)
    this.#carryOut()
  }

  /** A full resync was refused and nothing is tried since: tries again. @param accept take the next one, whatever is against it */
  release(accept: boolean): void {
    this.#machine.release(this.#now(), accept)
    this.#carryOut()
  }

  /** CLIENT PAUSE: what comes from the primary waits in our buffers and its own; the link stays up. */
  hold(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return
    this.#isHeld = isHeld
    if (!isHeld) this.#goOnNextTurn()
  }

  /** After this node's offset moved by other means (it was a primary), or was restored at start: the stream follows. */
  moveTo(offset: number, db: number): void {
    this.history.replOffset = offset
    this.stream.begin(offset, db)
  }

  /** Ends the connection and the timers; the object cannot be used afterwards. */
  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    clearImmediate(this.#immediate)
    this.#turn.stop()
    this.#resync.abort()
    this.#close()
  }

  // ── views ──

  get state(): LinkState {
    return this.#machine.state
  }

  /** From primaries, since the start. */
  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** Both ends of the connection to the primary; undefined when there is none. */
  get connectionEnds(): ConnectionEnds | undefined {
    return this.#connection?.ends
  }

  /** For INFO replication, INFO persistence (loading) and ROLE. */
  getStatus(): LinkStatus {
    const status = linkStatus(
      { machine: this.#machine, stream: this.stream, catchUp: this.#catchUp, ...this.#resync.facts },
      this.#now(),
    )
    // The machine stands where it stood.
    return this.#isStopped ? { ...status, isUp: false } : status
  }

  // ── what the machine orders ──

  #carryOut(): void {
    for (let actions = this.#machine.takeActions(); actions.length > 0; actions = this.#machine.takeActions()) {
      for (const action of actions) this.#do(action)
    }
  }

  #do(action: LinkAction): void {
    switch (action.do) {
      case 'log':
        return this.#ports.logger[action.level](action.text)
      case 'connect':
        return this.#connect(action.host, action.port)
      case 'send':
        return this.#connection?.send(action.bytes)
      case 'close':
        return this.#close()
      case 'begin-full-sync':
        this.#beginFullSync(action.framing)
        // The machine told of its new state before there was a load to be seen in getStatus(), and below while there still was.
        return this.#ports.onState?.(this.#machine.state.name)
      case 'abort-full-sync':
        this.#resync.abort()
        return this.#ports.onState?.(this.#machine.state.name)
      case 'resume-stream':
        return
      case 'forget-unapplied':
        return this.stream.forgetUnapplied()
      case 'history-changed':
        return this.#ports.onHistoryChanged?.()
      case 'handed-over':
        return this.#ports.onHandedOver?.(action.accepted)
    }
  }

  #connect(host: string, port: number): void {
    const { sourceAddress, disableNoDelay, tls } = this.config
    const events: TransportEvents = {
      connected: () => {
        this.#machine.connectionMade(this.#now())
        this.#carryOut()
      },
      view: () => this.#view(),
      received: (count, view) => this.#received(count, view),
      ended: (reason) => this.#ended(reason),
    }
    this.#attempt++
    this.#isPaused = false
    this.#endedWhileLoading = undefined
    try {
      const options = { host, port, sourceAddress, disableNoDelay, ...(tls === undefined ? {} : { tls }) }
      this.#connection = new PrimaryConnection(options, events)
    } catch (error) {
      // Not from within carryOut(): the machine may answer with another 'connect' at once.
      this.#endSoon(errorText(error))
    }
  }

  /** The connection of this attempt has ended; it is told in another turn, unless there is another attempt by then. */
  #endSoon(reason: string): void {
    const attempt = this.#attempt
    setImmediate(() => {
      if (attempt === this.#attempt) this.#ended(reason)
    })
  }

  #close(): void {
    // Nothing more is heard of it.
    this.#attempt++
    this.#connection?.close()
    this.#connection = undefined
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    this.#endCatchUp()
  }

  // ── bytes from the primary ──

  #view(): Uint8Array {
    return this.#resync.receiver?.view() ?? this.#catchUp?.queue.view() ?? this.stream.writable()
  }

  /** @returns true to read on. */
  #received(count: number, view: Uint8Array): boolean {
    const nowMs = this.#now()
    const { receiver } = this.#resync
    this.#bytesReceived += count
    this.#turn.spend(count, nowMs)
    let mayRead: boolean
    if (receiver !== undefined) {
      this.#machine.noteIo(nowMs)
      this.#resync.noteIo(nowMs)
      mayRead = receiver.received(count, view)
      if (receiver.isComplete) this.#snapshotComplete()
    } else if (this.#catchUp !== undefined) {
      this.#machine.noteIo(nowMs)
      this.#catchUp.queue.received(count, view)
      mayRead = !this.#catchUp.queue.isFull
    } else if (readsLines(this.#machine.state)) {
      mayRead = this.#receivedLines(count, view, nowMs)
    } else {
      this.#machine.noteIo(nowMs)
      this.stream.received(count, view)
      mayRead = this.#drain()
    }
    if (mayRead && this.#turn.isSpent) {
      mayRead = false
      this.#goOnNextTurn()
    }
    if (!mayRead) this.#isPaused = true
    return mayRead
  }

  #receivedLines(count: number, view: Uint8Array, nowMs: number): boolean {
    const connection = this.#connection
    const behind = this.#machine.received(view, 0, count, nowMs)
    // Copied before actions run: they may reset the buffer that `view` lies in.
    const rest = behind < count ? view.slice(behind, count) : undefined
    this.#carryOut()
    if (this.#connection !== connection) return false
    if (rest === undefined) return true
    const { receiver } = this.#resync
    if (receiver !== undefined) {
      const mayRead = receiver.push(rest)
      if (receiver.isComplete) this.#snapshotComplete()
      return mayRead
    }
    this.stream.push(rest)
    return this.#drain()
  }

  /** Applies what is there, within the budget. True: all of it, read on; else it goes on in the next turn. */
  #drain(): boolean {
    if (this.#isDraining || this.#isHeld) return false
    const connection = this.#connection
    const before = this.stream.appliedOffset
    const catchUp = this.#catchUp
    const isFed = catchUp?.feed(this.stream)
    this.#isDraining = true
    let outcome: 'idle' | 'more' = 'idle'
    try {
      outcome = this.stream.drain(this.#handler, TURN_BYTES_MAX, this.#turn.msLeft(this.#now()))
      if (catchUp !== undefined) catchUp.isStreamBusy = outcome === 'more'
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error
      this.#saveOffset()
      this.#machine.streamCorrupt(this.#now(), error.message)
    } finally {
      this.#isDraining = false
      this.#saveOffset()
      if (this.stream.appliedOffset !== before) this.#ports.onApplied?.(this.stream.appliedOffset)
    }
    this.#carryOut()
    if (this.#connection !== connection) return false
    if (isFed !== undefined) return this.#goOnCatchingUp(isFed || outcome === 'more')
    if (outcome === 'idle' && !this.#turn.isSpent) return true
    this.#goOnNextTurn()
    return false
  }

  /** @param hasMore false: nothing to do before the file was read. @returns true: read on */
  #goOnCatchingUp(hasMore: boolean): boolean {
    const catchUp = this.#catchUp
    if (catchUp === undefined) return false
    this.#machine.noteIo(this.#now())
    if (catchUp.isOver) {
      this.#ports.logger.notice(
        `MASTER <-> REPLICA sync: caught up with the stream, ${catchUp.peakBytes} bytes of it had waited, ` +
          `${catchUp.queue.spilledBytes} of them in a file`,
      )
      this.#endCatchUp()
      this.#tellEnd()
    }
    if (hasMore) this.#goOnNextTurn()
    return !catchUp.queue.isFull
  }

  #endCatchUp(): void {
    this.#catchUp?.queue.dispose()
    this.#catchUp = undefined
  }

  /** The connection ended some time ago, and what it had brought is used up. */
  #tellEnd(): void {
    const reason = this.#endedWhileLoading
    this.#endedWhileLoading = undefined
    if (reason !== undefined) this.#endSoon(reason)
  }

  #goOnNextTurn(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      const { receiver } = this.#resync
      if (receiver === undefined ? this.#drain() : receiver.hasRoom) this.#resume()
    })
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#connection?.resume()
  }

  #ended(reason: string): void {
    this.#connection = undefined
    const { state } = this.#machine
    if (state.name === 'loading') {
      this.#endedWhileLoading = reason
      return
    }
    if (state.name === 'receiving' && state.framing.kind === 'mark') {
      // Everything may be here already; the loader knows.
      this.#endedWhileLoading = reason
      this.#resync.receiver?.finish()
      return
    }
    if (this.#catchUp !== undefined) {
      this.#endedWhileLoading = reason
      return
    }
    if (state.name === 'connected') this.#applyRest()
    this.#machine.connectionLost(this.#now(), reason)
    this.#carryOut()
  }

  /** What arrived whole before the end is applied: it need not be sent again. */
  #applyRest(): void {
    if (this.#isDraining || this.#isHeld) return
    try {
      while (this.stream.drain(this.#handler) === 'more');
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error
      this.#machine.streamCorrupt(this.#now(), error.message)
    }
    this.#saveOffset()
    this.#ports.onApplied?.(this.stream.appliedOffset)
  }

  #saveOffset(): void {
    if (this.#machine.state.name !== 'none') this.history.replOffset = this.stream.appliedOffset
  }

  // ── a full resync ──

  #beginFullSync(framing: SnapshotFraming): void {
    const { state } = this.#machine
    if (state.name !== 'receiving') return
    const refusal = this.#resync.begin(framing, state.sync)
    if (refusal !== undefined) this.#machine.holdFullSync(refusal)
    else if (this.#resync.receiver?.isComplete === true) this.#snapshotComplete()
  }

  #snapshotComplete(): void {
    this.#machine.snapshotReceived(this.#now())
    this.#carryOut()
  }

  /** The data are in place: history and stream go on behind them. */
  #adopted(receiver: SnapshotReceiver, file: SnapshotPosition | undefined): void {
    this.#machine.snapshotLoaded(this.#now())
    this.#carryOut()
    this.#ports.onHistoryChanged?.()
    this.#ports.onSynced?.(file)
    const { queue, before } = receiver.takeQueue()
    const catchUp = new CatchUp(before, queue, this.#now())
    if (catchUp.isOver) queue.dispose()
    else this.#catchUp = catchUp
    const mayRead = this.#drain()
    if (this.#catchUp === undefined) this.#tellEnd()
    if (mayRead) this.#resume()
  }

  // ── time ──

  #tick(): void {
    const nowMs = this.#now()
    // The primary may have been heard of long ago, by a socket that nobody read: to drop it now could cost a full resync.
    if (this.#lateness.isLate(nowMs)) return
    // While the loader works, or holds us back, it is not the primary that is silent.
    if (this.#resync.takeProgress() || this.#isPaused) this.#machine.noteIo(nowMs)
    this.#machine.tick(nowMs)
    this.#carryOut()
  }

  #now(): number {
    return this.#ports.clock.monotonicMs()
  }
}
