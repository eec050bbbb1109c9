/**
 * What comes before the end of the process: SHUTDOWN and signals say whether a snapshot is saved, or save points do. Who ends the
 * process then is main.ts.
 *
 * Source: redis 7.0 server.c prepareForShutdown(), finishShutdown(), sigShutdownHandler().
 */
import type { ShutdownRequest } from '../clients/ports.ts'
import type { Config } from '../config/config.ts'
import type { Node } from './node.ts'

/** What a signal asks for: shutdown-on-sigterm, shutdown-on-sigint. */
export function shutdownOnSignal(config: Config, signal: 'SIGTERM' | 'SIGINT'): ShutdownRequest {
  const chosen = config.get(signal === 'SIGTERM' ? 'shutdown-on-sigterm' : 'shutdown-on-sigint')
  const save = chosen.includes('save') ? 'yes' : chosen.includes('nosave') ? 'no' : 'default'
  return { save, now: chosen.includes('now'), force: chosen.includes('force') }
}

/**
 * Saves what is to be saved before the end. A node without data of its own saves nothing: the file it has is worth more.
 * @returns false when that failed and the end was not forced: the process is to go on
 */
export function saveBeforeEnd(
  { config, logger, persistence, state }: Pick<Node, 'config' | 'logger' | 'persistence' | 'state'>,
  { save, force }: ShutdownRequest,
): boolean {
  const wanted = save === 'default' ? config.get('save').length > 0 : save === 'yes'
  if (!wanted || state.loading) return true
  logger.notice('Saving the final RDB snapshot before exiting.')
  if (persistence.save()) return true
  logger.warning(force ? 'Error trying to save the DB. Exit anyway.' : "Error trying to save the DB, can't exit.")
  return force
}
