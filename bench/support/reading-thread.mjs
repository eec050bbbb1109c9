/**
 * The reading thread of bench/reads.mjs: reads random keys for a while and compares the length of all that it reads; before and after, in
 * the same way and beside the same writer, it compares samples wholly.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '../../packages/core/dist/index.js'
import { Dataset, randomNumbers, VALUE_BYTES } from './dataset.mjs'

/** Keys that are asked in turn: so many that neither they nor their records stay in a cache. */
const ASKED = 1 << 18
const CHUNK = 4096
const MGET_KEYS = 16
const SAMPLES = 1000

const { handle, seed, count, choice } = workerData
const reader = new KeyspaceReader(handle)
const dataset = new Dataset(seed)
const random = randomNumbers(seed + choice)
const indexes = Int32Array.from({ length: ASKED }, () => Math.floor(random() * count))
const keys = Array.from(indexes, (index) => dataset.key(index).toString('latin1'))
const lots = Array.from({ length: ASKED / MGET_KEYS }, (_, i) => keys.slice(i * MGET_KEYS, (i + 1) * MGET_KEYS))
/** @type {Map<string, string> | undefined} */
let map

/** Reads keys [from, to). @type {Record<string, (from: number, to: number) => number>} @returns bytes seen */
const WAYS = {
  string(from, to) {
    let bytes = 0
    for (let i = from; i < to; i++) bytes += reader.get(keys[i] ?? '')?.length ?? 0
    return bytes
  },
  Buffer(from, to) {
    let bytes = 0
    for (let i = from; i < to; i++) bytes += reader.getBuffer(keys[i] ?? '')?.length ?? 0
    return bytes
  },
  view(from, to) {
    let bytes = 0
    for (let i = from; i < to;) {
      const view = reader.view(keys[i] ?? '')
      const seen = view === undefined ? 0 : view.end - view.start
      if (view?.validate() !== true) continue
      bytes += seen
      i++
    }
    return bytes
  },
  'mget of 16'(from, to) {
    let bytes = 0
    for (let i = from / MGET_KEYS; i < to / MGET_KEYS; i++) {
      for (const value of reader.mget(lots[i] ?? [])) bytes += value?.length ?? 0
    }
    return bytes
  },
  Map(from, to) {
    let bytes = 0
    for (let i = from; i < to; i++) bytes += map?.get(keys[i] ?? '')?.length ?? 0
    return bytes
  },
}

/** The value of one of the keys as each way reads it. @type {Record<string, (at: number) => string | undefined>} */
const VALUES = {
  string: (at) => reader.get(keys[at] ?? ''),
  Buffer: (at) => reader.getBuffer(keys[at] ?? '')?.toString('latin1'),
  view(at) {
    for (;;) {
      const view = reader.view(keys[at] ?? '')
      if (view === undefined) return undefined
      const text = Buffer.from(view.bytes.subarray(view.start, view.end)).toString('latin1')
      if (view.validate()) return text
    }
  },
  'mget of 16': (at) => reader.mget(lots[Math.floor(at / MGET_KEYS)] ?? [])[at % MGET_KEYS] ?? undefined,
  Map: (at) => map?.get(keys[at] ?? ''),
}

parentPort?.on('message', ({ way, milliseconds }) => {
  if (way === 'Map') map ??= makeMap()
  const read = WAYS[way]
  const value = VALUES[way]
  if (read === undefined || value === undefined) throw new Error(`no way '${way}'`)
  check(way, value)
  let reads = 0
  const began = performance.now()
  let elapsed = 0
  for (let from = 0; elapsed < milliseconds; from = (from + CHUNK) % ASKED) {
    const bytes = read(from, from + CHUNK)
    if (bytes !== CHUNK * VALUE_BYTES) throw new Error(`${way}: ${bytes} bytes instead of ${CHUNK * VALUE_BYTES}`)
    reads += CHUNK
    elapsed = performance.now() - began
  }
  check(way, value)
  parentPort?.postMessage((reads / elapsed) * 1000)
})

function makeMap() {
  const made = new Map()
  for (let i = 0; i < count; i++) made.set(dataset.key(i).toString('latin1'), dataset.text(i))
  return made
}

/**
 * Sampled values are what the seed says.
 *
 * @param {string} way
 * @param {(at: number) => string | undefined} value
 */
function check(way, value) {
  for (let i = 0; i < SAMPLES; i++) {
    const at = Math.floor(random() * ASKED)
    if (value(at) !== dataset.text(indexes[at] ?? 0)) throw new Error(`${way}: key ${keys[at]} has another value`)
  }
}
