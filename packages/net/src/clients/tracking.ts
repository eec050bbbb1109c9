/**
 * CLIENT TRACKING: which connections must hear that a key changed. In the default mode keys are remembered as they are
 * read; in broadcasting mode prefixes are. One message per change is enough: a key is forgotten once it was invalidated.
 *
 * Source: redis 7.0 tracking.c. The table is on the JavaScript heap and bounded by tracking-table-max-keys; those whom the
 * bound makes it forget hear that their key changed.
 */
import { CLIENT_CACHING, CLIENT_PUBSUB } from './connection-flags.ts'
import type { ClientSession } from './session.ts'
import type { Clock, CommandArgs, CommandEntry } from '@understudy/core/internal'
import { findKeys, SLICE_MS_MAX } from '@understudy/core/internal'
import { TrackedKeys } from './tracked-keys.ts'

const INVALIDATE_CHANNEL: Buffer = Buffer.from('__redis__:invalidate')

export interface TrackingOptions {
  readonly broadcast: boolean
  readonly optIn: boolean
  readonly optOut: boolean
  readonly noLoop: boolean
  /** Connection that gets the messages, 0 for the tracking one itself. */
  readonly redirect: number
  /** In order. */
  readonly prefixes: readonly string[]
}

interface PrefixState {
  readonly sessions: Set<ClientSession>
  /** Keys changed since the last `flushBroadcast`, with the connection that changed each. */
  readonly changed: Map<string, ClientSession | undefined>
}

/** Longer keys are not tracked: their name would not fit a string. */
const TRACKED_KEY_BYTES_MAX = 2 ** 28

export class Tracking {
  readonly #keys: TrackedKeys = new TrackedKeys()
  readonly #prefixes: Map<string, PrefixState> = new Map()
  readonly #sessionById: (id: number) => ClientSession | undefined
  readonly #scratch: number[] = []
  /** Connections with tracking on. */
  readonly sessions: Set<ClientSession> = new Set()
  itemCount = 0

  constructor(sessionById: (id: number) => ClientSession | undefined) {
    this.#sessionById = sessionById
  }

  get active(): boolean {
    return this.sessions.size > 0 || this.#keys.size > 0
  }

  get keyCount(): number {
    return this.#keys.size
  }

  get prefixCount(): number {
    return this.#prefixes.size
  }

  enable(session: ClientSession, options: TrackingOptions): void {
    this.sessions.add(session)
    const prefixes = options.broadcast && options.prefixes.length === 0 ? [''] : options.prefixes
    const all = [...new Set([...(session.tracking?.prefixes ?? []), ...prefixes])].sort()
    session.tracking = { ...options, prefixes: all }
    for (const prefix of all) {
      let state = this.#prefixes.get(prefix)
      if (state === undefined) this.#prefixes.set(prefix, (state = { sessions: new Set(), changed: new Map() }))
      state.sessions.add(session)
    }
  }

  disable(session: ClientSession): void {
    if (session.tracking === undefined) return
    for (const prefix of session.tracking.prefixes) {
      const state = this.#prefixes.get(prefix)
      state?.sessions.delete(session)
      if (state?.sessions.size === 0) this.#prefixes.delete(prefix)
    }
    session.tracking = undefined
    session.flags &= ~CLIENT_CACHING
    this.sessions.delete(session)
  }

  /** A tracking connection ran a command that only reads. */
  remember(session: ClientSession, entry: CommandEntry<ClientSession>, args: CommandArgs, keysMax: number): void {
    const options = session.tracking
    if (options === undefined || options.broadcast) return
    if (options.optIn && (session.flags & CLIENT_CACHING) === 0) return
    if (options.optOut && (session.flags & CLIENT_CACHING) !== 0) return
    const indexes = this.#scratch
    indexes.length = 0
    if (!findKeys(entry, args, indexes)) return
    for (const index of indexes) {
      const { buffer, byteOffset } = args.bytes
      const start = args.start[index]!
      if (args.end[index]! - start > TRACKED_KEY_BYTES_MAX) continue
      const key = Buffer.from(buffer, byteOffset + start, args.end[index]! - start).toString('latin1')
      let ids = this.#keys.get(key)
      if (ids === undefined) {
        if (keysMax > 0 && this.#keys.size >= keysMax) this.#evictOne()
        ids = this.#keys.add(key)
      }
      if (!ids.has(session.id)) {
        ids.add(session.id)
        this.itemCount++
      }
    }
  }

  /** Forgets what is beyond `keysMax`, which may have been more before, one slice at a time. @param keysMax 0: no limit. */
  limitKeys(keysMax: number, clock: Clock): void {
    if (keysMax === 0 || this.#keys.size <= keysMax) return
    const endMs = clock.monotonicMs() + SLICE_MS_MAX
    while (this.#keys.size > keysMax && clock.monotonicMs() < endMs) this.#evictOne()
  }

  /** @param by the connection whose command changed the key, if one did. */
  keyChanged(key: Uint8Array, start: number, end: number, by: ClientSession | undefined): void {
    if (!this.active || end - start > TRACKED_KEY_BYTES_MAX) return
    const name = Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1')
    for (const [prefix, state] of this.#prefixes) {
      if (name.startsWith(prefix)) state.changed.set(name, by)
    }
    this.#invalidate(name, by)
  }

  /** Everything is gone: FLUSHALL, FLUSHDB, a new generation. */
  flushed(): void {
    if (!this.active) return
    for (const session of this.sessions) this.#send(session, undefined)
    this.#keys.clear()
    this.itemCount = 0
  }

  /** Sends what changed under prefixes; once per turn of the event loop. */
  flushBroadcast(): void {
    for (const state of this.#prefixes.values()) {
      if (state.changed.size === 0) continue
      for (const session of state.sessions) {
        const keys: string[] = []
        for (const [key, by] of state.changed) {
          if (by !== session || session.tracking?.noLoop !== true) keys.push(key)
        }
        if (keys.length > 0) this.#send(session, keys)
      }
      state.changed.clear()
    }
  }

  #invalidate(name: string, by: ClientSession | undefined): void {
    const ids = this.#keys.get(name)
    if (ids === undefined) return
    this.#keys.delete(name)
    this.itemCount -= ids.size
    for (const id of ids) {
      const session = this.#sessionById(id)
      if (session?.tracking === undefined || session.tracking.broadcast) continue
      if (session.tracking.noLoop && session === by) continue
      this.#send(session, [name])
    }
  }

  #evictOne(): void {
    const oldest = this.#keys.oldest()
    if (oldest !== undefined) this.#invalidate(oldest, undefined)
  }

  /** @param keys undefined: forget everything. */
  #send(session: ClientSession, keys: readonly string[] | undefined): void {
    const redirect = session.tracking?.redirect ?? 0
    const target = redirect === 0 ? session : this.#sessionById(redirect)
    if (target === undefined) {
      session.redirectBroken = true
      if (session.resp === 3) {
        const encoder = session.pushEncoder()
        encoder.push(2)
        encoder.bulkString('tracking-redir-broken')
        encoder.integer(redirect)
      }
      return
    }
    // RESP2 has no pushes of its own: they come as messages, to whoever is subscribed to anything.
    if (target.resp === 2 && (redirect === 0 || (target.flags & CLIENT_PUBSUB) === 0)) return
    // Of what its own command changed a connection hears behind the reply.
    if (target === target.server.current) target.holdPushes()
    const encoder = target.pushEncoder()
    if (target.resp === 3) {
      encoder.push(2)
      encoder.bulkString('invalidate')
    } else {
      encoder.push(3)
      encoder.bulkString('message')
      encoder.bulk(INVALIDATE_CHANNEL, 0, INVALIDATE_CHANNEL.length)
    }
    if (keys === undefined) encoder.nullBulk()
    else {
      encoder.array(keys.length)
      for (const key of keys) encoder.bulkLatin1(key)
    }
  }
}
