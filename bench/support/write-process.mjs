/**
 * Writes to a server at a steady rate, in a process of its own. The commands are built beforehand and repeated.
 *
 * IPC, this process:   ready   stopped { perSecond, errors }   failed { message }
 * IPC, its owner:      start { port, perSecond, plan }, then stop
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { commandText } from './command-text.mjs'
import { Dataset, randomNumbers } from './dataset.mjs'
import { MixedDataset } from './mixed-dataset.mjs'
import { Pace } from './pace.mjs'

/** So many different ones. */
const COMMANDS = 300_000
/** Sent at once. */
const COMMANDS_PER_BUFFER = 100
const STEP_MS = 4
/** A server that has so many of them yet to answer gets no more meanwhile. */
const UNANSWERED_MAX = 100_000
const LINE_FEED = 10
const ERROR = 45

/**
 * @typedef {{ kind: 'strings', seed: number, count: number }} StringsPlan SETs of records that are there.
 * @typedef {{ kind: 'mixed', seed: number, sizes: import('./mixed-dataset.mjs').MixedSizes }} MixedPlan
 * @typedef {StringsPlan | MixedPlan} WritePlan
 * @typedef {{ port: number, perSecond: number, plan: WritePlan }} Order
 */

/** @param {Record<string, unknown>} message */
function tell(message) {
  process.send?.(message)
}

/**
 * @param {StringsPlan} plan
 * @returns {Generator<string>}
 */
function* sets({ seed, count }) {
  const dataset = new Dataset(seed)
  const random = randomNumbers(seed)
  for (let i = 0; i < COMMANDS; i++) {
    const index = Math.floor(random() * count)
    yield commandText(['SET', dataset.key(index).toString('latin1'), dataset.value(index, i + 1).toString('latin1')])
  }
}

/** @param {Iterable<string>} commands */
function gathered(commands) {
  const buffers = []
  let texts = []
  for (const text of commands) {
    texts.push(text)
    if (texts.length < COMMANDS_PER_BUFFER) continue
    buffers.push(Buffer.from(texts.join(''), 'latin1'))
    texts = []
  }
  return buffers
}

/** @param {Order} order */
async function run({ port, perSecond, plan }) {
  const buffers = gathered(
    plan.kind === 'strings' ? sets(plan) : new MixedDataset(plan.seed, plan.sizes).changeTexts(COMMANDS),
  )
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  let sent = 0
  let answered = 0
  let errors = 0
  socket.on('data', (bytes) => {
    // All replies are lines.
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] === LINE_FEED) answered++
      else if (bytes[i] === ERROR && (i === 0 || bytes[i - 1] === LINE_FEED)) errors++
    }
  })
  const startedMs = performance.now()
  const pace = new Pace(perSecond)
  const timer = setInterval(() => {
    for (let due = pace.take(UNANSWERED_MAX - (sent - answered), COMMANDS_PER_BUFFER); due > 0; due--) {
      socket.write(buffers[(sent / COMMANDS_PER_BUFFER) % buffers.length] ?? '')
      sent += COMMANDS_PER_BUFFER
    }
  }, STEP_MS)
  tell({ kind: 'ready' })
  await once(process, 'message')
  clearInterval(timer)
  const elapsedMs = performance.now() - startedMs
  while (answered < sent && !socket.closed) await once(socket, 'data')
  socket.destroy()
  tell({ kind: 'stopped', perSecond: (sent / elapsedMs) * 1000, errors })
}

process.on('disconnect', () => process.exit(0))
const [order] = await once(process, 'message')
await run(order).catch((/** @type {Error} */ error) => tell({ kind: 'failed', message: error.message }))
process.disconnect?.()
