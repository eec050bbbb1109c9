/**
 * CLIENT PAUSE, and the pauses that a failover and a shutdown need: which commands are held back, for what purpose and until
 * when. Every purpose has a pause of its own, and what any of them holds is held. A client that was held back runs its command
 * anew when less is held, as if it came then; who has gone by then has run nothing.
 *
 * Belongs to the link thread.
 *
 * Source: redis 7.0 networking.c pauseClients(), unpauseClients(), updateClientPauseTypeAndEndTime().
 */
import { type Clock, type CommandEntry, MAY_REPLICATE, WRITE } from '@understudy/core/internal'
import { CLIENT_POSTPONED, CLIENT_REPLICA } from './connection-flags.ts'
import type { ClientSession } from './session.ts'
import { TIMER_MS_MAX } from './settings.ts'

export type PausePurpose = 'client-command' | 'shutdown' | 'failover'

/** What is held back; the wider, the larger. */
const NOTHING = 0
const WRITES = 1
const EVERYTHING = 2

interface Pause {
  readonly untilMs: number
  readonly width: number
}

export interface PausePorts {
  readonly clock: Clock
  /** What is held back has changed, perhaps. */
  readonly changed: () => void
  /** The client may go on with the command that it was held back with. */
  readonly resume: (session: ClientSession) => void
}

export class Pauses {
  readonly #ports: PausePorts
  readonly #pauses = new Map<PausePurpose, Pause>()
  readonly #postponed = new Set<ClientSession>()
  #width = NOTHING
  #endsAtMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(ports: PausePorts) {
    this.#ports = ports
  }

  /** Is anything held back? While it is, the dataset does not change by anything else either: no key expires, no stream is applied. */
  get isActive(): boolean {
    return this.#width !== NOTHING
  }

  get holdsReads(): boolean {
    return this.#width === EVERYTHING
  }

  /** Clients that are held back. */
  get postponedCount(): number {
    return this.#postponed.size
  }

  /** @param untilMs monotonic; the later end and the wider pause of one purpose win. */
  begin(purpose: PausePurpose, untilMs: number, writesOnly: boolean): void {
    const before = this.#pauses.get(purpose)
    this.#pauses.set(purpose, {
      untilMs: Math.max(untilMs, before?.untilMs ?? 0),
      width: Math.max(writesOnly ? WRITES : EVERYTHING, before?.width ?? NOTHING),
    })
    this.#update()
  }

  /** Holds writes back for as long as it takes, or not any more. */
  holdWrites(purpose: PausePurpose, held: boolean): void {
    if (held) this.begin(purpose, Number.POSITIVE_INFINITY, true)
    else this.end(purpose)
  }

  end(purpose: PausePurpose): void {
    if (this.#pauses.delete(purpose)) this.#update()
  }

  /** Is this command held back? */
  holds(session: ClientSession, entry: CommandEntry<ClientSession>): boolean {
    if (this.#width === NOTHING || (session.flags & CLIENT_REPLICA) !== 0) return false
    if (this.#ports.clock.monotonicMs() >= this.#endsAtMs) this.#update()
    if (this.#width !== WRITES) return this.#width === EVERYTHING
    const flags = entry.name === 'exec' ? entry.flags | (session.transaction?.flags ?? 0) : entry.flags
    return (flags & (WRITE | MAY_REPLICATE)) !== 0
  }

  /** Its command is held back: it is called by `resume` later. */
  postpone(session: ClientSession): void {
    session.flags |= CLIENT_POSTPONED
    this.#postponed.add(session)
  }

  /** Its command will not be run. */
  forget(session: ClientSession): void {
    session.flags &= ~CLIENT_POSTPONED
    this.#postponed.delete(session)
  }

  /** Ends the timer. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #update(): void {
    const nowMs = this.#ports.clock.monotonicMs()
    const before = this.#width
    this.#width = NOTHING
    this.#endsAtMs = Number.POSITIVE_INFINITY
    for (const [purpose, { untilMs, width }] of this.#pauses) {
      if (untilMs <= nowMs) {
        this.#pauses.delete(purpose)
        continue
      }
      this.#width = Math.max(this.#width, width)
      this.#endsAtMs = Math.min(this.#endsAtMs, untilMs)
    }
    this.#ports.changed()
    clearTimeout(this.#timer)
    if (this.#endsAtMs !== Number.POSITIVE_INFINITY) {
      const restMs = Math.min(Math.max(1, this.#endsAtMs - nowMs), TIMER_MS_MAX)
      this.#timer = setTimeout(() => this.#update(), restMs)
      this.#timer.unref()
    }
    if (this.#width < before) this.#release()
  }

  /** Who is still held back comes back at once. */
  #release(): void {
    const released = [...this.#postponed]
    this.#postponed.clear()
    for (const session of released) {
      session.flags &= ~CLIENT_POSTPONED
      this.#ports.resume(session)
    }
  }
}
