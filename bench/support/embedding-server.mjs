/**
 * An application that embeds Understudy, and reads its dataset from a thread of its own without a network while that is replaced
 * (swap-thread.mjs). Takes the directives of the executable; what to read comes as JSON in READING_VARIABLE.
 *
 *   SIGUSR2   begins to read, and the next one ends it
 *   stdout    'reading' when the reads count, 'read ' and the JSON of a ReadingPhase (paced-reader.mjs) behind the end
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { loadConfig, parseArguments, ServerLog, UnderstudyServer } from '../../packages/net/dist/index.js'
import { READING_VARIABLE } from './embedded-reading.mjs'

const order = JSON.parse(process.env[READING_VARIABLE] ?? '{}')
const command = parseArguments(process.argv.slice(2))
if (command.kind !== 'run') throw new Error('not a command to run')
const config = loadConfig(command, { warn: console.warn })
process.chdir(config.get('dir'))
const server = new UnderstudyServer({
  config,
  logger: new ServerLog({ level: config.get('loglevel') }),
  version: '0',
  onShutdown: () => process.exit(0),
  onPanic: (reason) => {
    throw new Error(reason)
  },
})
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
await server.start()
