/**
 * The link to the primary as a machine without I/O: bytes, events and time in, actions out. It never waits and never
 * touches a socket; whoever drives it (net/link/replica-link.ts, tests) carries out `takeActions()` in order after each
 * call. States, transitions and guarantees are written down in link-state.ts; here is what each event leads to, in
 * link-moves.ts what several of them share.
 *
 * Source: redis 7.0 replication.c syncWithMaster(), replicationCron(), replicationSetMaster(), replicationUnsetMaster();
 * log lines as Redis 7.0 writes them where people look for them.
 */
import assert from 'node:assert/strict'
import { ReplicaError } from '../errors.ts'
import { parseSnapshotHeader } from './full-sync.ts'
import { encodeIntroduction, encodePing, isPongGoodEnough, judgeReply } from './handshake.ts'
import type { HandshakeStep } from './handshake.ts'
import { LinkMoves } from './link-moves.ts'
import { readsLines } from './link-state.ts'
import type { FullSync } from './link-state.ts'
import { encodePsync, encodeSync, parsePsyncReply, psyncRequest } from './psync.ts'
import type { PsyncOutcome } from './psync.ts'
import { REPLID_NONE } from './replication-id.ts'
import { ReplyLineReader, printable } from './requests.ts'

export class LinkMachine extends LinkMoves {
  readonly #lines = new ReplyLineReader()
  /** The target is one of our own replicas, and has not answered yet whether it takes over. */
  #asksToTakeOver = false

  // ── orders ──

  /**
   * Follow this primary. 'same': already so, whatever state the link is in; nothing is done.
   * @param by who asks, for the log ('user request from …'); undefined: the configuration at start.
   */
  replicaOf(host: string, port: number, nowMs: number, by?: string): 'same' | 'changed' {
    this.check()
    const current = this.target
    if (current !== undefined && current.port === port && current.host.toLowerCase() === host.toLowerCase()) {
      return 'same'
    }
    this.leaveConnection()
    if (current === undefined && by !== undefined) this.#keepOwnHistory()
    this.#asksToTakeOver = false
    this.aim({ host, port })
    if (by !== undefined) this.log('notice', `REPLICAOF ${host}:${port} enabled (user request from '${by}')`)
    this.connectNow(nowMs)
    return 'changed'
  }

  /** A primary follows one of its replicas, which has everything, and asks it to take over: 'handed-over' tells of its answer. */
  handOver(host: string, port: number, nowMs: number): void {
    this.check()
    assert.equal(this.target, undefined, 'only a primary hands over')
    this.#keepOwnHistory()
    this.#asksToTakeOver = true
    this.aim({ host, port })
    this.connectNow(nowMs)
  }

  /** Follow nobody. False when that is already so. @param cause for the log, as in `user request from '…'` */
  replicaOfNoOne(cause: string): boolean {
    this.check()
    if (this.target === undefined) return false
    this.leaveConnection()
    this.#asksToTakeOver = false
    this.aim(undefined)
    this.history.becomePrimary()
    this.log('notice', `MASTER MODE enabled (${cause})`)
    this.log(
      'notice',
      `Setting secondary replication ID to ${this.history.replid2}, valid up to offset: ` +
        `${this.history.secondReplOffset}. New replication ID is ${this.history.replid}`,
    )
    this.enter({ name: 'none' })
    return true
  }

  /** Drops the link and tries again at once (CLIENT KILL TYPE master, a changed masterauth). */
  reconnect(nowMs: number, reason: string): void {
    this.check()
    if (this.state.name === 'connected') this.retryAfterLoss(nowMs, reason)
    else if (this.state.name !== 'none') {
      this.leaveConnection()
      this.lastFailure = reason
      this.connectNow(nowMs)
    }
  }

  /** In state 'held': tries again at once. @param accept the next full resync is taken, whatever was against it */
  release(nowMs: number, accept: boolean): void {
    this.check()
    if (this.state.name !== 'held') return
    this.acceptsNext = accept
    this.log('notice', `Following the MASTER again${accept ? ': its next full resync will be taken' : ''}`)
    this.connectNow(nowMs)
  }

  /** The snapshot of this full resync is not wanted after all. */
  holdFullSync(reason: string): void {
    this.check()
    const { name } = this.state
    if (name === 'awaiting-snapshot' || name === 'receiving' || name === 'loading') this.hold(reason)
  }

  // ── what happens to the connection ──

  connectionMade(nowMs: number): void {
    this.check()
    if (this.state.name !== 'connecting') return
    this.log('notice', 'Non blocking connect for SYNC fired the event.')
    this.#lines.reset()
    this.send(encodePing())
    this.enter({ name: 'awaiting-pong', lastIoMs: nowMs })
  }

  /** The connection could not be made, or is gone. During 'loading' the driver keeps this to itself until the end. */
  connectionLost(nowMs: number, reason: string): void {
    this.check()
    switch (this.state.name) {
      case 'none':
      case 'connect':
      case 'held':
        return
      case 'connecting':
        return this.fail(nowMs, `Error condition on socket for SYNC: ${reason}`, reason)
      case 'awaiting-pong':
      case 'awaiting-replies':
      case 'awaiting-psync': {
        const wasAsked = this.state.name === 'awaiting-psync'
        this.fail(nowMs, `The connection ended during the handshake with the MASTER: ${reason}`, reason)
        // Nobody knows what it did; as in redis, that is taken for a refusal.
        return wasAsked ? this.#handedOver(false) : undefined
      }
      case 'awaiting-snapshot':
      case 'receiving':
      case 'loading':
        return this.fail(nowMs, `I/O error trying to sync with MASTER: ${reason}`, reason)
      case 'connected':
        return this.retryAfterLoss(nowMs, reason)
    }
  }

  /**
   * Bytes from the primary while `readsLines(state)`.
   * @returns index of the first byte not taken: it belongs to the snapshot or stream that begins there.
   */
  received(bytes: Uint8Array, start: number, end: number, nowMs: number): number {
    this.check()
    let cursor = start
    try {
      while (cursor < end && readsLines(this.state)) {
        const behind = this.#lines.take(bytes, cursor, end)
        if (behind < 0) return end
        cursor = behind
        this.#onLine(this.#lines.line, nowMs)
      }
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error
      this.fail(nowMs, `${error.message}, are you sure the host and port are right?`, error.message)
      return end
    }
    return cursor
  }

  /** Snapshot or stream bytes came: the link lives. Also told while we ourselves do not read (back-pressure). */
  noteIo(nowMs: number): void {
    if ('lastIoMs' in this.state) this.state.lastIoMs = nowMs
  }

  /** All bytes of a counted snapshot are here; the loader is still at work. */
  snapshotReceived(nowMs: number): void {
    this.check()
    if (this.state.name !== 'receiving') return
    const { sync, framing } = this.state
    this.enter({ name: 'loading', lastIoMs: nowMs, sync, framing })
  }

  /** The new data are in place: from now on they, replid and offset are those of the snapshot. */
  snapshotLoaded(nowMs: number): void {
    this.check()
    if (this.state.name !== 'receiving' && this.state.name !== 'loading') return
    const { sync, framing } = this.state
    this.history.adoptFullResync(sync.replid, sync.offset)
    this.counters.fullResyncs++
    this.log('notice', 'MASTER <-> REPLICA sync: Finished with success')
    this.connected(nowMs, sync.known)
    // A primary that sent its snapshot without a file sends the stream when it has heard of this; also one that was asked by SYNC.
    if (!sync.known && framing.kind === 'mark') this.sendAck(0, nowMs)
  }

  /** The snapshot cannot be loaded; the old data, unless they were dropped for it, are untouched. */
  snapshotFailed(nowMs: number, error: ReplicaError): void {
    this.check()
    if (this.state.name !== 'receiving' && this.state.name !== 'loading') return
    if ('byteOffset' in error) {
      const offset = String(error.byteOffset)
      this.log('warning', `Internal error in RDB reading offset ${offset} -> ${printable(error.message)}`)
    }
    const source = this.state.framing.kind === 'mark' ? 'socket' : 'transfer'
    this.fail(
      nowMs,
      `Failed trying to load the MASTER synchronization DB from ${source}: ${printable(error.message)}.` +
        (this.history.resumable ? ' The data from before are kept.' : ''),
      error.message,
    )
  }

  /** The stream cannot be followed any further: without the trust that our offset means the same, a full resync is due. */
  streamCorrupt(nowMs: number, message: string): void {
    this.check()
    if (this.state.name !== 'connected') return
    this.history.resumable = false
    this.log('warning', 'Connection with master lost.')
    this.log('warning', 'Discarding the cached history: the next synchronization will be a full one.')
    this.fail(nowMs, `Protocol error from the MASTER: ${printable(message)}`, message)
  }

  /** Time goes by; called some times a second. */
  tick(nowMs: number): void {
    this.check()
    const state = this.state
    switch (state.name) {
      case 'none':
      case 'held':
        return
      case 'connect':
        return this.connectIfTime(nowMs)
      case 'connecting':
      case 'awaiting-pong':
      case 'awaiting-replies':
      case 'awaiting-psync':
        if (this.isTimedOut(state, nowMs)) this.fail(nowMs, 'Timeout connecting to the MASTER...', 'time-out')
        return
      case 'awaiting-snapshot':
      case 'receiving':
        if (this.isTimedOut(state, nowMs)) {
          const text =
            'Timeout receiving bulk data from MASTER... If the problem persists ' +
            "try to set the 'repl-timeout' parameter in redis.conf to a larger value."
          return this.fail(nowMs, text, 'time-out')
        }
        return state.name === 'receiving' ? this.newlineIfTime(nowMs) : undefined
      case 'loading':
        return this.newlineIfTime(nowMs)
      case 'connected':
        if (this.isTimedOut(state, nowMs)) {
          this.log('warning', 'MASTER timeout: no data nor PING received...')
          return this.retryAfterLoss(nowMs, 'time-out')
        }
        if (state.known) this.ackIfTime(nowMs)
        return
    }
  }

  // ── one line of an answer ──

  #onLine(line: string, nowMs: number): void {
    const state = this.state
    switch (state.name) {
      case 'awaiting-pong':
        return this.#onPong(line, nowMs)
      case 'awaiting-replies':
        return this.#onReply(state.steps, line, nowMs)
      case 'awaiting-psync':
        return this.#onPsyncReply(line, nowMs)
      case 'awaiting-snapshot':
        return this.#onSnapshotHeader(state.sync, line, nowMs)
      case 'none':
      case 'connect':
      case 'held':
      case 'connecting':
      case 'receiving':
      case 'loading':
      case 'connected':
        return
    }
  }

  #onPong(line: string, nowMs: number): void {
    if (!isPongGoodEnough(line)) {
      this.fail(nowMs, `Error reply to PING from master: '${printable(line)}'`, `PING: ${line}`)
      return
    }
    this.log('notice', 'Master replied to PING, replication can continue...')
    this.handshake = this.options.handshake()
    const { steps, bytes } = encodeIntroduction(this.handshake)
    this.send(bytes)
    this.enter({ name: 'awaiting-replies', lastIoMs: nowMs, steps })
  }

  #onReply(steps: readonly HandshakeStep[], line: string, nowMs: number): void {
    const step = steps[0]!
    switch (judgeReply(step, line)) {
      case 'fatal':
        return this.fail(nowMs, `Unable to AUTH to MASTER: ${printable(line)}`, `AUTH: ${line}`)
      case 'garbage': {
        const shown = printable(line.slice(0, 80))
        return this.fail(
          nowMs,
          `Unexpected reply to the handshake (${step}) from master: '${shown}'`,
          `${step}: ${line}`,
        )
      }
      case 'not-fatal':
        this.log('notice', `(Non critical) Master does not understand REPLCONF ${step}: ${printable(line)}`)
        break
      case 'ok':
        break
    }
    if (steps.length > 1) {
      this.enter({ name: 'awaiting-replies', lastIoMs: nowMs, steps: steps.slice(1) })
      return
    }
    const request = psyncRequest(this.history)
    if (request.offset === -1) this.log('notice', 'Partial resynchronization not possible (no cached master)')
    else this.log('notice', `Trying a partial resynchronization (request ${request.replid}:${request.offset}).`)
    this.send(encodePsync(this.handshake.psync, request, this.#asksToTakeOver))
    this.enter({ name: 'awaiting-psync', lastIoMs: nowMs, request })
  }

  #onPsyncReply(line: string, nowMs: number): void {
    const outcome = parsePsyncReply(line)
    this.#onPsyncOutcome(outcome, line, nowMs)
    if (outcome.kind !== 'wait') this.#handedOver(outcome.kind === 'continue' || outcome.kind === 'full')
  }

  #onPsyncOutcome(outcome: PsyncOutcome, line: string, nowMs: number): void {
    switch (outcome.kind) {
      case 'wait':
        return this.noteIo(nowMs)
      case 'continue':
        return this.#onContinue(outcome.replid, nowMs)
      case 'full': {
        if (outcome.known) this.log('notice', `Full resync from master: ${outcome.replid}:${outcome.offset}`)
        else this.log('warning', `Master replied with wrong +FULLRESYNC syntax: '${printable(line)}'`)
        const { replid, offset, known } = outcome
        return this.#awaitSnapshot({ replid: known ? replid : REPLID_NONE, offset, known }, nowMs)
      }
      case 'later':
        return this.fail(
          nowMs,
          `Master is currently unable to PSYNC but should be in the future: ${printable(line)}`,
          `PSYNC: ${line}`,
          'notice',
        )
      case 'unsupported':
        if (line.startsWith('-ERR')) {
          this.log('notice', `Master does not support PSYNC or is in error state (reply: ${printable(line)})`)
        } else {
          this.log('warning', `Unexpected reply to PSYNC from master: ${printable(line)}`)
        }
        if (this.#asksToTakeOver) return this.fail(nowMs, 'The replica does not take over', `PSYNC: ${line}`, 'notice')
        this.log('notice', 'Retrying with SYNC...')
        this.send(encodeSync())
        return this.#awaitSnapshot({ replid: REPLID_NONE, offset: 0, known: false }, nowMs)
    }
  }

  #handedOver(accepted: boolean): void {
    if (!this.#asksToTakeOver) return
    this.#asksToTakeOver = false
    this.order({ do: 'handed-over', accepted })
  }

  /** A primary becomes a replica: its own past is what it asks to continue. */
  #keepOwnHistory(): void {
    this.log(
      'notice',
      'Before turning into a replica, using my own master parameters to synthesize a cached master: ' +
        'I may be able to synchronize with the new master with just a partial transfer.',
    )
    this.history.becomeReplica()
  }

  #onContinue(replid: string | undefined, nowMs: number): void {
    if (!this.history.resumable) {
      const text = 'MASTER answered CONTINUE to a replica that has no history; it is not to be trusted'
      return this.fail(nowMs, text, text)
    }
    this.log('notice', 'Successful partial resynchronization with master.')
    if (replid !== undefined && replid !== this.history.replid) {
      this.history.adoptContinuedId(replid)
      this.log('notice', `Master replication ID changed to ${replid}`)
      this.order({ do: 'history-changed' })
    }
    this.counters.partialResyncs++
    this.log('notice', 'MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.')
    this.order({ do: 'resume-stream' })
    this.connected(nowMs, true)
  }

  #awaitSnapshot(sync: FullSync, nowMs: number): void {
    const refusal = this.acceptsNext ? undefined : this.options.refuseFullSync?.(sync)
    if (refusal !== undefined) return this.hold(refusal)
    if (this.state.name === 'awaiting-psync' && this.state.request.offset !== -1) this.counters.partialResyncsRefused++
    this.counters.fullResyncsBegun++
    this.enter({ name: 'awaiting-snapshot', lastIoMs: nowMs, sync })
  }

  #onSnapshotHeader(sync: FullSync, line: string, nowMs: number): void {
    const header = parseSnapshotHeader(line)
    switch (header.kind) {
      case 'keep-alive':
        return this.noteIo(nowMs)
      case 'error':
        return this.fail(
          nowMs,
          `MASTER aborted replication with an error: ${printable(header.text)}`,
          `the primary aborted the synchronization: ${header.text}`,
        )
      case 'garbage':
        return this.fail(
          nowMs,
          `Bad protocol from MASTER, the first byte is not '$' (we received '${printable(line.slice(0, 80))}'), ` +
            'are you sure the host and port are right?',
          'the snapshot has no header: not a Redis primary',
        )
      case 'framing': {
        const { framing } = header
        this.log(
          'notice',
          framing.kind === 'mark'
            ? 'MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF'
            : `MASTER <-> REPLICA sync: receiving ${framing.byteLength} bytes from master`,
        )
        this.enter({ name: 'receiving', lastIoMs: nowMs, sync, framing })
        this.order({ do: 'begin-full-sync', framing })
        this.log('notice', 'MASTER <-> REPLICA sync: Loading DB in memory')
      }
    }
  }
}
