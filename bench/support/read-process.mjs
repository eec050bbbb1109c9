/**
 * Reads from a server at a steady rate while its dataset is replaced by another one with the same keys, in a process of its own. Every
 * answer has to be the key's value in the old dataset or in the new one, and none may be an old one behind a new one.
 *
 * IPC, this process:   ready   stopped { reads, before, perSecond, p50Ms, p999Ms, longestMs }   failed { message }
 * IPC, its owner:      start { port, perSecond, seed, count, from, to }, then stop
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { commandText } from './command-text.mjs'
import { Dataset, randomNumbers, VALUE_BYTES } from './dataset.mjs'

const STEP_MS = 1
/** A server that has so many of them yet to answer gets no more meanwhile. A power of two. */
const UNANSWERED_MAX = 65_536
const HEADER = Buffer.from(`$${VALUE_BYTES}\r\n`, 'latin1')
const REPLY_BYTES = HEADER.length + VALUE_BYTES + 2

/** @typedef {{ port: number, perSecond: number, seed: number, count: number, from: number, to: number }} Order From round to round. */

/** @param {Record<string, unknown>} message */
function tell(message) {
  process.send?.(message)
}

/** What was asked for and is not answered, and what came of the rest. */
class Answers {
  reads = 0
  /** Of them, those of the old dataset. */
  before = 0
  /** @type {number[]} */
  latenciesMs = []
  #dataset
  #from
  #to
  #indexes = new Float64Array(UNANSWERED_MAX)
  #askedMs = new Float64Array(UNANSWERED_MAX)
  #asked = 0
  /** @type {Buffer} */
  #input = Buffer.alloc(0)
  #expected = Buffer.alloc(VALUE_BYTES)

  /**
   * @param {Dataset} dataset
   * @param {number} from
   * @param {number} to
   */
  constructor(dataset, from, to) {
    this.#dataset = dataset
    this.#from = from
    this.#to = to
  }

  get unanswered() {
    return this.#asked - this.reads
  }

  /** @param {number} index */
  asked(index) {
    const place = this.#asked++ & (UNANSWERED_MAX - 1)
    this.#indexes[place] = index
    this.#askedMs[place] = performance.now()
  }

  /** @param {Buffer} bytes @throws when one is wrong */
  take(bytes) {
    const input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes])
    const nowMs = performance.now()
    let at = 0
    for (; at + REPLY_BYTES <= input.length; at += REPLY_BYTES) {
      const place = this.reads++ & (UNANSWERED_MAX - 1)
      this.latenciesMs.push(nowMs - (this.#askedMs[place] ?? 0))
      this.#check(input, at, this.#indexes[place] ?? 0)
    }
    this.#input = input.subarray(at)
    // An error is shorter than a value.
    if (this.#input.length > 0 && this.#input[0] !== HEADER[0]) this.#wrong(input, at)
  }

  /**
   * @param {Buffer} input
   * @param {number} at
   * @param {number} index
   */
  #check(input, at, index) {
    if (input.compare(HEADER, 0, HEADER.length, at, at + HEADER.length) !== 0) this.#wrong(input, at)
    const value = at + HEADER.length
    if (this.#isOf(this.#to, index, input, value)) return
    // One of the new dataset came before.
    if (this.before < this.reads - 1) this.#wrong(input, at)
    if (!this.#isOf(this.#from, index, input, value)) this.#wrong(input, at)
    this.before++
  }

  /**
   * @param {number} round
   * @param {number} index
   * @param {Buffer} input
   * @param {number} at
   */
  #isOf(round, index, input, at) {
    this.#dataset.writeValue(index, round, this.#expected, 0)
    return input.compare(this.#expected, 0, VALUE_BYTES, at, at + VALUE_BYTES) === 0
  }

  /** @param {Buffer} input @param {number} at @returns {never} */
  #wrong(input, at) {
    const text = input.toString('latin1', at, at + REPLY_BYTES).trimEnd()
    throw new Error(`read ${this.reads}, ${this.before} of the old dataset before it: ${JSON.stringify(text)}`)
  }
}

/** @param {Order} order */
async function run({ port, perSecond, seed, count, from, to }) {
  const dataset = new Dataset(seed)
  const random = randomNumbers(seed)
  const answers = new Answers(dataset, from, to)
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.setNoDelay(true)
  const failed = new Promise((_, reject) => {
    socket.on('data', (bytes) => {
      try {
        answers.take(bytes)
      } catch (error) {
        reject(error)
      }
    })
    socket.on('close', () => reject(new Error('the server closed the connection')))
  })
  const startedMs = performance.now()
  let stepMs = startedMs
  let due = 0
  const timer = setInterval(() => {
    const nowMs = performance.now()
    due += ((nowMs - stepMs) / 1000) * perSecond
    stepMs = nowMs
    // What a server cannot answer is not made up for later.
    due = Math.min(due, UNANSWERED_MAX - answers.unanswered)
    let text = ''
    for (; due >= 1; due--) {
      const index = Math.floor(random() * count)
      text += commandText(['GET', dataset.key(index).toString('latin1')])
      answers.asked(index)
    }
    if (text !== '') socket.write(text, 'latin1')
  }, STEP_MS)
  tell({ kind: 'ready' })
  await Promise.race([once(process, 'message'), failed])
  clearInterval(timer)
  const elapsedMs = performance.now() - startedMs
  while (answers.unanswered > 0) await Promise.race([once(socket, 'data'), failed])
  socket.removeAllListeners('close')
  socket.destroy()
  const { reads, before, latenciesMs } = answers
  const sorted = Float64Array.from(latenciesMs).sort()
  const at = (/** @type {number} */ share) => sorted[Math.floor(sorted.length * share)] ?? 0
  const perSecondDone = (reads / elapsedMs) * 1000
  tell({
    kind: 'stopped',
    reads,
    before,
    perSecond: perSecondDone,
    p50Ms: at(0.5),
    p999Ms: at(0.999),
    longestMs: sorted.at(-1),
  })
}

process.on('disconnect', () => process.exit(0))
const [order] = await once(process, 'message')
await run(order).catch((/** @type {Error} */ error) => tell({ kind: 'failed', message: error.message }))
process.disconnect?.()
