/** A connection as CLIENT LIST shows it. Source of the fields: redis 7.0 networking.c catClientInfoString(). */
import {
  CLIENT_BLOCKED,
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_DIRTY_CAS,
  CLIENT_MONITOR,
  CLIENT_MULTI,
  CLIENT_NO_EVICT,
  CLIENT_NO_TOUCH,
  CLIENT_POSTPONED,
  CLIENT_PUBSUB,
  CLIENT_READONLY,
  CLIENT_REPLICA,
  CLIENT_UNIX_SOCKET,
} from '../clients/connection-flags.ts'
import type { ClientSession, ConnectionFacts } from '../clients/session.ts'
import { NO_QUEUE } from '../clients/transaction.ts'

const FLAG_LETTERS: readonly (readonly [flag: number, letter: string])[] = [
  [CLIENT_MONITOR, 'O'],
  [CLIENT_REPLICA, 'S'],
  [CLIENT_PUBSUB, 'P'],
  [CLIENT_MULTI, 'x'],
  [CLIENT_BLOCKED | CLIENT_POSTPONED, 'b'],
]
const LATER_FLAG_LETTERS: readonly (readonly [flag: number, letter: string])[] = [
  [CLIENT_DIRTY_CAS, 'd'],
  [CLIENT_CLOSE_AFTER_REPLY, 'c'],
  [CLIENT_UNIX_SOCKET, 'U'],
  [CLIENT_READONLY, 'r'],
  [CLIENT_NO_EVICT, 'e'],
  [CLIENT_NO_TOUCH, 'T'],
]

function letters(session: ClientSession, { queue }: ConnectionFacts): string {
  let text = ''
  // A transaction in the connection's I/O thread is in no flag here.
  const flags = session.flags | (queue === NO_QUEUE ? 0 : CLIENT_MULTI)
  for (const [flag, letter] of FLAG_LETTERS) if ((flags & flag) !== 0) text += letter
  if (session.tracking !== undefined) {
    text += 't'
    if (session.redirectBroken) text += 'R'
    if (session.tracking.broadcast) text += 'B'
  }
  for (const [flag, letter] of LATER_FLAG_LETTERS) if ((session.flags & flag) !== 0) text += letter
  return text === '' ? 'N' : text
}

/** Without line end. The socket's descriptor is not known to JavaScript: fd is -1. */
export function describeClient(session: ClientSession): string {
  const nowMs = session.server.clock.monotonicMs()
  const seconds = (sinceMs: number): number => Math.floor((nowMs - sinceMs) / 1000)
  const { subscriptions, decoder, facts, feed } = session
  const keptBytes = feed?.lagBytes ?? 0
  const free = Math.max(0, decoder.heldBytes - decoder.pendingBytes)
  const fields = [
    `id=${session.id}`,
    `addr=${session.address}`,
    `laddr=${session.localAddress}`,
    'fd=-1',
    `name=${session.name}`,
    `age=${seconds(session.createdAtMs)}`,
    `idle=${seconds(facts.lastInteractionMs)}`,
    `flags=${letters(session, facts)}`,
    `db=${session.db}`,
    `sub=${subscriptions.channels.size}`,
    `psub=${subscriptions.patterns.size}`,
    `ssub=${subscriptions.shardChannels.size}`,
    `multi=${facts.queue.count}`,
    `qbuf=${facts.inputBytes}`,
    `qbuf-free=${free}`,
    `argv-mem=${facts.inputBytes}`,
    `multi-mem=${facts.queue.argumentBytes}`,
    'rbs=0',
    'rbp=0',
    `obl=${session.outputBytes}`,
    `oll=${session.writesInFlight}`,
    `omem=${facts.outputBytes + keptBytes}`,
    `tot-mem=${session.memoryBytes + keptBytes}`,
    `events=${session.writesInFlight > 0 ? 'rw' : 'r'}`,
    `cmd=${facts.command ?? 'NULL'}`,
    `user=${session.user}`,
    `redir=${session.tracking === undefined ? -1 : session.tracking.redirect}`,
    `resp=${session.resp}`,
    `lib-name=${session.libraryName}`,
    `lib-ver=${session.libraryVersion}`,
  ]
  return fields.join(' ')
}
