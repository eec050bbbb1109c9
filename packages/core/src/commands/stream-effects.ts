/**
 * What replicas below get of deliveries: XREADGROUP, XCLAIM and XAUTOCLAIM go as the state they left, entry by entry, so that
 * time and the choice of entries are the same everywhere. Key, group and consumer are arguments of the command that runs;
 * `groups` has the stream open.
 *
 * Source: redis 7.0 t_stream.c streamPropagateXCLAIM(), streamPropagateGroupID(), streamPropagateConsumerCreation(). Unlike
 * there, XGROUP SETID goes with every move of a group, not only with NOACK: XCLAIM does not tell how many entries were read
 * (later versions of Redis do the same); and what XREADGROUP counts when a consumer reads its own history is told as well.
 */
import { StreamId } from '../encoding/stream-id.ts'
import { ENTRIES_READ_UNKNOWN } from '../values/stream-groups.ts'
import type { ReadContext } from './command.ts'
import { groups } from './stream-access.ts'

/** Arguments that name what a command works on. */
export interface DeliveryArguments {
  readonly key: number
  readonly group: number
  readonly consumer: number
}

const lastId = new StreamId()

/** The entry `id` is pending for the consumer, delivered when and as often as `pending` says. */
export function tellDelivery(
  { effects, args, db }: ReadContext,
  at: DeliveryArguments,
  group: number,
  pending: number,
  id: StreamId,
): void {
  if (effects === undefined) return
  effects.begin(db, 'XCLAIM', 14)
  effects.argument(args, at.key)
  effects.argument(args, at.group)
  effects.argument(args, at.consumer)
  effects.word('0')
  effects.id(id)
  effects.word('TIME')
  effects.integer(groups.deliveryTime(pending))
  effects.word('RETRYCOUNT')
  effects.integer(groups.deliveryCount(pending))
  effects.word('FORCE')
  effects.word('JUSTID')
  effects.word('LASTID')
  effects.id(groups.lastId(group, lastId))
}

/** The entry `id` is not pending any more: it was deleted from the stream. */
export function tellNotPending(
  { effects, args, db }: ReadContext,
  at: Pick<DeliveryArguments, 'key' | 'group'>,
  id: StreamId,
): void {
  if (effects === undefined) return
  effects.begin(db, 'XACK', 4)
  effects.argument(args, at.key)
  effects.argument(args, at.group)
  effects.id(id)
}

/** The group has moved on. */
export function tellGroupPosition({ effects, args, db }: ReadContext, at: DeliveryArguments, group: number): void {
  if (effects === undefined) return
  effects.begin(db, 'XGROUP', 7)
  effects.word('SETID')
  effects.argument(args, at.key)
  effects.argument(args, at.group)
  effects.id(groups.lastId(group, lastId))
  effects.word('ENTRIESREAD')
  // An estimate may come out below -1, which a stock replica refuses with all the rest.
  const read = groups.entriesRead(group)
  effects.integer(read < ENTRIES_READ_UNKNOWN ? ENTRIES_READ_UNKNOWN : read)
}

/** The consumer was made. */
export function tellConsumer({ effects, args, db }: ReadContext, at: DeliveryArguments): void {
  if (effects === undefined) return
  effects.begin(db, 'XGROUP', 5)
  effects.word('CREATECONSUMER')
  effects.argument(args, at.key)
  effects.argument(args, at.group)
  effects.argument(args, at.consumer)
}
