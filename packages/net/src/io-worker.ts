/**
 * An I/O thread: opens the shared keyspace, listens on descriptors of its own, and serves the connections it accepts. The
 * link thread starts and replaces it (`io-threads.ts`); when it throws, it ends, and its connections with it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import {
  type Clock,
  CommandRegistry,
  dataCommandFamilies,
  LibraryStore,
  type Logger,
  SharedKeyspace,
} from '@understudy/core/internal'
import { SharedWords } from './clients/shared-words.ts'
import { ThreadStatistics } from './clients/thread-statistics.ts'
import { collectGarbageSoon } from './server/collect-garbage.ts'
import { Channel } from './io-thread/channel.ts'
import { ConnectionTable } from './io-thread/connection-table.ts'
import { IoServer } from './io-thread/io-server.ts'
import type { FromIoThread, IoThreadStart, LogLevel, SharedPlace, ToIoThread } from './io-thread/messages.ts'
import { PlaceListeners } from './io-thread/place-listeners.ts'

const port = parentPort
if (port === null) throw new Error('io-worker.ts is the entry of a worker thread')
const start = workerData as IoThreadStart

const tell = (message: FromIoThread): void => port.postMessage(message)

const say =
  (level: LogLevel) =>
  (message: string): void =>
    tell({ kind: 'log', level, message })
const logger: Logger = {
  debug: say('debug'),
  verbose: say('verbose'),
  notice: say('notice'),
  warning: say('warning'),
}

/** The zero of `performance.now()` is this thread's own; times that are compared with the link thread's need its zero. */
const behindMs = Number(process.hrtime.bigint()) / 1e6 - performance.now() - start.clockZeroMs
const clock: Clock = { monotonicMs: () => performance.now() + behindMs, wallMs: () => Date.now() }

/** All commands on data; of those that need the writer only the name is used, to tell them from reads. */
const families = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('MEMORY STATS runs in the link thread')
  },
})
const renames = start.renames.filter(([from]) => families.some((family) => Object.hasOwn(family, from.toUpperCase())))

const channel = new Channel(port)
const keyspace = new SharedKeyspace(start.reader)
// The memory of the old generation goes back when this thread, too, has let go of it.
keyspace.onDropped = collectGarbageSoon
const server = new IoServer({
  settings: start.settings,
  statistics: new ThreadStatistics(start.commandIds.size, start.statistics),
  clock,
  logger,
  registry: new CommandRegistry(families, renames, start.commandIds),
  keyspace,
  channel,
  words: new SharedWords(start.words),
  table: new ConnectionTable(start.table),
  commandIds: start.commandIds,
  runsTransactions: start.runsTransactions,
})
server.restartCron()

const listeners = new PlaceListeners({
  accept: (socket, path) => server.accept(socket, path),
  backlog: () => start.settings.tcpBacklog,
  failed: (error) => logger.warning(`Accepting client connection: ${error.message}`),
})

async function listen(places: readonly SharedPlace[]): Promise<void> {
  const keys = places.map(({ key }) => key)
  try {
    await listeners.open(places)
    tell({ kind: 'listening', keys })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    tell({ kind: 'listening', keys, error: { code, message } })
  }
}

async function unlisten(key: number): Promise<void> {
  await listeners.close(key)
  tell({ kind: 'unlistened', key })
}

function receive(message: ToIoThread): void {
  switch (message.kind) {
    case 'settings':
      Object.assign(start.settings, message.settings)
      server.restartCron()
      break
    case 'listen':
      void listen(message.places)
      break
    case 'unlisten':
      void unlisten(message.key)
      break
    case 'long-reply':
      server.beginLongReply(message.id, message.request)
      break
    case 'fail':
      throw new Error('an I/O thread was told to fail')
  }
}

port.on('message', (message: ToIoThread | Uint8Array<ArrayBuffer>) => {
  if (message instanceof Uint8Array) server.receiveFrames(channel.receive(message))
  else receive(message)
})
