/**
 * One replica below, as a machine without I/O: what it asks for, what happens to its snapshot and time in; actions out.
 * Whoever drives it (replicas-below.ts, tests) carries out `takeActions()` in order after each call.
 *
 *     PSYNC, the backlog has it                                   ┌───────────────────────────────┐
 *     ─────────────────────────────────────────────────────────►  │ online                        │
 *                                                                 └───────────────────────────────┘
 *     PSYNC, SYNC   ┌──────────┐ begun  ┌────────┐ ready  ┌───────────┐ sent      ▲          ▲ ACK
 *     ────────────► │ awaiting │ ─────► │ making │ ─────► │ receiving │ ──$<len>──┘          │
 *                   └──────────┘        └────────┘        └─────┬─────┘              ┌──────────────┐
 *                                                               └──────$EOF────────► │ awaiting-ack │
 *                                                                                    └──────────────┘
 *     awaiting      [psync, sync]       wants a snapshot; none was begun for it. Newlines keep it alive
 *     making        [snapshotBegun]     replid and offset are fixed, and told. From here on no byte behind the offset is lost, unless
 *                                       it wants the snapshot alone (rdb-only): nothing is kept for it then
 *     receiving     [snapshotReady]     the header was sent, bytes of the snapshot follow
 *     awaiting-ack  [snapshotSent]      it knows the end of the snapshot by a mark only: a byte of the stream before it has
 *                                       found that could be taken for a part of it
 *     online        [acknowledged]      the stream flows
 *     closed        [close]             the connection is to be closed, or is
 *
 * Source: redis 7.0 replication.c syncCommand(), replicationSetupSlaveForFullResync(), replicaPutOnline(), replicationCron().
 */
import type { LogLevel, SnapshotFraming, SnapshotPosition } from '@understudy/core/internal'
import { type Introduction, newIntroduction } from './introduction.ts'
import type { GrantedResync, ResyncRequest } from './partial-resync.ts'

/** Who waits for its snapshot hears of us so often, whatever the pace of PING is. */
const NEWLINE_MS = 1000

export type ReplicaState =
  | { readonly name: 'awaiting'; readonly sinceMs: number }
  | { readonly name: 'making'; readonly position: SnapshotPosition }
  | {
      readonly name: 'receiving'
      readonly position: SnapshotPosition
      readonly framing: SnapshotFraming
      readonly sinceMs: number
      movedAtMs: number
      /** How long others had waited for it by then, in all. */
      heldUpBeforeMs: number
    }
  | { readonly name: 'awaiting-ack'; readonly position: SnapshotPosition }
  | { readonly name: 'online' }
  | { readonly name: 'closed' }

export type ReplicaAction =
  | { readonly do: 'send'; readonly text: string }
  /** Bytes from this one on are kept for it. */
  | { readonly do: 'hold'; readonly offset: number }
  /** The bytes that are kept for it, and those to come, are sent. */
  | { readonly do: 'stream' }
  /** Close the connection: at once, or when everything was sent. */
  | { readonly do: 'close'; readonly isGraceful: boolean }
  | { readonly do: 'log'; readonly level: LogLevel; readonly text: string }

export interface ReplicaTimes {
  /** repl-timeout, milliseconds. */
  readonly timeoutMs: number
}

export class ReplicaMachine {
  readonly introduction: Introduction = newIntroduction()
  readonly #name: () => string
  #state: ReplicaState = { name: 'closed' }
  #actions: ReplicaAction[] = []
  /** It asked by SYNC: it sends no ACK, or none that means anything. */
  #isOld = false
  #ackOffset = 0
  #ackAtMs = 0
  #newlineAtMs = 0

  /** @param name of the replica in the log, asked for when it is needed. */
  constructor(name: () => string) {
    this.#name = name
  }

  get state(): ReplicaState {
    return this.#state
  }

  /** Last offset that it acknowledged; 0 before. */
  get ackOffset(): number {
    return this.#ackOffset
  }

  /** When it was heard of last, monotonic. */
  get ackAtMs(): number {
    return this.#ackAtMs
  }

  /** False: it talks SYNC, nothing is expected of it. */
  get acknowledges(): boolean {
    return !this.#isOld
  }

  /** Everything of the data or of a snapshot of them is there: the stream flows, or waits for the first ACK. */
  get isOnline(): boolean {
    return this.#state.name === 'online' || this.#state.name === 'awaiting-ack'
  }

  takeActions(): ReplicaAction[] {
    const actions = this.#actions
    this.#actions = []
    return actions
  }

  /** PSYNC, judged. @param replid of this node, for `+CONTINUE`. */
  psync(request: ResyncRequest, verdict: GrantedResync, replid: string, nowMs: number): void {
    this.#log('notice', `Replica ${this.#name()} asks for synchronization`)
    if (verdict.kind === 'full') {
      this.#log('notice', verdict.reason)
      return this.#await(nowMs)
    }
    this.#ackAtMs = nowMs
    this.#act({ do: 'hold', offset: request.offset })
    this.#act({ do: 'send', text: this.introduction.takesNewReplid ? `+CONTINUE ${replid}\r\n` : '+CONTINUE\r\n' })
    this.#act({ do: 'stream' })
    this.#state = { name: 'online' }
    this.#log(
      'notice',
      `Partial resynchronization request from ${this.#name()} accepted, starting from offset ${request.offset}.`,
    )
  }

  /** SYNC, the way of old and of redis-cli. */
  sync(nowMs: number): void {
    this.#log('notice', `Replica ${this.#name()} asks for synchronization`)
    this.#isOld = true
    this.#await(nowMs)
  }

  /** A snapshot is being made for it, of the data at this position. */
  snapshotBegun(position: SnapshotPosition): void {
    if (this.#state.name !== 'awaiting') return
    if (!this.introduction.rdbOnly) this.#act({ do: 'hold', offset: position.offset + 1 })
    // SYNC knows no history; the snapshot follows without a word.
    if (!this.#isOld) this.#act({ do: 'send', text: `+FULLRESYNC ${position.replid} ${position.offset}\r\n` })
    this.#state = { name: 'making', position }
  }

  /** Its first bytes can be sent. */
  snapshotReady(framing: SnapshotFraming, nowMs: number): void {
    if (this.#state.name !== 'making') return
    const header =
      framing.kind === 'mark' ? `$EOF:${Buffer.from(framing.endMark).toString('latin1')}` : `$${framing.byteLength}`
    this.#act({ do: 'send', text: `${header}\r\n` })
    const { position } = this.#state
    this.#state = { name: 'receiving', position, framing, sinceMs: nowMs, movedAtMs: nowMs, heldUpBeforeMs: 0 }
  }

  /** The connection took bytes of the snapshot. @param heldUpMs see `tick` */
  snapshotMoved(nowMs: number, heldUpMs: number): void {
    if (this.#state.name !== 'receiving') return
    this.#state.movedAtMs = nowMs
    this.#state.heldUpBeforeMs = heldUpMs
  }

  /** All of it was sent, and the end mark. */
  snapshotSent(nowMs: number): void {
    if (this.#state.name !== 'receiving') return
    const { position, framing } = this.#state
    this.#ackAtMs = nowMs
    if (this.introduction.rdbOnly) {
      this.#log('notice', `Close the connection with replica ${this.#name()} as RDB transfer is complete`)
      return this.close(true)
    }
    if (framing.kind === 'mark') this.#state = { name: 'awaiting-ack', position }
    else this.#goOnline()
    this.#log('notice', `Synchronization with replica ${this.#name()} succeeded`)
  }

  snapshotFailed(reason: string): void {
    if (this.#state.name !== 'making' && this.#state.name !== 'receiving') return
    this.#log('warning', `The snapshot for replica ${this.#name()} failed: ${reason}. The connection is closed`)
    this.close(false)
  }

  /** REPLCONF ACK. @param offset NaN counts as heard of. */
  acknowledged(offset: number, nowMs: number): void {
    if (this.#state.name === 'closed') return
    if (offset > this.#ackOffset) this.#ackOffset = offset
    this.#ackAtMs = nowMs
    if (this.#state.name === 'awaiting-ack') this.#goOnline()
  }

  /** Ends the connection. @param isGraceful when everything was sent. */
  close(isGraceful: boolean): void {
    if (this.#state.name === 'closed') return
    this.#state = { name: 'closed' }
    this.#act({ do: 'close', isGraceful })
  }

  /**
   * @param heardAtMs when its connection brought or took something last, monotonic: a replica that loads sends newlines, and no ACK
   * @param heldUpMs how long other replicas had to wait for this one, which gets the same snapshot, in all
   */
  tick(nowMs: number, times: ReplicaTimes, heardAtMs: number, heldUpMs: number): void {
    switch (this.#state.name) {
      case 'awaiting':
      case 'making':
        if (nowMs - this.#newlineAtMs < NEWLINE_MS) return
        this.#newlineAtMs = nowMs
        return this.#act({ do: 'send', text: '\n' })
      case 'receiving': {
        const { sinceMs, heldUpBeforeMs } = this.#state
        // Others must not meet their own time-out for want of one piece. And in all it may cost them half of the time: replicas that are
        // about as fast as each other hold each other up again and again, however little, and a snapshot may take hours.
        const heldUpMsMax = times.timeoutMs / 2
        const isSlow = heldUpMs > heldUpMsMax && heldUpMs > (nowMs - sinceMs) / 2
        if (nowMs - this.#state.movedAtMs > times.timeoutMs) this.#timedOut('full sync')
        else if (isSlow || heldUpMs - heldUpBeforeMs > heldUpMsMax) this.#heldUp(heldUpMs)
        return
      }
      case 'awaiting-ack':
      case 'online':
        if (!this.#isOld && nowMs - Math.max(this.#ackAtMs, heardAtMs) > times.timeoutMs)
          this.#timedOut('streaming sync')
        return
      case 'closed':
    }
  }

  #await(nowMs: number): void {
    this.#newlineAtMs = nowMs
    this.#state = { name: 'awaiting', sinceMs: nowMs }
  }

  #goOnline(): void {
    this.#state = { name: 'online' }
    this.#act({ do: 'stream' })
  }

  #timedOut(phase: string): void {
    this.#log('warning', `Disconnecting timedout replica (${phase}): ${this.#name()}`)
    this.close(false)
  }

  #heldUp(milliseconds: number): void {
    const seconds = (milliseconds / 1000).toFixed(1)
    this.#log(
      'warning',
      `Disconnecting slow replica ${this.#name()}: others waited ${seconds} seconds for it to take the same snapshot`,
    )
    this.close(false)
  }

  #act(action: ReplicaAction): void {
    this.#actions.push(action)
  }

  #log(level: LogLevel, text: string): void {
    this.#act({ do: 'log', level, text })
  }
}
