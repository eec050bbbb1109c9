/**
 * An application that embeds the dataset, in a process of its own, which is started as the README advises applications to be: with huge
 * pages. The keyspace and its writer are in the main thread, readers in threads beside it (reading-thread.mjs).
 *
 * IPC, this process:   ready   read { readsPerSecond, writesPerSecond }   failed { message }
 * IPC, its owner:      Reading (embedding-application.mjs)
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Keyspace, Readers } from '../../packages/core/dist/internal.js'
import { Dataset, KEY_BYTES, VALUE_BYTES } from './dataset.mjs'

const UNIT_KEYS = 64

const seed = Number(process.argv[2])
const count = Number(process.argv[3])
const dataset = new Dataset(seed)
const key = Buffer.alloc(KEY_BYTES)
const value = Buffer.alloc(VALUE_BYTES)

/** @param {Record<string, unknown>} message */
function tell(message) {
  process.send?.(message)
}

/** @param {Keyspace} keyspace @param {number} index */
function put(keyspace, index) {
  dataset.writeKey(index, key, 0)
  dataset.writeText(index, value, 0)
  keyspace.put(0, key, 0, KEY_BYTES, 0, 0, value, 0, VALUE_BYTES, -1)
}

function filled() {
  const keyspace = new Keyspace({ databaseCount: 1 })
  for (let from = 0; from < count; from += UNIT_KEYS) {
    keyspace.begin()
    for (let i = from; i < Math.min(count, from + UNIT_KEYS); i++) put(keyspace, i)
    keyspace.end()
  }
  return keyspace
}

/** Writes the same values again, evenly over the time, on this thread. */
class Writer {
  #isStopped = false
  #ended
  #count = 0

  /** @param {Keyspace} keyspace @param {number} perSecond */
  constructor(keyspace, perSecond) {
    this.#ended = this.#run(keyspace, perSecond)
  }

  /** @returns {Promise<number>} Writes per second. */
  async stop() {
    this.#isStopped = true
    return await this.#ended
  }

  /** @param {Keyspace} keyspace @param {number} perSecond */
  async #run(keyspace, perSecond) {
    const began = performance.now()
    while (!this.#isStopped) {
      const due = ((performance.now() - began) / 1000) * perSecond
      for (; this.#count < due; this.#count++) {
        keyspace.begin()
        put(keyspace, Math.floor(Math.random() * count))
        keyspace.end()
      }
      await sleep(1)
    }
    return (this.#count / (performance.now() - began)) * 1000
  }
}

/** A worker thread with a reader. */
class ReadingThread {
  #worker

  /** @param {Readers} readers @param {number} choice Other numbers, other keys. */
  constructor(readers, choice) {
    const handle = readers.attach()
    this.#worker = new Worker(new URL('./reading-thread.mjs', import.meta.url), {
      workerData: { handle, seed, count, choice },
      transferList: [handle.port],
    })
  }

  /**
   * @param {string} way
   * @param {number} milliseconds
   * @returns {Promise<number>} Reads per second. Rejects when a value was wrong.
   */
  async read(way, milliseconds) {
    const answer = once(this.#worker, 'message')
    this.#worker.postMessage({ way, milliseconds })
    return (await answer)[0]
  }
}

const keyspace = filled()
const readers = new Readers(keyspace)
const threads = [1, 2].map((choice) => new ReadingThread(readers, choice))

/** @param {import('./embedding-application.mjs').Reading} reading */
async function read({ way, milliseconds, threadCount, writesPerSecond }) {
  const writer = writesPerSecond === 0 ? undefined : new Writer(keyspace, writesPerSecond)
  const perThread = await Promise.all(threads.slice(0, threadCount).map((thread) => thread.read(way, milliseconds)))
  const written = (await writer?.stop()) ?? 0
  tell({ kind: 'read', readsPerSecond: perThread.reduce((sum, each) => sum + each, 0), writesPerSecond: written })
}

process.on('disconnect', () => process.exit(0))
process.on('message', (/** @type {import('./embedding-application.mjs').Reading} */ reading) => {
  read(reading).catch((error) =>
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  )
})
tell({ kind: 'ready' })
