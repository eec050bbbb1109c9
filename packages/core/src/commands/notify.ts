/**
 * Keyspace notifications as commands leave them: the class, Redis' name of the event, the key. Clients' commands and
 * the stream's alike, after the change and before the reply (redis 7.0 notify.c notifyKeyspaceEvent()).
 */
import { NOTIFY_GENERIC } from '../keyspace/key-events.ts'
import type { ReadContext } from './command.ts'

/**
 * Tells of an event on the key of argument `index` in the selected database. @param kind one NOTIFY_ class.
 * @param event Redis' name: `hset`, `del`.
 */
export function notify(context: ReadContext, kind: number, event: string, index: number): void {
  if ((context.keyspace.events.mask & kind) === 0) return
  const { args } = context
  context.keyspace.events.deliver(event, context.db, args.bytes, args.start[index]!, args.end[index]!)
}

/** The same for a key in another database (COPY, MOVE). */
export function notifyInDatabase(context: ReadContext, kind: number, event: string, db: number, index: number): void {
  if ((context.keyspace.events.mask & kind) === 0) return
  const { args } = context
  context.keyspace.events.deliver(event, db, args.bytes, args.start[index]!, args.end[index]!)
}

/** The key of argument `index` is gone, because a command removed it or its last element. */
export function notifyDeleted(context: ReadContext, index: number): void {
  notify(context, NOTIFY_GENERIC, 'del', index)
}
