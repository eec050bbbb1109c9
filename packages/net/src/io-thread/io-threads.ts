/**
 * The I/O threads of a server (`io-threads`): starts them, gives them the places to listen on and changed settings, and
 * replaces one that ends. Link thread only.
 */
import type { CommandRename, Readers } from '@understudy/core/internal'
import type { ListenPlace, OpenListener } from '../clients/listeners.ts'
import type { ClientServer } from '../clients/server.ts'
import { TRANSACTION_COMMANDS } from './read-transactions.ts'
import { type BoundSocket, bindSocket } from './bound-socket.ts'
import { IoThread } from './io-thread.ts'
import type { SharedPlace } from './messages.ts'

/** A thread that ends sooner is replaced later each time. */
const SHORT_LIFE_MS = 1000
const REPLACE_AFTER_MS_MAX = 1000

export interface IoThreadsOptions {
  readonly count: number
  readonly server: ClientServer
  readonly readers: Readers
  readonly renames: readonly CommandRename[]
}

interface Place {
  readonly socket: BoundSocket
  readonly shared: SharedPlace
}

export class IoThreads {
  readonly #options: IoThreadsOptions
  readonly #threads = new Set<IoThread>()
  readonly #places = new Map<number, Place>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #commandIds: ReadonlyMap<string, number>
  readonly #listening = new Set<IoThread>()
  #nextKey = 1
  #replaced = 0
  #shortLives = 0
  #stopped = false

  constructor(options: IoThreadsOptions) {
    this.#options = options
    const { server } = options
    this.#commandIds = new Map(server.registry.byId.map(({ name, id }) => [name, id]))
    for (let i = 0; i < options.count; i++) this.#start()
    server.turnListeners.push(() => {
      for (const thread of this.#threads) thread.endTurn()
    })
  }

  /** Lines of INFO: threads that serve clients now, and how many took the place of one that ended. */
  get infoLines(): string[] {
    return [`understudy_io_threads:${this.#listening.size}`, `understudy_io_threads_replaced:${this.#replaced}`]
  }

  /** The settings of clients have changed. */
  settingsChanged(): void {
    const { settings } = this.#options.server
    for (const thread of this.#threads) thread.tell({ kind: 'settings', settings })
  }

  /** Listens on a place in every thread. @throws the system's error; the place is free again then. */
  async open(place: ListenPlace): Promise<OpenListener> {
    const socket = await bindSocket(place)
    const isUnix = 'path' in place
    const key = this.#nextKey++
    const shared: SharedPlace = { key, fd: socket.fd, unixPath: isUnix ? place.path : undefined }
    this.#places.set(key, { socket, shared })
    try {
      await Promise.all([...this.#threads].map((thread) => this.#listen(thread, [shared])))
    } catch (error) {
      await this.#close(key)
      throw error
    }
    return { port: socket.port, isUnix, close: () => this.#close(key) }
  }

  /** The server is about to stop, and gives no more handles for readers: a thread that ends leaves its place empty. */
  replaceNoMore(): void {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
  }

  /** Ends all threads. Their connections close. */
  async stop(): Promise<void> {
    this.replaceNoMore()
    await Promise.all([...this.#threads].map((thread) => thread.terminate()))
    for (const { socket } of this.#places.values()) socket.close()
  }

  /** Makes one thread throw, or ends it from outside, as a fault would. For tests. @returns false: there is none. */
  loseOne(how: 'throw' | 'terminate'): boolean {
    const [thread] = this.#threads
    if (thread === undefined) return false
    if (how === 'throw') thread.tell({ kind: 'fail' })
    else void thread.kill()
    return true
  }

  /** A thread that ends meanwhile is no failure: the one that replaces it listens. */
  async #listen(thread: IoThread, places: readonly SharedPlace[]): Promise<void> {
    try {
      await thread.listen(places)
      if (this.#threads.has(thread)) this.#listening.add(thread)
    } catch (error) {
      if (this.#threads.has(thread)) throw error
    }
  }

  async #close(key: number): Promise<void> {
    const place = this.#places.get(key)
    this.#places.delete(key)
    await Promise.all([...this.#threads].map((thread) => thread.unlisten(key)))
    place?.socket.close()
  }

  #start(): IoThread {
    const { server, readers, renames } = this.#options
    const thread: IoThread = new IoThread(
      server,
      {
        settings: server.settings,
        renames,
        runsTransactions: TRANSACTION_COMMANDS.every((name) => server.registry.findName(name)?.name === name),
        commandIds: this.#commandIds,
        clockZeroMs: Number(process.hrtime.bigint()) / 1e6 - server.clock.monotonicMs(),
        reader: readers.attach(),
      },
      { ended: (ended, error) => this.#replace(ended, error) },
    )
    this.#threads.add(thread)
    return thread
  }

  #replace(thread: IoThread, error: Error | undefined): void {
    this.#threads.delete(thread)
    this.#listening.delete(thread)
    if (this.#stopped) return
    const { logger, clock } = this.#options.server
    const reason = error === undefined ? 'ended' : `failed: ${error.stack ?? error.message}`
    logger.warning(`An I/O thread ${reason}. Its connections are closed; another thread takes its place`)
    this.#shortLives = clock.monotonicMs() - thread.startedMs < SHORT_LIFE_MS ? this.#shortLives + 1 : 0
    const delayMs = this.#shortLives === 0 ? 0 : Math.min(REPLACE_AFTER_MS_MAX, 10 * 2 ** this.#shortLives)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      const next = this.#start()
      this.#replaced++
      const places = [...this.#places.values()].map(({ shared }) => shared)
      this.#listen(next, places).catch((failure: unknown) => {
        logger.warning(`The new I/O thread cannot listen, another one will try: ${String(failure)}`)
        void next.kill()
      })
    }, delayMs)
    this.#timers.add(timer)
  }
}
