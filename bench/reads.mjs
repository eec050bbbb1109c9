/**
 * Reading inside of a process, from a thread beside the writer's: random keys of those that are there, as string, as borrowed
 * view, as Buffer and by MGET of 16. Beside a Map of the same strings, and ioredis with a redis-server on this machine. Then
 * while the writer changes 50,000 values a second, and with a second reading thread.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Redis } from 'ioredis'
import { Keyspace, Readers } from '../packages/core/dist/internal.js'
import { Dataset, KEY_BYTES, VALUE_BYTES } from './support/dataset.mjs'
import { Row } from './support/row.mjs'

const UNIT_KEYS = 64
const WRITES_PER_SECOND = 50_000
const PIPELINE = 100
const FILLED_AT_ONCE = 1000
/** A Map of more strings is mostly a test of the heap. */
const MAP_KEYS_MAX = 1_000_000

/** @typedef {'string' | 'view' | 'Buffer' | 'mget of 16'} Way */
/** @type {[way: Way, millionsAtOneMillion: number][]} */
const WAYS = [
  ['string', 2],
  ['view', 2],
  ['mget of 16', 2],
  ['Buffer', 1.5],
]

/** @param {import('./support/run.mjs').Run} run */
export async function reads(run) {
  const { sizes, seed, pairs, log } = run
  /** @type {Row[]} */
  const rows = []
  for (const count of sizes.readKeys) {
    const dataset = new Dataset(seed)
    const keyspace = filled(dataset, count)
    const readers = new Readers(keyspace)
    const first = new ReadingThread(readers, { seed, count, choice: 1 })
    const second = new ReadingThread(readers, { seed, count, choice: 2 })
    const millions = `${count / 1e6} M keys`
    /** @param {string} title @param {string} ours @param {string} theirs @param {number} [ratio] */
    const row = (title, ours, theirs, ratio) => {
      const goal = ratio === undefined ? {} : { goal: { ratio, direction: /** @type {const} */ ('at least') } }
      const made = new Row({ scenario: 'reads', title, unit: 'reads/s', ours, theirs, ...goal })
      made.contents = 'right: each value read was compared'
      rows.push(made)
      return made
    }
    for (const [way, goal] of WAYS) {
      const map = count > MAP_KEYS_MAX ? undefined : row(`${way}, ${millions}`, 'Understudy', 'a Map')
      const writing = row(
        `${way}, ${millions}, ${WRITES_PER_SECOND / 1000} k writes/s`,
        'while written',
        'writer idle',
        0.75,
      )
      const threads = row(`${way}, ${millions}, two threads`, 'two threads', 'one thread', 1.8)
      await first.read(way, sizes.readMs)
      for (let pair = 0; pair < pairs; pair++) {
        const idle = await first.read(way, sizes.readMs)
        if (map !== undefined) {
          map.add('ours', idle)
          map.add('theirs', await first.read('Map', sizes.readMs))
        }
        const writer = new Writer(keyspace, dataset, count)
        writing.add('ours', await first.read(way, sizes.readMs))
        const written = await writer.stop()
        writing.add('theirs', idle)
        const both = await Promise.all([first.read(way, sizes.readMs), second.read(way, sizes.readMs)])
        threads.add('ours', both[0] + both[1])
        threads.add('theirs', idle)
        log(
          `reads ${pair + 1}/${pairs} ${way}, ${millions}: ${(idle / 1e6).toFixed(2)} M/s (goal at 1 M: ${goal}), ` +
            `while written ${(written / 1000).toFixed(0)} k/s, two threads ${((both[0] + both[1]) / 1e6).toFixed(2)} M/s`,
        )
      }
      threads.notes.push(`the goal at 1 M keys is ${goal} M reads/s by one thread`)
    }
    if (count === sizes.readKeys[0]) rows.push(...(await besideIoredis(run, first, millions)))
    await first.stop()
    await second.stop()
  }
  return rows
}

/**
 * @param {Dataset} dataset
 * @param {number} count
 */
function filled(dataset, count) {
  const keyspace = new Keyspace({ databaseCount: 1 })
  const key = Buffer.alloc(KEY_BYTES)
  const value = Buffer.alloc(VALUE_BYTES)
  for (let from = 0; from < count; from += UNIT_KEYS) {
    keyspace.begin()
    for (let i = from; i < Math.min(count, from + UNIT_KEYS); i++) {
      dataset.writeKey(i, key, 0)
      dataset.writeText(i, value, 0)
      keyspace.put(0, key, 0, KEY_BYTES, 0, 0, value, 0, VALUE_BYTES, -1)
    }
    keyspace.end()
  }
  return keyspace
}

/** Writes the same values again, evenly over the time, on this thread. */
class Writer {
  #isStopped = false
  #ended
  #count = 0

  /**
   * @param {Keyspace} keyspace
   * @param {Dataset} dataset
   * @param {number} keys
   */
  constructor(keyspace, dataset, keys) {
    this.#ended = this.#run(keyspace, dataset, keys)
  }

  /** @returns {Promise<number>} Writes per second. */
  async stop() {
    this.#isStopped = true
    return await this.#ended
  }

  /**
   * @param {Keyspace} keyspace
   * @param {Dataset} dataset
   * @param {number} keys
   */
  async #run(keyspace, dataset, keys) {
    const began = performance.now()
    const key = Buffer.alloc(KEY_BYTES)
    const value = Buffer.alloc(VALUE_BYTES)
    while (!this.#isStopped) {
      const due = ((performance.now() - began) / 1000) * WRITES_PER_SECOND
      for (; this.#count < due; this.#count++) {
        const index = Math.floor(Math.random() * keys)
        dataset.writeKey(index, key, 0)
        dataset.writeText(index, value, 0)
        keyspace.begin()
        keyspace.put(0, key, 0, KEY_BYTES, 0, 0, value, 0, VALUE_BYTES, -1)
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

  /**
   * @param {Readers} readers
   * @param {{ seed: number, count: number, choice: number }} facts
   */
  constructor(readers, facts) {
    const handle = readers.attach()
    this.#worker = new Worker(new URL('./support/reading-thread.mjs', import.meta.url), {
      workerData: { handle, ...facts },
      transferList: [handle.port],
    })
  }

  /**
   * @param {Way | 'Map'} way
   * @param {number} milliseconds
   * @returns {Promise<number>} Reads per second. Rejects when a value was wrong.
   */
  async read(way, milliseconds) {
    const answer = once(this.#worker, 'message')
    this.#worker.postMessage({ way, milliseconds })
    return (await answer)[0]
  }

  async stop() {
    await this.#worker.terminate()
  }
}

/**
 * The same keys asked of a redis-server, one at a time and a hundred at once.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {ReadingThread} thread
 * @param {string} millions
 */
async function besideIoredis(run, thread, millions) {
  const { contenders, sizes, seed, pairs, log } = run
  const count = sizes.readKeys[0] ?? 0
  const dataset = new Dataset(seed)
  const server = await contenders.start('redis')
  const client = new Redis(server.port, '127.0.0.1')
  const goal = (/** @type {number} */ ratio) => ({ goal: { ratio, direction: /** @type {const} */ ('at least') } })
  const facts = { scenario: 'reads', unit: 'reads/s', ours: 'Understudy' }
  const single = new Row({ ...facts, title: `string, ${millions}`, theirs: 'ioredis', ...goal(100) })
  const piped = new Row({ ...facts, title: `string, ${millions}`, theirs: `ioredis, pipeline ${PIPELINE}`, ...goal(5) })
  try {
    await fill(client, dataset, count)
    for (let pair = 0; pair < pairs; pair++) {
      const ours = await thread.read('string', sizes.readMs)
      const one = await asked(client, dataset, count, sizes.readMs, 1)
      const many = await asked(client, dataset, count, sizes.readMs, PIPELINE)
      single.add('ours', ours)
      single.add('theirs', one)
      piped.add('ours', ours)
      piped.add('theirs', many)
      log(
        `reads ${pair + 1}/${pairs} ioredis: ${(one / 1000).toFixed(1)} k/s, pipelined ${(many / 1000).toFixed(0)} k/s`,
      )
    }
  } finally {
    client.disconnect()
    await server.stop()
  }
  single.contents = piped.contents = 'right: every GET was a hit'
  return [single, piped]
}

/**
 * @param {Redis} client
 * @param {Dataset} dataset
 * @param {number} count
 */
async function fill(client, dataset, count) {
  for (let from = 0; from < count; from += FILLED_AT_ONCE) {
    const words = []
    for (let i = from; i < Math.min(count, from + FILLED_AT_ONCE); i++) words.push(dataset.key(i), dataset.text(i))
    await client.mset(words)
  }
}

/**
 * @param {Redis} client
 * @param {Dataset} dataset
 * @param {number} keys
 * @param {number} milliseconds
 * @param {number} atOnce
 */
async function asked(client, dataset, keys, milliseconds, atOnce) {
  const key = Buffer.alloc(KEY_BYTES)
  const began = performance.now()
  let count = 0
  while (performance.now() - began < milliseconds) {
    const pipeline = client.pipeline()
    for (let i = 0; i < atOnce; i++) {
      dataset.writeKey(Math.floor(Math.random() * keys), key, 0)
      pipeline.get(key.toString('latin1'))
    }
    for (const [error, value] of (await pipeline.exec()) ?? []) {
      if (error !== null || value === null) throw new Error(`a GET missed: ${error?.message ?? 'nil'}`)
    }
    count += atOnce
  }
  return (count / (performance.now() - began)) * 1000
}
