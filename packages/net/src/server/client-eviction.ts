/**
 * `maxmemory-clients`: while the buffers of all clients together take more, connections are closed, those first that take the most. What is
 * counted of one is its `tot-mem` in CLIENT LIST, with what its I/O thread holds. CLIENT NO-EVICT spares a connection, which counts all the
 * same; replicas below and the link to the primary are neither counted nor closed, and have limits of their own.
 *
 * Link thread. Source: redis 7.0 server.c evictClients(), networking.c getClientEvictionLimit(), clientEvictionAllowed().
 */
import { CLIENT_NO_EVICT } from '../clients/connection-flags.ts'
import { describeClient } from '../commands/client-line.ts'
import type { Node } from './node.ts'

/** When there is nobody left to be closed it is tried again so much later. */
const AGAIN_MS = 1000

export class ClientEviction {
  /** Connections closed so far. */
  evicted = 0
  readonly #node: Node
  /** There was nobody left to be closed, and that was told. */
  #isExhausted = false
  #againAtMs = 0

  /** @param node need not be complete before `tick()`. */
  constructor(node: Node) {
    this.#node = node
  }

  /** Call it now and then, between commands. */
  tick(): void {
    const bytesMax = this.#bytesMax
    if (bytesMax === 0) return
    const { clock, server } = this.#node
    if (server.memory.bytes < bytesMax) this.#isExhausted = false
    else if (clock.monotonicMs() >= this.#againAtMs) this.#evict(bytesMax)
  }

  /** 0: no limit. A percentage is one of maxmemory. */
  get #bytesMax(): number {
    const { config } = this.#node
    const value = config.get('maxmemory-clients')
    return value < 0 ? Math.floor((config.get('maxmemory') * -value) / 100) : value
  }

  #evict(bytesMax: number): void {
    const { clock, logger, server } = this.#node
    if (server.countMemory() < bytesMax) return
    const candidates = [...server.sessions.values()]
      .filter(({ flags, type }) => type !== 'replica' && (flags & CLIENT_NO_EVICT) === 0)
      .toSorted((a, b) => b.countedBytes - a.countedBytes)
    for (const session of candidates) {
      if (server.memory.bytes < bytesMax) break
      logger.notice(`Evicting client: ${describeClient(session)}`)
      session.kill()
      this.evicted++
    }
    const isExhausted = server.memory.bytes >= bytesMax
    if (isExhausted && !this.#isExhausted) {
      logger.warning(
        `Over client maxmemory after evicting all evictable clients: ${server.memory.bytes} bytes are in use, ` +
          `maxmemory-clients is ${bytesMax}`,
      )
    }
    this.#isExhausted = isExhausted
    this.#againAtMs = isExhausted ? clock.monotonicMs() + AGAIN_MS : 0
  }
}
