/** The reading thread of bench/reads.mjs: reads random keys for a while, and compares every value's length and sampled values wholly. */
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '../../packages/core/dist/index.js'
import { Dataset, randomNumbers, VALUE_BYTES } from './dataset.mjs'

/** Keys that are asked in turn: so many that neither they nor their records stay in a cache. */
const ASKED = 1 << 18
const CHUNK = 4096
const MGET_KEYS = 16

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

parentPort?.on('message', ({ way, milliseconds }) => {
  if (way === 'Map') map ??= makeMap()
  check()
  const read = WAYS[way]
  if (read === undefined) throw new Error(`no way '${way}'`)
  let reads = 0
  const began = performance.now()
  let elapsed = 0
  for (let from = 0; elapsed < milliseconds; from = (from + CHUNK) % ASKED) {
    const bytes = read(from, from + CHUNK)
    if (bytes !== CHUNK * VALUE_BYTES) throw new Error(`${way}: ${bytes} bytes instead of ${CHUNK * VALUE_BYTES}`)
    reads += CHUNK
    elapsed = performance.now() - began
  }
  parentPort?.postMessage((reads / elapsed) * 1000)
})

function makeMap() {
  const made = new Map()
  for (let i = 0; i < count; i++) made.set(dataset.key(i).toString('latin1'), dataset.text(i))
  return made
}

/** Sampled values are what the seed says. */
function check() {
  for (let i = 0; i < 1000; i++) {
    const at = Math.floor(random() * ASKED)
    if (reader.get(keys[at] ?? '') !== dataset.text(indexes[at] ?? 0))
      throw new Error(`key ${keys[at]} has another value`)
  }
}
