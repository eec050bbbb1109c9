/**
 * MULTI, EXEC, DISCARD, WATCH, UNWATCH. Commands between MULTI and EXEC are queued by the dispatcher; EXEC runs all of
 * them in one turn of the event loop.
 *
 * Source: redis 7.0 multi.c.
 */
import {
  ALLOW_BUSY,
  argBytes,
  EXECABORT_ERROR,
  FAST,
  LOADING,
  NOSCRIPT,
  SKIP_SLOWLOG,
  STALE,
} from '@understudy/core/internal'
import type { CommandTable } from '@understudy/core/internal'
import { callCommand } from '../clients/dispatcher.ts'
import { CLIENT_CLOSED, CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, CLIENT_MULTI } from '../clients/connection-flags.ts'
import { queuedArgs } from '../clients/transaction.ts'
import type { ClientSession } from '../clients/session.ts'
import { row } from './rows.ts'

function multi(client: ClientSession): void {
  if ((client.flags & CLIENT_MULTI) !== 0) {
    client.reply.error('ERR MULTI calls can not be nested')
    return
  }
  client.beginTransaction()
  if (!client.takeAnswered()) client.reply.ok()
}

function discard(client: ClientSession): void {
  if ((client.flags & CLIENT_MULTI) === 0) {
    client.reply.error('ERR DISCARD without MULTI')
    return
  }
  client.discardTransaction()
  client.reply.ok()
}

function exec(client: ClientSession): void {
  const { reply, transaction } = client
  if (transaction === undefined) {
    reply.error('ERR EXEC without MULTI')
    return
  }
  if ((client.flags & CLIENT_DIRTY_EXEC) !== 0) {
    reply.error(EXECABORT_ERROR)
    client.discardTransaction()
    return
  }
  if (client.watchedTouched()) {
    reply.nullArray()
    client.discardTransaction()
    return
  }
  // Unwatch first: the queued commands must not touch our own keys, and MULTI is over for them.
  client.unwatchAll()
  const outerEntry = client.entry
  const errorsBefore = reply.errorCount
  reply.array(transaction.count)
  client.args = queuedArgs
  client.holdPushes()
  try {
    for (let i = 0; i < transaction.count && (client.flags & CLIENT_CLOSED) === 0; i++) {
      transaction.read(i, queuedArgs)
      const beganMs = performance.now()
      callCommand(client, transaction.entries[i]!)
      client.server.account(transaction.entries[i]!, 1, performance.now() - beganMs, true)
    }
  } finally {
    // Errors of the queued commands are theirs, and counted.
    reply.errorCount = errorsBefore
    client.args = client.decoder
    client.entry = outerEntry
    client.discardTransaction()
  }
}

/** What a watched key costs beside its bytes, roughly. */
const WATCH_BYTES = 256

function watch(client: ClientSession): void {
  const { args, reply, server } = client
  if ((client.flags & CLIENT_MULTI) !== 0) {
    reply.error('ERR WATCH inside MULTI is not allowed')
    return
  }
  const onTouch = (): void => void (client.flags |= CLIENT_DIRTY_CAS)
  for (let i = 1; i < args.count; i++) {
    const watch = server.watches.watch(client, client.db, argBytes(args, i), onTouch)
    if (watch === undefined) continue
    client.watched.push(watch)
    client.watchedBytes += WATCH_BYTES + watch.key.length
  }
  // As with queued commands: what a client makes us keep is bounded.
  if (client.watchedBytes > server.settings.clientQueryBufferBytesMax) {
    server.dropForInput(client)
    return
  }
  reply.ok()
}

function unwatch(client: ClientSession): void {
  client.unwatchAll()
  client.reply.ok()
}

const GROUP = 'transactions'
const FLAGS: number = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY

export const transactionCommands: CommandTable<ClientSession> = {
  MULTI: row(1, FLAGS, '1.2.0', GROUP, 'Begins a transaction.', multi, { complexity: 'O(1)' }),
  EXEC: row(1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, '1.2.0', GROUP, 'Runs the queued commands.', exec, {
    complexity: 'Depends on the queued commands',
  }),
  DISCARD: row(1, FLAGS, '2.0.0', GROUP, 'Forgets the queued commands.', discard, { complexity: 'O(N) of the queue' }),
  WATCH: row(-2, FLAGS, '2.2.0', GROUP, 'Makes EXEC do nothing if one of the keys changes before it.', watch, {
    keys: [1, -1, 1],
    complexity: 'O(1) for every key',
  }),
  UNWATCH: row(1, FLAGS, '2.2.0', GROUP, 'Forgets the watched keys.', unwatch, { complexity: 'O(1)' }),
}
