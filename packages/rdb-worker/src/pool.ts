/** The loaders: a pool of worker threads that load snapshots. The only place that knows where the worker's file is. */
import { statSync } from 'node:fs'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { RdbError } from '@understudy/core/internal'
import type { RdbLoad, RdbLoader, RdbLoadOptions, RdbLoadResult } from '@understudy/core/internal'
import { createRing, RING_BYTES_DEFAULT, RingProducer } from './load/ring.ts'
import { RingLoad } from './load/ring-load.ts'
import { fromRecord } from './messages.ts'
import type { LoadReply, LoadTask } from './messages.ts'

/** Not rewritten by the compiler: the name the file has beside this one's output in dist/. */
const WORKER_URL = new URL('./load/loader-worker.js', import.meta.url)

/** One loads; a second may start while the first still gives up. */
const THREADS_MAX = 2
/** A thread that did its work goes soon: memory of a generation that was dropped is held by every thread that saw it. */
const IDLE_TIMEOUT_MS = 1000
const PROGRESS_EVERY_MS = 200

export interface RdbLoaderPoolOptions {
  /** Bytes between the receiver and the loader: a power of two, 8 MiB by default. */
  readonly ringBytes?: number
  /** A module that exports `createLoaderSink`, to fill something else than a generation of the keyspace. */
  readonly sinkModuleUrl?: string
}

type FileOptions = Parameters<RdbLoader['loadFile']>[1]

export class RdbLoaderPool implements RdbLoader {
  readonly #pool: Piscina<LoadTask, LoadReply>
  readonly #ringBytes: number
  readonly #sinkModuleUrl: string | undefined
  readonly #active = new Set<RingProducer>()

  constructor(options: RdbLoaderPoolOptions = {}) {
    this.#ringBytes = options.ringBytes ?? RING_BYTES_DEFAULT
    this.#sinkModuleUrl = options.sinkModuleUrl
    this.#pool = new Piscina({
      filename: WORKER_URL.href,
      minThreads: 0,
      maxThreads: THREADS_MAX,
      concurrentTasksPerWorker: 1,
      idleTimeout: IDLE_TIMEOUT_MS,
    })
  }

  load(options: RdbLoadOptions): RdbLoad {
    const ring = createRing(this.#ringBytes)
    const producer = new RingProducer(ring)
    const { port1, port2 } = new MessageChannel()
    const task: LoadTask = {
      ring,
      spacePort: port2,
      source: { kind: 'ring', framing: options.framing },
      databaseCount: options.databaseCount,
      hashSeed: options.hashSeed,
      verifyChecksum: options.verifyChecksum,
      file: options.file,
      keyLoadDelayMicros: options.keyLoadDelayMicros ?? 0,
      sinkModuleUrl: this.#sinkModuleUrl,
    }
    return new RingLoad(producer, options.framing, port1, this.#run(task, producer))
  }

  async loadFile(
    path: string,
    options: FileOptions,
    onProgress?: (loadedBytes: number, totalBytes: number, loadedKeys: number) => void,
  ): Promise<RdbLoadResult> {
    const ring = createRing(16)
    const producer = new RingProducer(ring)
    const task: LoadTask = {
      ring,
      spacePort: undefined,
      source: { kind: 'file', path },
      databaseCount: options.databaseCount,
      hashSeed: options.hashSeed,
      verifyChecksum: options.verifyChecksum,
      file: undefined,
      keyLoadDelayMicros: options.keyLoadDelayMicros ?? 0,
      sinkModuleUrl: this.#sinkModuleUrl,
    }
    const reporting = onProgress === undefined ? undefined : reportProgress(path, producer, onProgress)
    try {
      const { generation, summary, keyCount } = await this.#run(task, producer)
      return { generation, summary, keyCount }
    } finally {
      clearInterval(reporting)
    }
  }

  async close(): Promise<void> {
    for (const producer of this.#active) producer.abort()
    await this.#pool.destroy()
  }

  async #run(task: LoadTask, producer: RingProducer): Promise<LoadReply & { ok: true }> {
    this.#active.add(producer)
    let reply: LoadReply
    try {
      reply = await this.#pool.run(task, task.spacePort === undefined ? {} : { transferList: [task.spacePort] })
    } catch (error) {
      // The thread died: out of memory, terminated, or the pool is closed.
      const text = error instanceof Error ? error.message : String(error)
      throw new RdbError('RDB_WORKER_FAILED', `the RDB worker died: ${text}`, producer.progress().loadedBytes)
    } finally {
      this.#active.delete(producer)
    }
    if (!reply.ok) throw fromRecord(reply.error)
    return reply
  }
}

function reportProgress(
  path: string,
  producer: RingProducer,
  onProgress: (loadedBytes: number, totalBytes: number, loadedKeys: number) => void,
): NodeJS.Timeout {
  const totalBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  return setInterval(() => {
    const { loadedBytes, loadedKeys } = producer.progress()
    onProgress(loadedBytes, totalBytes, loadedKeys)
  }, PROGRESS_EVERY_MS).unref()
}
