/**
 * The reading thread of consistency.soak.ts. Anything torn, halved or going backwards is a failure.
 *
 * Values:  [ checksum: u32 | sequence: u32 | payload … ]   checksum over everything behind it
 * Pairs:   pair:<i>:a and pair:<i>:b are written in one MULTI with the same sequence, or both absent.
 */
import { workerData } from 'node:worker_threads'
import { checksum } from './consistency-values.mjs'
import { fail, random, reader, readUntilStopped } from './reading-thread.mjs'

const { singles, pairs } = workerData
const counted = { reads: 0, pairReads: 0, found: 0 }
const newest = new Float64Array(pairs)

/** @param {string} name @param {Buffer} value */
function checkValue(name, value) {
  counted.found++
  if (value.length < 8 || value.readUInt32LE(0) !== checksum(value)) fail(`${name} is torn (${value.length} bytes)`)
}

readUntilStopped(() => {
  if (random(3) === 0) {
    const name = `single:${random(singles)}`
    const value = reader.getBuffer(name)
    counted.reads++
    if (value !== undefined) checkValue(name, value)
  } else {
    const index = random(pairs)
    const [a, b] = reader.mgetBuffer([`pair:${index}:a`, `pair:${index}:b`])
    counted.pairReads++
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
}, counted)
