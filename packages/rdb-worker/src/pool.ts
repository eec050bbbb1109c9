/**
 * The loaders: a pool of worker threads that load snapshots, one that scans and some that help it to insert. The only place
 * that knows where the worker's file is, and that learns of a thread's death: it then wakes who waits for that thread.
 */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { DEFAULT_THRESHOLDS, memoryFingerprint, RdbError } from '@understudy/core/loading'
import type { RdbLoad, RdbLoader, RdbLoadOptions, RdbLoadResult } from '@understudy/core/loading'
import { Inserters } from './load/inserters.ts'
import { checkLoadOptions } from './load/load-options.ts'
import { inserterShares, LOAD_THREADS_MAX } from './load/region-shares.ts'
import { createRing, RING_BYTES_DEFAULT, RingProducer } from './load/ring.ts'
import { RingLoad } from './load/ring-load.ts'
import { fromRecord } from './messages.ts'
import type { InsertTask, LoadReply, LoadTask } from './messages.ts'
import { lengthOfFile } from './scan/scan-file.ts'

/** Beside dist/, where this stands when it is bundled (scripts/bundle.mjs). */
const WORKER_URL = new URL('../threads/loader.cjs', import.meta.url)

/** One loads; a second may start while the first still gives up. */
const LOADS_MAX = 2
/** A shorter snapshot is loaded before another thread is up. */
const PARALLEL_BYTES_MIN: number = 8 << 20
/** Exports of the worker's file, beside the default, which loads. */
const INSERT = 'insert'
const PREPARE = 'prepare'
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
  /** Threads of one load, 1 to 8: one scans, all insert. As many as there are cores by default. See `RdbLoad.useAllThreads`. */
  readonly threads?: number
  /** Snapshots known to be shorter are loaded by one thread. 8 MiB by default; less in tests. */
  readonly parallelBytesMin?: number
  /** Begin no load before all its threads are up, for tests: otherwise those that are not up in time are not missed. */
  readonly awaitInserters?: boolean
  /** A module that exports `insert`, to be an inserter that fails. */
  readonly insertModuleUrl?: string
}

type FileOptions = Parameters<RdbLoader['loadFile']>[1]

export class RdbLoaderPool implements RdbLoader {
  readonly #pool: Piscina<LoadTask | undefined, LoadReply>
  /** Apart from the loaders, who would otherwise wait for threads that wait for loaders. */
  readonly #inserterPool: Piscina<InsertTask | undefined, void>
  readonly #ringBytes: number
  readonly #sinkModuleUrl: string | undefined
  readonly #shares: number[]
  readonly #parallelBytesMin: number
  readonly #awaitInserters: boolean
  readonly #insertModuleUrl: string
  /** Loads under way, and what ends when they do. */
  readonly #active = new Map<RingProducer, { readonly running: Promise<unknown>; readonly giveUp: AbortController }>()
  /** Of the loads under way. */
  readonly #inserters = new Set<Inserters>()
  /** Threads that `prepare` starts. A load that came before they are up would start others beside them. */
  #preparing: Promise<unknown> | undefined
  /** Ends the wait for those threads: the load that waits for them is not one of the active ones yet. */
  #giveUpPreparing: AbortController | undefined
  #closed = false

  constructor(options: RdbLoaderPoolOptions = {}) {
    this.#ringBytes = options.ringBytes ?? RING_BYTES_DEFAULT
    this.#sinkModuleUrl = options.sinkModuleUrl
    const threads = options.threads ?? Math.min(LOAD_THREADS_MAX, availableParallelism())
    this.#shares = inserterShares(threads)
    this.#parallelBytesMin = options.parallelBytesMin ?? PARALLEL_BYTES_MIN
    this.#awaitInserters = options.awaitInserters ?? false
    this.#insertModuleUrl = options.insertModuleUrl ?? WORKER_URL.href
    const filename = WORKER_URL.href
    const idleTimeout = IDLE_TIMEOUT_MS
    this.#pool = new Piscina({
      filename,
      minThreads: 0,
      maxThreads: LOADS_MAX,
      concurrentTasksPerWorker: 1,
      // Nobody asks for Piscina's histograms, of 360 KB each.
      recordTiming: false,
      idleTimeout,
    })
    this.#inserterPool = new Piscina({
      filename: this.#insertModuleUrl,
      name: INSERT,
      minThreads: 0,
      maxThreads: Math.max(1, LOADS_MAX * (threads - 1)),
      concurrentTasksPerWorker: 1,
      // Nobody asks for Piscina's histograms, of 360 KB each.
      recordTiming: false,
      idleTimeout,
    })
    // A thread that could not even start (its working directory is gone, no memory): the load that waits for it would wait for ever.
    this.#pool.on('error', (error: unknown) => {
      this.#giveUpPreparing?.abort(error)
      for (const { giveUp } of this.#active.values()) giveUp.abort(error)
    })
    // Nobody waits for an inserter that did not start.
    this.#inserterPool.on('error', (error: unknown) => {
      this.#giveUpPreparing?.abort(error)
      for (const inserters of this.#inserters) inserters.giveUpStarting()
    })
  }

  /** Threads that one load may take. */
  get threads(): number {
    return this.#shares.length + 1
  }

  /**
   * Starts the threads that a load of so many bytes will take: they read their modules while the caller does something
   * else. They end again when no load comes within a second. Harmless if they cannot start: a load will say so.
   */
  prepare(totalBytes: number): void {
    const giveUp = new AbortController()
    const options = { name: PREPARE, signal: giveUp.signal }
    const starts: Promise<unknown>[] = [this.#pool.run(undefined, options)]
    if (totalBytes >= this.#parallelBytesMin) {
      for (const _ of this.#shares) starts.push(this.#inserterPool.run(undefined, options))
    }
    this.#giveUpPreparing = giveUp
    this.#preparing = Promise.allSettled(starts)
  }

  load(options: RdbLoadOptions): RdbLoad {
    checkLoadOptions(options)
    const { framing } = options
    const givesWay = options.givesWay ?? false
    const totalBytes = framing.kind === 'length' ? framing.byteLength : Number.POSITIVE_INFINITY
    const inserters = this.#newInserters(totalBytes, givesWay)
    const ring = createRing(this.#ringBytes)
    const producer = new RingProducer(ring)
    const { port1, port2 } = new MessageChannel()
    const task: LoadTask = {
      memoryFingerprint: memoryFingerprint(),
      ring,
      spacePort: port2,
      source: { kind: 'ring', framing },
      databaseCount: options.databaseCount,
      hashSeed: options.hashSeed,
      encodings: { ...(options.encodings ?? DEFAULT_THRESHOLDS) },
      tracksFrequency: options.tracksFrequency ?? false,
      verifyChecksum: options.verifyChecksum,
      file: options.file,
      keyLoadDelayMicros: options.keyLoadDelayMicros ?? 0,
      sinkModuleUrl: this.#sinkModuleUrl,
      inserters: inserters.links,
      awaitInserters: this.#awaitInserters,
      givesWay,
    }
    const reply = this.#run(task, producer, inserters)
    if (this.#awaitInserters) inserters.start()
    return new RingLoad(producer, framing, port1, reply, () => inserters.start())
  }

  async loadFile(
    path: string,
    options: FileOptions,
    onProgress?: (loadedBytes: number, totalBytes: number, loadedKeys: number) => void,
  ): Promise<RdbLoadResult> {
    checkLoadOptions(options)
    const totalBytes = lengthOfFile(path)
    // At the start, when nobody is served.
    const givesWay = false
    const inserters = this.#newInserters(totalBytes, givesWay)
    const ring = createRing(16)
    const producer = new RingProducer(ring)
    const task: LoadTask = {
      memoryFingerprint: memoryFingerprint(),
      ring,
      spacePort: undefined,
      source: { kind: 'file', path },
      databaseCount: options.databaseCount,
      hashSeed: options.hashSeed,
      encodings: { ...(options.encodings ?? DEFAULT_THRESHOLDS) },
      tracksFrequency: options.tracksFrequency ?? false,
      verifyChecksum: options.verifyChecksum,
      file: undefined,
      keyLoadDelayMicros: options.keyLoadDelayMicros ?? 0,
      sinkModuleUrl: this.#sinkModuleUrl,
      inserters: inserters.links,
      awaitInserters: this.#awaitInserters,
      givesWay,
    }
    const reporting = onProgress === undefined ? undefined : reportProgress(totalBytes, producer, onProgress)
    try {
      const reply = this.#run(task, producer, inserters)
      // Nothing is faster than a file.
      inserters.start()
      const { generation, summary, keyCount } = await reply
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
    await Promise.all([this.#pool.destroy(), this.#inserterPool.destroy()])
  }

  /** None for a short load. */
  #newInserters(totalBytes: number, givesWay: boolean): Inserters {
    const isShort = totalBytes < this.#parallelBytesMin || this.#sinkModuleUrl !== undefined
    return new Inserters(isShort ? [] : this.#shares, givesWay, async (task, signal) => {
      await this.#preparing
      if (this.#closed) throw new Error('the pool is closed')
      await this.#inserterPool.run(task, { signal, transferList: [task.port] })
    })
  }

  async #run(task: LoadTask, producer: RingProducer, inserters: Inserters): Promise<LoadReply & { ok: true }> {
    let reply: LoadReply
    const giveUp = new AbortController()
    const { signal } = giveUp
    this.#inserters.add(inserters)
    try {
      await this.#preparing
      // A closed Piscina would take the task and never run it.
      if (this.#closed) throw new Error('the pool is closed')
      const transferList = task.inserters.map(({ port }) => port)
      if (task.spacePort !== undefined) transferList.push(task.spacePort)
      const running = this.#pool.run(task, { signal, transferList })
      this.#active.set(producer, { running, giveUp })
      reply = await running
    } catch (error) {
      // The thread died: out of memory, terminated, or the pool is closed.
      if (task.file !== undefined) await rm(task.file, { force: true }).catch(() => {})
      const fault: unknown = signal.aborted ? signal.reason : error
      const text = fault instanceof Error ? fault.message : String(fault)
      throw new RdbError('RDB_WORKER_FAILED', `the RDB worker died: ${text}`, producer.progress().loadedBytes)
    } finally {
      this.#active.delete(producer)
      this.#inserters.delete(inserters)
      inserters.stop()
    }
    if (!reply.ok) throw fromRecord(reply.error)
    return reply
  }
}

function reportProgress(
  totalBytes: number,
  producer: RingProducer,
  onProgress: (loadedBytes: number, totalBytes: number, loadedKeys: number) => void,
): NodeJS.Timeout {
  return setInterval(() => {
    const { loadedBytes, loadedKeys } = producer.progress()
    onProgress(loadedBytes, totalBytes, loadedKeys)
  }, PROGRESS_EVERY_MS).unref()
}
