/**
 * The reading thread of reads.soak.ts. Reads values of every type until told to stop, and checks what the writer never
 * breaks. Plain JavaScript, since a worker thread runs without a transpiler.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '@understudy/core'
import { ACCOUNTS, BALANCE, SHAPES } from './reads-shapes.mjs'

const { handle, seed, skipValidation, widen, stop } = workerData
const reader = new KeyspaceReader(handle)
if (skipValidation) reader.skipValidation()
const stopWord = new Int32Array(stop)
let state = seed >>> 0 || 1

/** @param {number} bound */
function random(bound) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % bound
}

if (widen) {
  // Sometimes stay for a while between looking and validating, so that the writer can do much in between.
  reader.beforeValidation = () => {
    if (random(64) !== 0) return
    const until = performance.now() + 0.05
    while (performance.now() < until);
  }
}

const result = {
  reads: /** @type {Record<string, number>} */ ({}),
  failures: 0,
  firstFailure: '',
  longestMs: 0,
  retries: 0,
}

/** @param {boolean} holds @param {() => string} what */
function expect(holds, what) {
  if (holds) return
  result.failures++
  if (result.firstFailure === '') result.firstFailure = what()
}

/** @param {readonly number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** @type {Record<import('./reads-shapes.mjs').Shape['kind'], (key: string, size: number) => void>} */
const CHECKS = {
  accounts(key) {
    const balances = reader.mget(Array.from({ length: ACCOUNTS }, (_, i) => `${key}:${i}`))
    const total = sum(balances.map(Number))
    expect(total === ACCOUNTS * BALANCE, () => `accounts sum up to ${total}: ${balances.join(' ')}`)
  },
  hash(key, size) {
    if (random(4) > 0) {
      const index = random(size)
      const [a, b] = reader.together(() => [reader.hget(key, `a${index}`), reader.hget(key, `b${index}`)])
      expect(a !== undefined && a === b, () => `${key} ${index} is halved: ${a} and ${b}`)
      return
    }
    const fields = reader.hgetall(key)
    expect(fields.size === size * 2, () => `${key} has ${fields.size} fields`)
    for (let i = 0; i < size; i++) {
      expect(fields.get(`a${i}`) === fields.get(`b${i}`), () => `${key} ${i} is halved in HGETALL`)
    }
  },
  list(key, size) {
    const elements = reader.lrange(key, 0, -1).map(Number)
    expect(elements.length === size, () => `${key} has ${elements.length} elements`)
    for (let i = 1; i < elements.length; i++) {
      const before = elements[i - 1] ?? 0
      expect(elements[i] === (before + 1) % size, () => `${key}: behind ${before} stands ${elements[i]}`)
    }
  },
  sets(key, size) {
    const [x, y] = reader.together(() => [reader.smembers(`${key}:x`), reader.smembers(`${key}:y`)])
    const all = new Set([...(x ?? []), ...(y ?? [])])
    expect(
      all.size === size && (x?.length ?? 0) + (y?.length ?? 0) === size,
      () => `${key}: ${x?.length} and ${y?.length}`,
    )
  },
  zset(key, size) {
    const members = reader.zrangeWithScores(key, 0, -1)
    const total = sum(members.map(([, score]) => score))
    expect(members.length === size && total === size * BALANCE, () => `${key}: ${members.length} sum up to ${total}`)
    for (let i = 1; i < members.length; i++) {
      expect((members[i - 1]?.[1] ?? 0) <= (members[i]?.[1] ?? 0), () => `${key} is out of order at ${i}`)
    }
  },
  stream(key, size) {
    const [entries, last] = reader.together(() => [reader.xrange(key, '-', '+'), reader.get(`${key}:last`)])
    expect(entries.length === size, () => `${key} has ${entries.length} entries`)
    expect(entries.at(-1)?.id === last, () => `${key} ends with ${entries.at(-1)?.id}, not ${last}`)
    for (const { id, fields } of entries) {
      expect(fields.length === 1 && fields[0]?.[1] === id, () => `${key}: entry ${id} has other fields`)
    }
  },
}

try {
  while (Atomics.load(stopWord, 0) === 0) {
    const shape = SHAPES[random(SHAPES.length)]
    if (shape === undefined) continue
    reader.db = random(8) === 0 ? 1 : 0
    const began = performance.now()
    CHECKS[shape.kind](shape.key, shape.size)
    result.longestMs = Math.max(result.longestMs, performance.now() - began)
    result.reads[shape.kind] = (result.reads[shape.kind] ?? 0) + 1
  }
} catch (error) {
  expect(false, () => `a read threw: ${error instanceof Error ? error.stack : String(error)}`)
}
result.retries = reader.retries
reader.close()
parentPort?.postMessage(result)
