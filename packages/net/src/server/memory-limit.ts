/**
 * `maxmemory`: what is counted against it, when keys are evicted, and when commands that need memory are refused. Before each
 * command of a client the room is made that lacks, for a time that `maxmemory-eviction-tenacity` gives; what is left to do then
 * goes on in turns of the event loop of its own, while commands run.
 *
 *   enough ──[more is used than may be]──► evicting ──[time is over]──► goes on between commands
 *                                              └──[no key may go]──► -OOM for commands that may need memory
 *
 * Counted are the blocks of the dataset, the buffers of clients, function libraries, and what the backlog holds; not what is kept for
 * replicas or pins, not room inside of segments, not this process' own heap: none of those becomes less by evicting keys.
 *
 * Link thread. Source: redis 7.0 evict.c performEvictions(), isSafeToPerformEvictions().
 */
import { Eviction, EVICTION_RULES, evictionMsMax, type EvictionOutcome } from '@understudy/core/internal'
import type { Node } from './node.ts'

const LATENCY_EVENT = 'eviction-cycle'

export class MemoryLimit {
  readonly #node: Node
  readonly #eviction: Eviction
  readonly #isTooMuch = (): boolean => this.#countedBytes > this.#bytesMax
  #bytesMax = 0
  #bufferBytes = 0
  #goesOn: NodeJS.Immediate | undefined
  /** Since when too much has been used, monotonic; 0: it is not. */
  #exceededSinceMs = 0
  #exceededMs = 0

  constructor(node: Node) {
    this.#node = node
    const { keyspace, config } = node
    this.#eviction = new Eviction({
      keyspace,
      onEvicted: (db, key, start, end) => {
        const { own } = node.below
        own.effects?.deleted(db, key, start, end, config.get('lazyfree-lazy-eviction') ? 'UNLINK' : 'DEL')
        own.unitEnded()
      },
    })
  }

  /** Follows the configuration; once everything else of the node is there. */
  start(): void {
    const { config } = this.#node
    this.#bytesMax = config.get('maxmemory')
    config.onChange('maxmemory', (bytes) => this.#setMaximum(bytes))
    for (const name of ['maxmemory-policy', 'replica-ignore-maxmemory'] as const) {
      config.onChange(name, () => this.#makeRoomSoon())
    }
  }

  stop(): void {
    clearImmediate(this.#goesOn)
  }

  /** Has it to be called before a command? */
  get isLimited(): boolean {
    return this.#bytesMax > 0
  }

  /** Bytes that count against maxmemory, exactly. O(clients). */
  countBytes(): number {
    this.#node.server.countMemory()
    this.#noteBuffers()
    return this.#countedBytes
  }

  /** What counts beside the dataset: buffers of clients that are no replicas, libraries, and what the backlog holds. */
  #noteBuffers(): void {
    const { server, libraries, below, backlog } = this.#node
    this.#bufferBytes = server.memory.bytes + libraries.codeBytes + (below.isBacklogActive ? backlog.histlen : 0)
  }

  /** Evicts keys if too much is used, and says in the node's state if that was of no use. Outside of units. */
  makeRoom(): void {
    const { state, server } = this.#node
    const outcome = this.#mayEvict() ? this.#evict() : 'enough'
    this.#noteExceeded(outcome !== 'enough')
    if (outcome === 'more') this.#makeRoomSoon()
    const isOut = outcome === 'nothing'
    if (state.outOfMemory === isOut) return
    state.outOfMemory = isOut
    server.nodeChanged()
  }

  /** Call it now and then: adds up buffers, and looks after a replica whose memory is limited: its stream is not a client. */
  tick(): void {
    if (!this.isLimited) return
    this.#noteBuffers()
    if (this.#node.state.replica) this.#makeRoomBetweenCommands()
  }

  /** Lines of INFO that replace those of the same name. */
  statLines(): string[] {
    const currentMs = this.#currentMs
    return [
      `evicted_keys:${this.#node.keyspace.evictedKeys}`,
      `total_eviction_exceeded_time:${Math.floor(this.#exceededMs + currentMs)}`,
      `current_eviction_exceeded_time:${Math.floor(currentMs)}`,
    ]
  }

  /** CONFIG RESETSTAT. */
  resetStatistics(): void {
    this.#exceededMs = 0
    this.#node.keyspace.evictedKeys = 0
  }

  /** A replica is an exact copy of its primary unless told otherwise; a load replaces everything. */
  #mayEvict(): boolean {
    const { config, state, server } = this.#node
    if (!this.isLimited || state.loading) return false
    if (state.replica && config.get('replica-ignore-maxmemory')) return false
    return !server.pauses.isActive
  }

  #evict(): EvictionOutcome {
    if (!this.#isTooMuch()) return 'enough'
    const { config, server, clock } = this.#node
    const beganMs = clock.monotonicMs()
    const outcome = this.#eviction.run({
      rule: EVICTION_RULES[config.get('maxmemory-policy')],
      samples: config.get('maxmemory-samples'),
      isTooMuch: this.#isTooMuch,
      milliseconds: evictionMsMax(config.get('maxmemory-eviction-tenacity')),
    })
    const tookMs = clock.monotonicMs() - beganMs
    const thresholdMs = server.settings.latencyMonitorThresholdMs
    if (thresholdMs > 0 && tookMs >= thresholdMs) server.noteLatency(LATENCY_EVENT, tookMs)
    return outcome
  }

  /** In a turn of its own: what asks for it may be a part of a transaction. */
  #makeRoomSoon(): void {
    this.#goesOn ??= setImmediate(() => {
      this.#goesOn = undefined
      this.#makeRoomBetweenCommands()
    })
  }

  /** Without a command behind it that would look after clients who wait for a key that went. */
  #makeRoomBetweenCommands(): void {
    const { blockedKeys } = this.#node.server
    this.makeRoom()
    if (blockedKeys.hasReady) blockedKeys.serve()
  }

  #setMaximum(bytes: number): void {
    this.#bytesMax = bytes
    const counted = this.countBytes()
    if (bytes > 0 && counted > bytes) {
      this.#node.logger.warning(
        `WARNING: the new maxmemory value set via CONFIG SET (${bytes}) is smaller than the current memory usage ` +
          `(${counted}). This will result in key eviction and/or the inability to accept new write commands ` +
          'depending on the maxmemory-policy.',
      )
    }
    this.#makeRoomSoon()
  }

  /** With buffers as they were added up last. */
  get #countedBytes(): number {
    return this.#node.keyspace.usedBytes - this.#node.keyspace.keptForPinsBytes + this.#bufferBytes
  }

  get #currentMs(): number {
    return this.#exceededSinceMs === 0 ? 0 : this.#node.clock.monotonicMs() - this.#exceededSinceMs
  }

  #noteExceeded(isExceeded: boolean): void {
    if (isExceeded === this.#exceededSinceMs > 0) return
    this.#exceededMs += this.#currentMs
    this.#exceededSinceMs = isExceeded ? this.#node.clock.monotonicMs() : 0
  }
}
