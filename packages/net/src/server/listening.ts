/** Where the server listens, as the configuration says it; and what CONFIG SET port or bind does. */
import type { ListenOptions } from '../clients/listeners.ts'
import type { Config } from '../config/config.ts'
import { errorText } from '../error-text.ts'
import type { Node } from './node.ts'

export function listenOptions(config: Config): ListenOptions {
  const socket = config.path('unixsocket')
  return {
    bind: config.get('bind'),
    port: config.get('port'),
    ...(socket === undefined ? {} : { unixSocket: socket, unixSocketPermissions: config.get('unixsocketperm') }),
  }
}

/** Can anybody connect? */
export function listensSomewhere(config: Config): boolean {
  return config.get('port') !== 0 || config.path('unixsocket') !== undefined
}

/** 1: the link thread serves the clients itself. Threads without a client would take memory, and as readers the writer's time. */
export function ioThreadCount(config: Config): number {
  return listensSomewhere(config) ? config.get('io-threads') : 1
}

/** Why CONFIG SET of a directive was refused. */
const REFUSALS = {
  port: 'Unable to listen on this port. Check server logs.',
  bind: 'Failed to bind to specified addresses.',
} as const

/**
 * Moves to the port and addresses that the configuration names now. @param changed the directive that was set
 * @returns why it could not; it listens where it did, then
 */
export async function listenAnew(
  { config, logger, server }: Node,
  changed: keyof typeof REFUSALS,
): Promise<string | undefined> {
  const port = config.get('port')
  const bind = config.get('bind')
  try {
    await server.relisten({ bind, port })
    return undefined
  } catch (error) {
    logger.warning(errorText(error))
    return REFUSALS[changed]
  }
}
