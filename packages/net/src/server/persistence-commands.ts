/**
 * SAVE, BGSAVE, BGREWRITEAOF. LASTSAVE and SHUTDOWN are with the commands about the server.
 *
 * Source: redis 7.0 rdb.c saveCommand(), bgsaveCommand().
 */
import {
  ADMIN,
  argIs,
  type CommandTable,
  NO_ASYNC_LOADING,
  NO_MULTI,
  NOSCRIPT,
  SYNTAX_ERROR,
} from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'
import { row } from '../commands/rows.ts'
import type { Persistence } from './persistence.ts'

const IN_PROGRESS = 'ERR Background save already in progress'

export function persistenceCommands(persistence: Persistence): CommandTable<ClientSession> {
  return {
    SAVE: row(
      1,
      ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
      '1.0.0',
      'server',
      'Writes a snapshot to disk; no client is served before it is there.',
      ({ reply }) => {
        if (persistence.isSaving) reply.error(IN_PROGRESS)
        else if (persistence.save()) reply.ok()
        else reply.error(`ERR ${persistence.fault}`)
      },
    ),
    BGSAVE: row(
      -1,
      ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
      '1.0.0',
      'server',
      'Writes a snapshot to disk in the background.',
      (client) => runBgsave(persistence, client),
    ),
    BGREWRITEAOF: row(
      1,
      ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
      '1.0.0',
      'server',
      'Rewrites the append-only file.',
      ({ reply }) => reply.error('ERR There is no append-only file in Understudy; nothing was written'),
    ),
  }
}

/** BGSAVE [SCHEDULE]: nothing is written beside it that one would have to wait for. */
function runBgsave(persistence: Persistence, { args, reply }: ClientSession): void {
  if (args.count > 1 && !(args.count === 2 && argIs(args, 1, 'SCHEDULE'))) {
    reply.error(SYNTAX_ERROR)
    return
  }
  const outcome = persistence.saveInBackground()
  if (outcome === 'busy') reply.error(IN_PROGRESS)
  else reply.simple(`Background saving ${outcome}`)
}
