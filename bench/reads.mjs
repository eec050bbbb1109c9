/**
 * Reading inside of an application, from a thread beside the writer's: random keys of those that are there, as string, as borrowed
 * view, as Buffer and by MGET of 16. Beside a Map of the same strings, and ioredis with a redis-server on this machine. Then
 * while the writer changes 50,000 values a second, and with a second reading thread.
 */
import { Redis } from 'ioredis'
import { Dataset, KEY_BYTES } from './support/dataset.mjs'
import { EmbeddingApplication } from './support/embedding-application.mjs'
import { Row } from './support/row.mjs'

const WRITES_PER_SECOND = 50_000
const PIPELINE = 100
const FILLED_AT_ONCE = 1000
/** A Map of more strings is mostly a test of the heap. */
const MAP_KEYS_MAX = 1_000_000

/** @typedef {import('./support/embedding-application.mjs').Way} Way */
/** With the reads a second that one thread is to do of a million keys. @type {[way: Way, perSecond: number][]} */
const WAYS = [
  ['string', 2e6],
  ['view', 2e6],
  ['mget of 16', 2e6],
  ['Buffer', 1.5e6],
]

/** @param {import('./support/run.mjs').Run} run */
export async function reads(run) {
  const { sizes, seed, pairs, log } = run
  /** @type {Row[]} */
  const rows = []
  for (const count of sizes.readKeys) {
    const application = await EmbeddingApplication.start(seed, count)
    try {
      const millions = `${count / 1e6} M keys`
      /** @param {string} title @param {string} ours @param {string} theirs @param {import('./support/row.mjs').Goal} [goal] */
      const row = (title, ours, theirs, goal) => {
        const made = new Row({ scenario: 'reads', title, unit: 'reads/s', ours, theirs, goal })
        made.contents = 'right: the length of each value, samples wholly'
        rows.push(made)
        return made
      }
      for (const [way, perSecond] of WAYS) {
        const goal = { limit: perSecond, direction: /** @type {const} */ ('at least') }
        const map = count > MAP_KEYS_MAX ? undefined : row(`${way}, ${millions}`, 'Understudy', 'a Map', goal)
        const writing = row(
          `${way}, ${millions}, ${WRITES_PER_SECOND / 1000} k writes/s`,
          'while written',
          'writer idle',
          atLeast(0.75),
        )
        const threads = row(`${way}, ${millions}, two threads`, 'two threads', 'one thread', atLeast(1.8))
        const read = async (/** @type {Way} */ way, how = {}) => await application.read(way, sizes.readMs, how)
        await read(way, { threadCount: 2 })
        let writesLeast = Infinity
        for (let pair = 0; pair < pairs; pair++) {
          const idle = (await read(way)).readsPerSecond
          if (map !== undefined) {
            map.add('ours', idle)
            map.add('theirs', (await read('Map')).readsPerSecond)
          }
          const beside = await read(way, { writesPerSecond: WRITES_PER_SECOND })
          writesLeast = Math.min(writesLeast, beside.writesPerSecond)
          writing.add('ours', beside.readsPerSecond)
          writing.add('theirs', idle)
          const both = await read(way, { threadCount: 2 })
          threads.add('ours', both.readsPerSecond)
          threads.add('theirs', idle)
          log(
            `reads ${pair + 1}/${pairs} ${way}, ${millions}: ${(idle / 1e6).toFixed(2)} M/s, ` +
              `beside ${(beside.writesPerSecond / 1000).toFixed(0)} k writes/s ${(beside.readsPerSecond / 1e6).toFixed(2)}, ` +
              `two threads ${(both.readsPerSecond / 1e6).toFixed(2)}`,
          )
        }
        writing.notes.push(`the writer made at least ${(writesLeast / 1000).toFixed(1)} k writes a second`)
      }
      if (count === sizes.readKeys[0]) rows.push(...(await besideIoredis(run, application, millions)))
    } finally {
      application.kill()
    }
  }
  return rows
}

/** @param {number} ratio */
function atLeast(ratio) {
  return { ratio, direction: /** @type {const} */ ('at least') }
}

/**
 * The same keys asked of a redis-server, one at a time and a hundred at once.
 *
 * @param {import('./support/run.mjs').Run} run
 * @param {EmbeddingApplication} application
 * @param {string} millions
 */
async function besideIoredis(run, application, millions) {
  const { contenders, sizes, seed, pairs, log } = run
  const count = sizes.readKeys[0] ?? 0
  const dataset = new Dataset(seed)
  const server = await contenders.start('redis')
  const client = new Redis(server.port, '127.0.0.1')
  const facts = { scenario: 'reads', unit: 'reads/s', ours: 'Understudy' }
  const single = new Row({ ...facts, title: `string, ${millions}`, theirs: 'ioredis', goal: atLeast(100) })
  const piped = new Row({
    ...facts,
    title: `string, ${millions}`,
    theirs: `ioredis, pipeline ${PIPELINE}`,
    goal: atLeast(5),
  })
  try {
    await fill(client, dataset, count)
    for (let pair = 0; pair < pairs; pair++) {
      const ours = (await application.read('string', sizes.readMs)).readsPerSecond
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
  const drawn = () => {
    dataset.writeKey(Math.floor(Math.random() * keys), key, 0)
    return key.toString('latin1')
  }
  while (performance.now() - began < milliseconds) {
    if (atOnce === 1) {
      // As one asks for one key: a pipeline of one costs the client a third more.
      if ((await client.get(drawn())) === null) throw new Error('a GET missed')
    } else {
      const pipeline = client.pipeline()
      for (let i = 0; i < atOnce; i++) pipeline.get(drawn())
      for (const [error, value] of (await pipeline.exec()) ?? []) {
        if (error !== null || value === null) throw new Error(`a GET missed: ${error?.message ?? 'nil'}`)
      }
    }
    count += atOnce
  }
  return (count / (performance.now() - began)) * 1000
}
