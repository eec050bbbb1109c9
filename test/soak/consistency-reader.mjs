/**
 * The reading thread of consistency.soak.ts. Plain JavaScript, since a worker thread runs without a transpiler. Reads
 * until told to stop and counts what it saw; anything torn, halved or going backwards is a failure.
 *
 * Values:  [ checksum: u32 | sequence: u32 | payload … ]   checksum over everything behind it
 * Pairs:   pair:<i>:a and pair:<i>:b are written in one MULTI with the same sequence, or both absent.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '@understudy/core/internal'
import { checksum } from './consistency-values.mjs'

const { handle, singles, pairs, seed, skipValidation, widen, stop } = workerData
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

const result = { reads: 0, pairReads: 0, found: 0, failures: 0, firstFailure: '', longestMs: 0, retries: 0 }
const newest = new Float64Array(pairs)

/** @param {string} text */
function fail(text) {
  result.failures++
  if (result.firstFailure === '') result.firstFailure = text
}

/** @param {string} name @param {Buffer} value */
function checkValue(name, value) {
  result.found++
  if (value.length < 8 || value.readUInt32LE(0) !== checksum(value)) fail(`${name} is torn (${value.length} bytes)`)
}

try {
  while (Atomics.load(stopWord, 0) === 0) {
    const began = performance.now()
    if (random(3) === 0) {
      const name = `single:${random(singles)}`
      const value = reader.getBuffer(name)
      result.reads++
      if (value !== undefined) checkValue(name, value)
    } else {
      const index = random(pairs)
      const [a, b] = reader.mgetBuffer([`pair:${index}:a`, `pair:${index}:b`])
      result.pairReads++
      if ((a === undefined) !== (b === undefined)) fail(`pair ${index} is half there`)
      else if (a !== undefined && b !== undefined) {
        checkValue(`pair:${index}:a`, a)
        checkValue(`pair:${index}:b`, b)
        const sequence = a.readUInt32LE(4)
        if (sequence !== b.readUInt32LE(4)) fail(`pair ${index} is halved: ${sequence} and ${b.readUInt32LE(4)}`)
        if (sequence < (newest[index] ?? 0)) fail(`pair ${index} went back from ${newest[index]} to ${sequence}`)
        newest[index] = sequence
      }
    }
    result.longestMs = Math.max(result.longestMs, performance.now() - began)
  }
} catch (error) {
  fail(`a read threw: ${error instanceof Error ? error.stack : String(error)}`)
}
result.retries = reader.retries
reader.close()
parentPort?.postMessage(result)
