/**
 * An I/O thread: opens the shared keyspace, listens on descriptors of its own, and serves the connections it accepts. The
 * link thread starts and replaces it (`io-threads.ts`); when it throws, it ends, and its connections with it.
 */
import type { Server } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import {
  type Clock,
  CommandRegistry,
  dataCommandFamilies,
  LibraryStore,
  type Logger,
  SharedKeyspace,
} from '@understudy/core/internal'
import { createListener } from '../clients/listeners.ts'
import { SharedWords } from '../clients/shared-words.ts'
import { ThreadStatistics } from '../clients/thread-statistics.ts'
import { collectGarbageSoon } from '../server/collect-garbage.ts'
import { Channel } from './channel.ts'
import { ConnectionTable } from './connection-table.ts'
import { ownDescriptors } from './descriptors.ts'
import { IoServer } from './io-server.ts'
import type { FromIoThread, IoThreadStart, LogLevel, SharedPlace, ToIoThread } from './messages.ts'

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
keyspace.access.tracksFrequency = start.tracksFrequency
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

/** What is listened on, by the link thread's key. */
const listeners = new Map<number, Server>()

async function listen(places: readonly SharedPlace[]): Promise<void> {
  const keys = places.map(({ key }) => key)
  try {
    const handles = await ownDescriptors(places.map(({ fd }) => fd))
    for (const [index, { key, unixPath }] of places.entries()) {
      listeners.set(key, await listenOn(handles[index]!, unixPath))
    }
    tell({ kind: 'listening', keys })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    tell({ kind: 'listening', keys, error: { code, message } })
  }
}

function listenOn(handle: object, unixPath: string | undefined): Promise<Server> {
  const listener = createListener((socket, path) => server.accept(socket, path), unixPath)
  return new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen({ _handle: handle, backlog: start.settings.tcpBacklog }, () => {
      listener.off('error', reject)
      listener.on('error', (error) => logger.warning(`Accepting client connection: ${error.message}`))
      resolve(listener)
    })
  })
}

function receive(message: ToIoThread): void {
  switch (message.kind) {
    case 'settings':
      Object.assign(start.settings, message.settings)
      keyspace.access.tracksFrequency = message.tracksFrequency
      server.restartCron()
      break
    case 'listen':
      void listen(message.places)
      break
    case 'unlisten':
      listeners.get(message.key)?.close()
      listeners.delete(message.key)
      tell({ kind: 'unlistened', key: message.key })
      break
    case 'fail':
      throw new Error('an I/O thread was told to fail')
  }
}

port.on('message', (message: ToIoThread | Uint8Array<ArrayBuffer>) => {
  if (message instanceof Uint8Array) server.receiveFrames(channel.receive(message))
  else receive(message)
})
