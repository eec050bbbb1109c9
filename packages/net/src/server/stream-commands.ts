/** Commands that a primary sends and that are not about data: messages for local subscribers. */
import {
  FAST,
  LOADING,
  MAY_REPLICATE,
  PUBSUB,
  STALE,
  type CommandContext,
  type CommandTable,
} from '@understudy/core/internal'
import type { PubSub } from '../clients/pubsub.ts'

export function streamCommands(pubsub: PubSub): CommandTable {
  const argument = ({ args }: CommandContext, index: number): Uint8Array =>
    args.bytes.subarray(args.start[index], args.end[index])
  const flags = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE
  return {
    PUBLISH: {
      arity: 3,
      flags,
      keys: [0, 0, 0],
      since: '2.0.0',
      group: 'pubsub',
      summary: 'Delivers a message to local subscribers of a channel.',
      run: (context) => {
        if (pubsub.hasListeners) pubsub.deliver(argument(context, 1), argument(context, 2))
      },
    },
    SPUBLISH: {
      arity: 3,
      flags,
      keys: [1, 1, 1],
      since: '7.0.0',
      group: 'pubsub',
      summary: 'Delivers a message to local subscribers of a shard channel.',
      run: (context) => {
        if (pubsub.shardChannels.size > 0) pubsub.deliverShard(argument(context, 1), argument(context, 2))
      },
    },
  }
}
