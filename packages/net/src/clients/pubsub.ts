/**
 * Channels, shard channels and patterns, and who is subscribed to them. Messages come from PUBLISH of clients and from
 * the replication stream (`deliver`); nothing is sent to the primary.
 *
 * Source: redis 7.0 pubsub.c.
 */
import { globMatches } from '@understudy/core/internal'
import type { ReplyEncoder } from '@understudy/core/internal'
import type { ClientSession } from './session.ts'

interface PatternSubscribers {
  readonly bytes: Buffer
  readonly sessions: Set<ClientSession>
}

export class PubSub {
  /** Channel as latin1 text. */
  readonly channels: Map<string, Set<ClientSession>> = new Map()
  readonly shardChannels: Map<string, Set<ClientSession>> = new Map()
  readonly patterns: Map<string, PatternSubscribers> = new Map()

  /** Could a message to a channel have a receiver? Lets the stream skip the work. */
  get hasListeners(): boolean {
    return this.channels.size > 0 || this.patterns.size > 0
  }

  /** Sends `message` to everybody subscribed to `channel`. The bytes are copied. @returns how many got it. */
  deliver(channel: Uint8Array, message: Uint8Array): number {
    if (!this.hasListeners) return 0
    let receivers = 0
    const subscribers = subscribersOf(this.channels, channel)
    if (subscribers !== undefined) {
      for (const session of subscribers) {
        writeMessage(session.pushEncoder(), 'message', undefined, channel, message)
        receivers++
      }
    }
    for (const { bytes, sessions } of this.patterns.values()) {
      if (!globMatches(bytes, 0, bytes.length, channel, 0, channel.length)) continue
      for (const session of sessions) {
        writeMessage(session.pushEncoder(), 'pmessage', bytes, channel, message)
        receivers++
      }
    }
    return receivers
  }

  /** SPUBLISH. */
  deliverShard(channel: Uint8Array, message: Uint8Array): number {
    const subscribers = subscribersOf(this.shardChannels, channel)
    if (subscribers === undefined) return 0
    for (const session of subscribers) writeMessage(session.pushEncoder(), 'smessage', undefined, channel, message)
    return subscribers.size
  }

  /** @returns false when it was subscribed already. */
  subscribe(session: ClientSession, kind: SubscriptionKind, name: string): boolean {
    const own = session.subscriptions[kind]
    if (own.has(name)) return false
    own.add(name)
    if (kind === 'patterns') {
      let pattern = this.patterns.get(name)
      if (pattern === undefined) {
        pattern = { bytes: Buffer.from(name, 'latin1'), sessions: new Set() }
        this.patterns.set(name, pattern)
      }
      pattern.sessions.add(session)
    } else {
      const all = this[kind]
      let sessions = all.get(name)
      if (sessions === undefined) all.set(name, (sessions = new Set()))
      sessions.add(session)
    }
    return true
  }

  unsubscribe(session: ClientSession, kind: SubscriptionKind, name: string): boolean {
    if (!session.subscriptions[kind].delete(name)) return false
    if (kind === 'patterns') {
      const pattern = this.patterns.get(name)
      pattern?.sessions.delete(session)
      if (pattern?.sessions.size === 0) this.patterns.delete(name)
    } else {
      const sessions = this[kind].get(name)
      sessions?.delete(session)
      if (sessions?.size === 0) this[kind].delete(name)
    }
    return true
  }

  /** A connection ends. */
  unsubscribeAll(session: ClientSession): void {
    for (const kind of SUBSCRIPTION_KINDS) {
      for (const name of session.subscriptions[kind]) this.unsubscribe(session, kind, name)
    }
  }
}

export type SubscriptionKind = 'channels' | 'patterns' | 'shardChannels'
const SUBSCRIPTION_KINDS: readonly SubscriptionKind[] = ['channels', 'patterns', 'shardChannels']

/** What one connection is subscribed to, latin1. */
export class Subscriptions {
  readonly channels: Set<string> = new Set()
  readonly patterns: Set<string> = new Set()
  readonly shardChannels: Set<string> = new Set()

  get count(): number {
    return this.channels.size + this.patterns.size
  }

  get total(): number {
    return this.channels.size + this.patterns.size + this.shardChannels.size
  }
}

function writeMessage(
  encoder: ReplyEncoder,
  kind: 'message' | 'pmessage' | 'smessage',
  pattern: Uint8Array | undefined,
  channel: Uint8Array,
  message: Uint8Array,
): void {
  encoder.push(pattern === undefined ? 3 : 4)
  encoder.bulkString(kind)
  if (pattern !== undefined) encoder.bulk(pattern, 0, pattern.length)
  encoder.bulk(channel, 0, channel.length)
  encoder.bulk(message, 0, message.length)
}

/** Nobody can subscribe to a name that does not fit a string (512 MiB). */
const CHANNEL_BYTES_MAX = 2 ** 28

function subscribersOf<Subscribers>(
  channels: ReadonlyMap<string, Subscribers>,
  channel: Uint8Array,
): Subscribers | undefined {
  if (channels.size === 0 || channel.length > CHANNEL_BYTES_MAX) return undefined
  return channels.get(Buffer.from(channel.buffer, channel.byteOffset, channel.length).toString('latin1'))
}
