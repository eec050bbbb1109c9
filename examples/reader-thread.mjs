/**
 * node examples/reader-thread.mjs HOST PORT KEY [KEY …]
 *
 * A replica inside your own process, read from another thread without a network: attaches to the primary at HOST:PORT,
 * then a worker thread reads the keys straight from shared memory, all as they were at one moment, for a second.
 * Build first: npx -y pnpm@12 run build.
 *
 * A whole server in the process: an embedding API proper, with a facade, is not built yet.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { KeyspaceReader } from '@understudy/core'
import { loadConfig, parseArguments, ServerLog, UnderstudyServer } from '@understudy/net'

if (isMainThread) await replicate(process.argv.slice(2))
else read()

/** The main thread: the link to the primary, and the only writer. @param {string[]} args */
async function replicate([host, port, ...keys]) {
  if (host === undefined || port === undefined || keys.length === 0) {
    console.error('node examples/reader-thread.mjs HOST PORT KEY [KEY …]')
    process.exit(1)
  }
  const writingNoFile = ['--repl-diskless-load', 'swapdb', '--save', '']
  const command = parseArguments(['--port', '0', ...writingNoFile, '--replicaof', host, port])
  if (command.kind !== 'run') throw new Error('not a command to run')
  const logger = new ServerLog({ level: 'warning' })
  const server = new UnderstudyServer({
    config: loadConfig(command, { warn: console.warn }),
    logger,
    version: '0',
    onRole: (isReplica) => logger.setRole(isReplica ? 'S' : 'M'),
    onShutdown: () => process.exit(0),
    onPanic: (reason) => {
      throw new Error(reason)
    },
  })
  await server.start()
  while (!server.link.getStatus().isUp) await sleep(10)

  // A handle is for one reader; the port in it goes along, so that the reader hears of new memory and new generations.
  const handle = server.readers.attach()
  const worker = new Worker(new URL(import.meta.url), { workerData: { handle, keys }, transferList: [handle.port] })
  const [result] = await once(worker, 'message')
  console.log(result)
  await server.stop()
}

/** The worker thread: reads what the other thread writes. */
function read() {
  const reader = new KeyspaceReader(workerData.handle)
  const until = performance.now() + 1000
  let reads = 0
  /** @type {(string | undefined)[]} */
  let values = []
  while (performance.now() < until) {
    values = reader.mget(workerData.keys) // undefined: no such key, or not a string
    reads++
  }
  reader.close()
  parentPort?.postMessage({ reads, values })
}
