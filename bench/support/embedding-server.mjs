/**
 * An application that embeds Understudy, and reads its dataset from a thread of its own without a network while that is replaced
 * (swap-thread.mjs). Takes the directives of the executable; what to read comes as JSON in READING_VARIABLE.
 *
 *   SIGUSR2   begins to read, and the next one ends it
 *   stdout    'reading' when the reads count, 'read ' and the JSON of a ReadingPhase (paced-reader.mjs) behind the end
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { startEmbedded } from '../../scripts/embedded-server.mjs'
import { READING_VARIABLE } from './embedded-reading.mjs'

const order = JSON.parse(process.env[READING_VARIABLE] ?? '{}')
const server = await startEmbedded(process.argv.slice(2))
/** @type {Worker | undefined} */
let thread

async function read() {
  if (thread !== undefined) return thread.postMessage('stop')
  const handle = server.readers.attach()
  thread = new Worker(new URL('./swap-thread.mjs', import.meta.url), {
    workerData: { ...order, handle },
    transferList: [handle.port],
  })
  await once(thread, 'message')
  process.stdout.write('reading\n')
  const [result] = await once(thread, 'message')
  process.stdout.write(`read ${JSON.stringify(result)}\n`)
  thread = undefined
}

process.on('SIGUSR2', () => void read())
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)))
