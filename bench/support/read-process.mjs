/**
 * Reads from a server at a steady rate while its dataset is replaced by another one with the same keys, in a process of its own. What
 * the answers have to be: `swap-answers.mjs`.
 *
 * IPC, this process:   ready   stopped { reads, before, perSecond, p50Ms, p999Ms, longestMs }   failed { message }
 * IPC, its owner:      start { port, perSecond, seed, count, from, to }, then stop
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { commandText } from './command-text.mjs'
import { Dataset, randomNumbers } from './dataset.mjs'
import { Pace } from './pace.mjs'
import { percentile } from './statistics.mjs'
import { SwapAnswers, UNANSWERED_MAX } from './swap-answers.mjs'

const STEP_MS = 1
/** Reads before it says that it is ready: what both ends do often is compiled then. They are checked, but their time is not counted. */
const LEAD_MS = 2000

/** @typedef {{ port: number, perSecond: number, seed: number, count: number, from: number, to: number }} Order From round to round. */

/** @param {Record<string, unknown>} message */
function tell(message) {
  process.send?.(message)
}

/** @param {Order} order */
async function run({ port, perSecond, seed, count, from, to }) {
  const dataset = new Dataset(seed)
  const random = randomNumbers(seed)
  const answers = new SwapAnswers(dataset, from, to)
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
  const pace = new Pace(perSecond)
  const timer = setInterval(() => {
    let text = ''
    for (let due = pace.take(UNANSWERED_MAX - answers.unanswered); due > 0; due--) {
      const index = Math.floor(random() * count)
      text += commandText(['GET', dataset.key(index).toString('latin1')])
      answers.asked(index)
    }
    if (text !== '') socket.write(text, 'latin1')
  }, STEP_MS)
  await Promise.race([sleep(LEAD_MS), failed])
  answers.latenciesMs.length = 0
  tell({ kind: 'ready' })
  await Promise.race([once(process, 'message'), failed])
  clearInterval(timer)
  const elapsedMs = performance.now() - startedMs
  while (answers.unanswered > 0) await Promise.race([once(socket, 'data'), failed])
  socket.removeAllListeners('close')
  socket.destroy()
  const { reads, before, latenciesMs } = answers
  tell({
    kind: 'stopped',
    reads,
    before,
    perSecond: (reads / elapsedMs) * 1000,
    p50Ms: percentile(latenciesMs, 50),
    p999Ms: percentile(latenciesMs, 99.9),
    longestMs: percentile(latenciesMs, 100),
  })
}

process.on('disconnect', () => process.exit(0))
const [order] = await once(process, 'message')
await run(order).catch((/** @type {Error} */ error) => tell({ kind: 'failed', message: error.message }))
process.disconnect?.()
