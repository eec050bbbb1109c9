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
 * Test files that run at the same time have ports of their own: a server that is started again where it was, or a port on which
 * nobody is to listen, must not meet a server of another file. Vitest numbers those that run from 1.
 */
const SHARES = 16
const share = Number(process.env['VITEST_POOL_ID'] ?? 0) % SHARES
const SHARE_PORTS = Math.floor((HIGHEST_PORT - LOWEST_PORT) / SHARES)
const LOWEST_OF_SHARE = LOWEST_PORT + share * SHARE_PORTS

/** Given out before: whoever has one may want it again. @type {Set<number>} */
const given = new Set()

/**
 * A port that was free a moment ago, and was not given out before. A process that has nothing to do with us may take it first: who
 * starts a server tries again then.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(LOWEST_OF_SHARE, LOWEST_OF_SHARE + SHARE_PORTS)
    if (given.has(port) && given.size < SHARE_PORTS / 2) continue
    if (!(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`100 ports of ${SHARE_PORTS} from ${LOWEST_OF_SHARE} on were all taken`)
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
