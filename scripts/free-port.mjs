/** Finds TCP ports on 127.0.0.1 that nobody listens on. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below 32768, where Linux takes the local ports of outgoing connections from: otherwise a client that tries again and
 * again to reach a stopped server may get that server's port as its own and be connected to itself.
 */
const LOWEST_PORT = 20_000
const HIGHEST_PORT = 32_000

/**
 * A port that was free a moment ago. Another process may take it first: who starts a server tries again then.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT)
    if (await isFree(port)) return port
  }
  throw new Error(`100 ports between ${LOWEST_PORT} and ${HIGHEST_PORT} were all taken`)
}

/** @param {number} port */
async function isFree(port) {
  const server = createServer()
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true })
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
