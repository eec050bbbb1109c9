/**
 * `maxmemory-clients`: while the buffers of all clients together take more, connections are closed, those first that take the most. What is
 * counted of one is its `tot-mem` in CLIENT LIST, with what its I/O thread holds. CLIENT NO-EVICT spares a connection, which counts all the
 * same; replicas below and the link to the primary are neither counted nor closed, and have limits of their own.
 *
 * Link thread. Source: redis 7.0 server.c evictClients(), networking.c getClientEvictionLimit(), clientEvictionAllowed().
 */
import { CLIENT_NO_EVICT } from '../clients/connection-flags.ts'
import type { ClientSession } from '../clients/session.ts'
import { describeClient } from '../commands/client-line.ts'
import type { Node } from './node.ts'

/** How often memory is counted, milliseconds. Redis counts with every command, and evicts at the end of a turn. */
const COUNT_MS = 100

export class ClientEviction {
  /** Connections closed so far. */
  evicted = 0
  readonly #node: Node
  #countedMs = Number.NEGATIVE_INFINITY
  /** There is nobody left to be closed, and that was told. */
  #isExhausted = false

  /** @param node need not be complete before `tick()`. */
  constructor(node: Node) {
    this.#node = node
  }

  /** Call it now and then, between commands. O(clients) while there is a limit. */
  tick(): void {
    const bytesMax = this.#bytesMax
    if (bytesMax === 0) return
    const nowMs = this.#node.clock.monotonicMs()
    if (nowMs - this.#countedMs < COUNT_MS) return
    this.#countedMs = nowMs
    let bytes = 0
    for (const session of this.#node.server.sessions.values()) if (isCounted(session)) bytes += session.memoryBytes
    if (bytes >= bytesMax) this.#evict(bytes, bytesMax)
    else this.#isExhausted = false
  }

  /** 0: no limit. A percentage is one of maxmemory. */
  get #bytesMax(): number {
    const { config } = this.#node
    const value = config.get('maxmemory-clients')
    return value < 0 ? Math.floor((config.get('maxmemory') * -value) / 100) : value
  }

  #evict(bytes: number, bytesMax: number): void {
    const { logger, server } = this.#node
    const candidates = [...server.sessions.values()]
      .filter((session) => isCounted(session) && (session.flags & CLIENT_NO_EVICT) === 0)
      .map((session) => ({ session, bytes: session.memoryBytes }))
      .toSorted((a, b) => b.bytes - a.bytes)
    let rest = bytes
    for (const candidate of candidates) {
      if (rest < bytesMax) break
      logger.notice(`Evicting client: ${describeClient(candidate.session)}`)
      candidate.session.kill()
      this.evicted++
      rest -= candidate.bytes
    }
    const isExhausted = rest >= bytesMax
    if (isExhausted && !this.#isExhausted) {
      logger.warning(
        `Over client maxmemory after evicting all evictable clients: ${rest} bytes are in use, maxmemory-clients is ${bytesMax}`,
      )
    }
    this.#isExhausted = isExhausted
  }
}

function isCounted({ type }: ClientSession): boolean {
  return type !== 'replica'
}
