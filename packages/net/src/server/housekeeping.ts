/** What a node does by itself, many times a second, between commands: each thing in slices of at most SLICE_MS_MAX. Link thread. */
import { ActiveExpiry, SLICE_MS_MAX } from '@understudy/core/internal'
import { loadProgress } from './file-at-start.ts'
import type { Node } from './node.ts'

const HOUSEKEEPING_MS = 20
/** Of a backlog that is resized: copied between two looks at the clock. */
const RESIZE_BYTES = 128 * 1024

export class Housekeeping {
  readonly #node: Node
  readonly #activeExpiry: ActiveExpiry
  #timer: NodeJS.Timeout | undefined

  /** @param node need not be complete before `start()`. */
  constructor(node: Node) {
    this.#node = node
    this.#activeExpiry = new ActiveExpiry(node.keyspace, (db, key) => {
      const { own } = node.below
      own.effects?.deleted(db, key, 0, key.length)
      own.unitEnded()
    })
  }

  start(): void {
    // Keeps the process: no socket has to. A node may listen nowhere for a while, and have no connection to its primary.
    this.#timer = setInterval(() => this.#tick(), HOUSEKEEPING_MS)
    this.#node.defrag.start()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#node.defrag.stop()
  }

  #tick(): void {
    const { keyspace, readers, clock, clientEviction, memoryLimit, state } = this.#node
    const { persistence, failover, shutdown, streamLog } = this.#node
    keyspace.access.setTime(clock.wallMs())
    readers.exchangeMarks()
    this.#expireKeys()
    clientEviction.tick()
    memoryLimit.tick()
    if (!state.loading) persistence.tick()
    failover.look()
    shutdown.look()
    streamLog.tick(this.#node.hasData && !state.loading)
    keyspace.pins.breakOverdue(clock.monotonicMs())
    this.#node.loadReport.tick(loadProgress(this.#node))
    if (keyspace.lazyFreePending > 0) keyspace.freeSlice(SLICE_MS_MAX)
    this.#resizeBacklog()
  }

  #resizeBacklog(): void {
    const { backlog, clock } = this.#node
    const endMs = clock.monotonicMs() + SLICE_MS_MAX
    while (!backlog.resizeSlice(RESIZE_BYTES) && clock.monotonicMs() < endMs);
  }

  /** A replica's keys are its primary's to expire, but for those that its own clients wrote. */
  #expireKeys(): void {
    const { state, server, clock } = this.#node
    if (state.loading || server.pauses.isActive || server.settings.activeExpire === false) return
    const expiry = state.replica ? server.ownExpiring : this.#activeExpiry
    if (expiry.slice(clock.wallMs(), SLICE_MS_MAX) > 0 && server.blockedKeys.hasReady) server.blockedKeys.serve()
  }
}
