/** The receiving side of one load: hands out ring memory, tells about room, settles the result. */
import { strict as assert } from 'node:assert'
import type { MessagePort } from 'node:worker_threads'
import type { RdbLoad, RdbLoadOptions, RdbLoadResult } from '@understudy/core/loading'
import type { LoadReply } from '../messages.ts'
import type { RingProducer } from './ring.ts'

export class RingLoad implements RdbLoad {
  onSpace: (() => void) | undefined
  readonly result: Promise<RdbLoadResult>
  readonly #ring: RingProducer
  /** Bytes that may still be received: infinite for framing 'mark'. */
  #bytesLeft: number
  #waitingForSpace = false
  #settled = false
  #leftover: Uint8Array | undefined
  readonly #startInserters: () => void

  /**
   * @param settle makes the result of the worker's reply, or the error
   * @param spacePort brings a message when the ring has room again. @param startInserters is called again and again
   */
  constructor(
    ring: RingProducer,
    framing: RdbLoadOptions['framing'],
    spacePort: MessagePort,
    reply: Promise<LoadReply & { ok: true }>,
    startInserters: () => void,
  ) {
    this.#ring = ring
    this.#startInserters = startInserters
    this.#bytesLeft = framing.kind === 'length' ? framing.byteLength : Number.POSITIVE_INFINITY
    spacePort.on('message', () => {
      if (!this.#waitingForSpace) return
      this.#waitingForSpace = false
      this.onSpace?.()
    })
    spacePort.unref()
    this.result = this.#settle(framing, spacePort, reply)
    // A caller that has given up may never look at the result.
    this.result.catch(() => {})
  }

  async #settle(
    framing: RdbLoadOptions['framing'],
    spacePort: MessagePort,
    pending: Promise<LoadReply & { ok: true }>,
  ): Promise<RdbLoadResult> {
    try {
      const { generation, summary, keyCount, leftover, fileFault } = await pending
      if (framing.kind === 'mark') this.#leftover = leftover
      return { generation, summary, keyCount, ...(fileFault === undefined ? {} : { fileFault }) }
    } finally {
      this.#settled = true
      spacePort.close()
    }
  }

  writable(limit: number = Number.POSITIVE_INFINITY): Uint8Array | undefined {
    const most = Math.min(limit, this.#bytesLeft)
    if (most <= 0) return undefined
    const free = this.#ring.writable(most)
    this.#waitingForSpace = free === undefined
    return free
  }

  produced(count: number): void {
    this.#ring.produced(count)
    this.#bytesLeft -= count
    assert(this.#bytesLeft >= 0, 'more bytes than the snapshot has')
  }

  useAllThreads(): void {
    this.#startInserters()
  }

  end(): void {
    this.#ring.end()
  }

  abort(): void {
    this.#ring.abort()
  }

  progress(): { loadedBytes: number; loadedKeys: number } {
    return this.#ring.progress()
  }

  leftover(): Uint8Array[] {
    assert(this.#settled && this.#leftover !== undefined, 'leftover bytes exist after a load with an end mark')
    return [this.#leftover, ...this.#ring.untaken()].filter(({ length }) => length > 0)
  }
}
