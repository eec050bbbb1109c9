/**
 * Keyspace notifications as messages: an event that a command left becomes `__keyspace@<db>__:<key>` with the event's
 * name, and `__keyevent@<db>__:<event>` with the key, for local subscribers.
 *
 * Source: redis 7.0 notify.c notifyKeyspaceEvent().
 */
import { type KeyEvents, NOTIFY_KEYEVENT, NOTIFY_KEYSPACE } from '@understudy/core/internal'
import type { PubSub } from './pubsub.ts'

/** Connects the events of a keyspace with subscribers. */
export function deliverKeyEvents(events: KeyEvents, pubsub: PubSub): void {
  events.deliver = (event, db, key, start, end) => {
    if (!pubsub.hasListeners) return
    const keyBytes = Buffer.from(key.buffer, key.byteOffset + start, end - start)
    const eventBytes = Buffer.from(event, 'latin1')
    if ((events.mask & NOTIFY_KEYSPACE) !== 0) {
      pubsub.deliver(Buffer.concat([Buffer.from(`__keyspace@${db}__:`), keyBytes]), eventBytes)
    }
    if ((events.mask & NOTIFY_KEYEVENT) !== 0) pubsub.deliver(Buffer.from(`__keyevent@${db}__:${event}`), keyBytes)
  }
}

/** @param flags of `notify-keyspace-events`: without K or E nothing is told, so nothing needs to be left. */
export function chooseKeyEvents(events: KeyEvents, flags: number): void {
  events.mask = (flags & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)) === 0 ? 0 : flags
}
