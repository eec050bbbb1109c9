/**
 * SUBSCRIBE and its relatives, PUBLISH, PUBSUB. Messages published here reach the clients of this server only: a replica
 * passes nothing up.
 *
 * Source: redis 7.0 pubsub.c.
 */
import {
  argBytes,
  argText,
  FAST,
  globMatches,
  LOADING,
  MAY_REPLICATE,
  NOSCRIPT,
  PUBSUB,
  STALE,
  subcommandSyntaxError,
} from '@understudy/core/internal'
import type { CommandTable } from '@understudy/core/internal'
import { CLIENT_MULTI, CLIENT_PUBSUB } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import type { SubscriptionKind } from '../clients/pubsub.ts'
import { container, row } from './rows.ts'

function confirm(client: ClientSession, word: string, kind: SubscriptionKind, name: string | undefined): void {
  const { reply, subscriptions } = client
  const { discardReplies } = reply
  // A push in the place of a reply: CLIENT REPLY does not silence it.
  reply.discardReplies = false
  reply.push(3)
  reply.bulkString(word)
  if (name === undefined) reply.nullBulk()
  else reply.bulkLatin1(name)
  reply.integer(kind === 'shardChannels' ? subscriptions.shardChannels.size : subscriptions.count)
  reply.discardReplies = discardReplies
}

function updateFlag(client: ClientSession): void {
  if (client.subscriptions.total > 0) client.flags |= CLIENT_PUBSUB
  else client.flags &= ~CLIENT_PUBSUB
}

function subscribeTo(word: string, kind: SubscriptionKind): (client: ClientSession) => void {
  return (client) => {
    const { args, server, reply } = client
    // EXEC expects one reply of each command: redis 7.0 pubsub.c makes an exception for the other two only.
    if (kind === 'shardChannels' && (client.flags & CLIENT_MULTI) !== 0) {
      reply.error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
      return
    }
    for (let i = 1; i < args.count; i++) {
      const name = argText(args, i)
      server.pubsub.subscribe(client, kind, name)
      updateFlag(client)
      confirm(client, word, kind, name)
    }
  }
}

function unsubscribeFrom(word: string, kind: SubscriptionKind): (client: ClientSession) => void {
  return (client) => {
    const { args, server } = client
    const names: string[] = []
    for (let i = 1; i < args.count; i++) names.push(argText(args, i))
    // One by one: as arguments of one call they would have to fit on the stack.
    if (args.count === 1) for (const name of client.subscriptions[kind]) names.push(name)
    for (const name of names) {
      server.pubsub.unsubscribe(client, kind, name)
      confirm(client, word, kind, name)
    }
    if (names.length === 0) confirm(client, word, kind, undefined)
    updateFlag(client)
  }
}

function publish(client: ClientSession): void {
  const { args, server, reply } = client
  reply.integer(server.pubsub.deliver(argBytes(args, 1), argBytes(args, 2)))
}

function spublish(client: ClientSession): void {
  const { args, server, reply } = client
  reply.integer(server.pubsub.deliverShard(argBytes(args, 1), argBytes(args, 2)))
}

function listChannels(kind: 'channels' | 'shardChannels'): (client: ClientSession) => void {
  return (client) => {
    const { args, server, reply } = client
    const pattern = args.count > 2 ? argBytes(args, 2) : undefined
    if (args.count > 3) {
      reply.error(subcommandSyntaxError(args, 'pubsub'))
      return
    }
    const names = [...server.pubsub[kind].keys()].filter((name) => {
      if (pattern === undefined) return true
      const bytes = Buffer.from(name, 'latin1')
      return globMatches(pattern, 0, pattern.length, bytes, 0, bytes.length)
    })
    reply.array(names.length)
    for (const name of names) reply.bulkLatin1(name)
  }
}

function countSubscribers(kind: 'channels' | 'shardChannels'): (client: ClientSession) => void {
  return (client) => {
    const { args, server, reply } = client
    reply.array((args.count - 2) * 2)
    for (let i = 2; i < args.count; i++) {
      const name = argText(args, i)
      reply.bulkLatin1(name)
      reply.integer(server.pubsub[kind].get(name)?.size ?? 0)
    }
  }
}

const GROUP = 'pubsub'
const SUBSCRIBER: number = PUBSUB | NOSCRIPT | LOADING | STALE
const QUERY: number = PUBSUB | LOADING | STALE
const PUBLISHER: number = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE

export const pubsubCommands: CommandTable<ClientSession> = {
  SUBSCRIBE: row(-2, SUBSCRIBER, '2.0.0', GROUP, 'Listens to channels.', subscribeTo('subscribe', 'channels')),
  UNSUBSCRIBE: row(-1, SUBSCRIBER, '2.0.0', GROUP, 'Leaves channels.', unsubscribeFrom('unsubscribe', 'channels')),
  PSUBSCRIBE: row(
    -2,
    SUBSCRIBER,
    '2.0.0',
    GROUP,
    'Listens to all channels that match.',
    subscribeTo('psubscribe', 'patterns'),
  ),
  PUNSUBSCRIBE: row(-1, SUBSCRIBER, '2.0.0', GROUP, 'Leaves patterns.', unsubscribeFrom('punsubscribe', 'patterns')),
  SSUBSCRIBE: row(
    -2,
    SUBSCRIBER,
    '7.0.0',
    GROUP,
    'Listens to shard channels.',
    subscribeTo('ssubscribe', 'shardChannels'),
    {
      keys: [1, -1, 1],
    },
  ),
  SUNSUBSCRIBE: row(
    -1,
    SUBSCRIBER,
    '7.0.0',
    GROUP,
    'Leaves shard channels.',
    unsubscribeFrom('sunsubscribe', 'shardChannels'),
    {
      keys: [1, -1, 1],
    },
  ),
  PUBLISH: row(3, PUBLISHER, '2.0.0', GROUP, 'Sends a message to the clients of this server.', publish, {
    complexity: 'O(N+M) of subscribers and patterns',
    propagate: 'always',
  }),
  SPUBLISH: row(3, PUBLISHER, '7.0.0', GROUP, 'Sends a message to a shard channel.', spublish, {
    keys: [1, 1, 1],
    propagate: 'always',
  }),
  PUBSUB: container('PUBSUB', '2.8.0', GROUP, 'Tells about channels and subscribers.', {
    CHANNELS: row(-2, QUERY, '2.8.0', GROUP, 'Channels with subscribers.', listChannels('channels'), {
      usage: '[<pattern>]',
    }),
    NUMSUB: row(-2, QUERY, '2.8.0', GROUP, 'Subscribers of each channel.', countSubscribers('channels'), {
      usage: '[<channel> ...]',
    }),
    NUMPAT: row(2, QUERY, '2.8.0', GROUP, 'How many patterns have subscribers.', (client) =>
      client.reply.integer(client.server.pubsub.patterns.size),
    ),
    SHARDCHANNELS: row(-2, QUERY, '7.0.0', GROUP, 'Shard channels with subscribers.', listChannels('shardChannels'), {
      usage: '[<pattern>]',
    }),
    SHARDNUMSUB: row(
      -2,
      QUERY,
      '7.0.0',
      GROUP,
      'Subscribers of each shard channel.',
      countSubscribers('shardChannels'),
      {
        usage: '[<shardchannel> ...]',
      },
    ),
  }),
}
