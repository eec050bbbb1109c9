/** The loaders: a pool of worker threads that load snapshots. The only place that knows where the worker's file is. */
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
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
/** How long closing waits for loads to give up before their threads are ended. */
const CLOSE_AFTER_MS = 2000

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
  /** Loads under way, and what ends when they do. */
  readonly #active = new Map<RingProducer, { readonly running: Promise<unknown>; readonly giveUp: AbortController }>()
  #closed = false

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
    // A thread that could not even start (its working directory is gone, no memory): the load that waits for it would wait for ever.
    this.#pool.on('error', (error: unknown) => {
      for (const { giveUp } of this.#active.values()) giveUp.abort(error)
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
    this.#closed = true
    for (const producer of this.#active.keys()) producer.abort()
    // Threads that give up by themselves remove their files.
    const given = new AbortController()
    const late = sleep(CLOSE_AFTER_MS, undefined, { signal: given.signal }).catch(() => {})
    await Promise.race([Promise.allSettled([...this.#active.values()].map(({ running }) => running)), late])
    given.abort()
    await this.#pool.destroy()
  }

  async #run(task: LoadTask, producer: RingProducer): Promise<LoadReply & { ok: true }> {
    let reply: LoadReply
    const giveUp = new AbortController()
    const { signal } = giveUp
    try {
      // A closed Piscina would take the task and never run it.
      if (this.#closed) throw new Error('the pool is closed')
      const transferList = task.spacePort === undefined ? [] : [task.spacePort]
      const running = this.#pool.run(task, { signal, transferList })
      this.#active.set(producer, { running, giveUp })
      reply = await running
    } catch (error) {
      // The thread died: out of memory, terminated, or the pool is closed.
      if (task.file !== undefined) await rm(task.file.temporaryPath, { force: true }).catch(() => {})
      const fault: unknown = signal.aborted ? signal.reason : error
      const text = fault instanceof Error ? fault.message : String(fault)
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
