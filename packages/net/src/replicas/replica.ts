/**
 * One replica below: its machine, its feed and its connection, tied together. It carries out what the machine orders, and
 * brings a snapshot to it; which one is decided elsewhere.
 */
import { randomBytes } from 'node:crypto'
import type { BacklogWriter, Clock, Logger, SnapshotFraming } from '@understudy/core/internal'
import { CLIENT_REPLICA } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import { ReplicaFeed } from './replica-feed.ts'
import { ReplicaMachine, type ReplicaTimes } from './replica-machine.ts'
import type { SharedSnapshot } from './snapshot-sharing.ts'
import type { SnapshotReader } from './snapshot-source.ts'

const END_MARK_BYTES = 20

export interface ReplicaPorts {
  readonly clock: Clock
  readonly logger: Logger
  readonly backlog: BacklogWriter
}

export class Replica {
  readonly session: ClientSession
  readonly feed: ReplicaFeed
  readonly machine: ReplicaMachine
  readonly #ports: ReplicaPorts
  #shared: SharedSnapshot | undefined
  #reader: SnapshotReader | undefined

  constructor(session: ClientSession, ports: ReplicaPorts) {
    this.session = session
    this.#ports = ports
    this.feed = new ReplicaFeed(session, ports.backlog)
    this.machine = new ReplicaMachine(() => this.name)
  }

  /** Has it asked for the stream, by PSYNC or SYNC? Before, it is a client that told something about itself. */
  get isAttached(): boolean {
    return (this.session.flags & CLIENT_REPLICA) !== 0
  }

  get ip(): string {
    const { address } = this.session
    return this.machine.introduction.ipAddress || address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  }

  get port(): number {
    return this.machine.introduction.listeningPort
  }

  /** As logs name it. */
  get name(): string {
    return this.port === 0 ? `${this.session.address} (no listening port)` : `${this.ip}:${this.port}`
  }

  /** As INFO shows its state. */
  get stateName(): 'wait_bgsave' | 'send_bulk' | 'online' {
    if (this.machine.isOnline) return 'online'
    return this.machine.state.name === 'receiving' ? 'send_bulk' : 'wait_bgsave'
  }

  /** Carries out what the machine ordered. Call it after each call of the machine. */
  carryOut(): void {
    for (const action of this.machine.takeActions()) {
      switch (action.do) {
        case 'log':
          this.#ports.logger[action.level](action.text)
          break
        case 'send':
          void this.feed.send(Buffer.from(action.text, 'latin1'))
          break
        case 'hold':
          this.feed.hold(action.offset)
          break
        case 'stream':
          this.feed.stream()
          break
        case 'close':
          if (action.isGraceful) this.feed.closeAtEnd()
          else this.session.kill()
          break
      }
    }
  }

  /**
   * A snapshot was begun for it, or is there and will do. @param reader of it, for this replica
   * @param ended all of it was sent, or it failed; not called when the replica is gone before
   */
  give(shared: SharedSnapshot, reader: SnapshotReader, ended: (isWhole: boolean) => void): void {
    this.#shared = shared
    this.#reader = reader
    shared.users++
    this.machine.snapshotBegun(shared.position)
    this.carryOut()
    void this.#transfer(reader, ended)
  }

  /** Now and then. */
  tick(nowMs: number, times: ReplicaTimes): void {
    this.machine.tick(nowMs, times, this.session.facts.lastInteractionMs, this.#reader?.heldUpMs ?? 0)
    this.carryOut()
  }

  /** The connection is gone. */
  closed(): void {
    this.machine.close(false)
    this.machine.takeActions()
    this.feed.close()
    this.#release()
  }

  async #transfer(reader: SnapshotReader, ended: (isWhole: boolean) => void): Promise<void> {
    const { machine, feed } = this
    const { clock } = this.#ports
    try {
      const byteLength = await reader.ready
      if (machine.state.name !== 'making') return
      const framing = framingOf(byteLength)
      machine.snapshotReady(framing, clock.monotonicMs())
      this.carryOut()
      for (let piece = await reader.read(); this.#isReceiving; piece = await reader.read()) {
        if (piece === undefined) {
          if (framing.kind === 'mark') await feed.send(Buffer.from(framing.endMark))
          machine.snapshotSent(clock.monotonicMs())
          ended(true)
          break
        }
        await feed.send(piece)
        machine.snapshotMoved(clock.monotonicMs(), reader.heldUpMs)
      }
    } catch (error) {
      const isWanted = machine.state.name === 'making' || this.#isReceiving
      machine.snapshotFailed(error instanceof Error ? error.message : String(error))
      if (isWanted) ended(false)
    }
    this.#release()
    this.carryOut()
  }

  get #isReceiving(): boolean {
    return this.machine.state.name === 'receiving'
  }

  #release(): void {
    const shared = this.#shared
    this.#reader?.close()
    this.#reader = undefined
    this.#shared = undefined
    if (shared === undefined) return
    shared.users--
    if (shared.users === 0) shared.snapshot.close()
  }
}

/** Without a length it ends with a mark; as from a stock primary, the first ACK behind it tells that all is loaded. */
function framingOf(byteLength: number | undefined): SnapshotFraming {
  if (byteLength !== undefined) return { kind: 'length', byteLength }
  return { kind: 'mark', endMark: Buffer.from(randomBytes(END_MARK_BYTES).toString('hex'), 'latin1') }
}
