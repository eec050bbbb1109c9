/**
 * The link thread's end of one I/O thread: its worker, the channel, and a socket for each of its connections. Frames of the
 * channel become calls of the server here; what happens to the thread as a whole is the business of `io-threads.ts`.
 */
import { Worker } from 'node:worker_threads'
import type { LongReplyRequest } from '@understudy/core/internal'
import type { ClientServer } from '../clients/server.ts'
import { ThreadStatistics } from '../clients/thread-statistics.ts'
import { Channel } from './channel.ts'
import { ConnectionTable } from './connection-table.ts'
import {
  FRAME_ANSWERED,
  FRAME_AUTHENTICATED,
  FRAME_CLOSED,
  FRAME_COMMANDS,
  FRAME_FINISH,
  FRAME_GONE,
  FRAME_INPUT_ENDED,
  FRAME_LATENCY,
  FRAME_NO_DELAY,
  FRAME_OPEN,
  FRAME_OUTPUT,
  FRAME_REPLIED,
  FRAME_SLOW,
  FRAME_TAKEN,
  FRAME_WAITS,
  type FrameReader,
} from './frames.ts'
import type { FromIoThread, IoThreadStart, SharedPlace, ToIoThread } from './messages.ts'
import { type RemoteChannel, RemoteSocket } from './remote-socket.ts'

/** In dist/, where all of a package's files lie side by side (scripts/bundle.mjs). */
const WORKER_URL = new URL('./io-worker.js', import.meta.url)

export interface IoThreadEvents {
  /** The thread has ended by itself. @param error what it threw, if it did. */
  ended(thread: IoThread, error: Error | undefined): void
}

/** Waits for an answer of the thread. */
interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class IoThread implements RemoteChannel {
  readonly table: ConnectionTable = new ConnectionTable()
  readonly statistics: ThreadStatistics
  readonly startedMs: number
  readonly #server: ClientServer
  readonly #worker: Worker
  readonly #channel: Channel
  readonly #sockets = new Map<number, RemoteSocket>()
  readonly #listening = new Map<number, Waiting>()
  readonly #unlistening = new Map<number, Waiting>()
  #settling: RemoteSocket[] = []
  #error: Error | undefined
  #ended = false

  constructor(
    server: ClientServer,
    start: Omit<IoThreadStart, 'table' | 'statistics' | 'words'>,
    events: IoThreadEvents,
  ) {
    this.#server = server
    this.startedMs = server.clock.monotonicMs()
    this.statistics = new ThreadStatistics(server.registry.size)
    server.statistics.addThread(this.statistics)
    const workerData: IoThreadStart = {
      ...start,
      words: server.words.memory,
      statistics: this.statistics.memory,
      table: this.table.memory,
    }
    this.#worker = new Worker(WORKER_URL, { workerData, transferList: [start.reader.port], name: 'understudy-io' })
    this.#channel = new Channel(this.#worker)
    this.#worker.on('message', (message: FromIoThread | Uint8Array<ArrayBuffer>) => {
      if (this.#ended) return
      if (message instanceof Uint8Array) this.#receiveFrames(this.#channel.receive(message))
      else this.#receive(message)
    })
    this.#worker.on('error', (error) => {
      this.#error = error
    })
    this.#worker.on('exit', () => {
      const wasEnded = this.#ended
      this.#end()
      if (!wasEnded) events.ended(this, this.#error)
    })
  }

  /** Of the operating system's thread, for tests and logs. */
  get threadId(): number {
    return this.#worker.threadId
  }

  tell(message: ToIoThread): void {
    this.#worker.postMessage(message)
  }

  /** Listens on these places. @throws the system's error. */
  async listen(places: readonly SharedPlace[]): Promise<void> {
    if (places.length === 0) return
    const first = places[0]!.key
    const answered = new Promise<void>((resolve, reject) => this.#listening.set(first, { resolve, reject }))
    this.tell({ kind: 'listen', places })
    await answered
  }

  /** Stops listening on a place; also resolves when the thread ends. */
  async unlisten(key: number): Promise<void> {
    if (this.#ended) return
    const answered = new Promise<void>((resolve) => this.#unlistening.set(key, { resolve, reject: () => resolve() }))
    this.tell({ kind: 'unlisten', key })
    await answered
  }

  /** Ends the thread at once; its connections close. Not reported as an end by itself. */
  async terminate(): Promise<void> {
    this.#end()
    await this.#worker.terminate()
  }

  /** Ends the thread as a fault would: reported as an end by itself. For tests. */
  async kill(): Promise<void> {
    await this.#worker.terminate()
  }

  /** Everything written in this turn leaves. */
  endTurn(): void {
    if (this.#ended) return
    const settling = this.#settling
    if (settling.length > 0) this.#settling = settling.filter((socket) => !socket.settle())
    this.#channel.send()
  }

  commandName(id: number): string | undefined {
    return this.#server.registry.byId[id]?.name
  }

  output(id: number, bytes: Buffer): void {
    this.#channel.bytes(FRAME_OUTPUT, id, bytes)
  }

  signal(id: number, kind: number): void {
    this.#sockets.delete(id)
    this.#channel.frames.signal(kind, id)
    this.#server.endTurnSoon()
  }

  setNoDelay(id: number, noDelay: boolean): void {
    this.#channel.frames.facts(FRAME_NO_DELAY, id, noDelay ? 1 : 0, 0, '')
    this.#server.endTurnSoon()
  }

  settled(id: number, forwardedBytes: number, db: number, resp: number, flags: number): void {
    this.#channel.frames.settled(id, forwardedBytes, db, resp, flags)
  }

  waits(id: number): void {
    this.#channel.frames.signal(FRAME_WAITS, id)
  }

  authenticated(id: number): void {
    this.#channel.frames.signal(FRAME_AUTHENTICATED, id)
  }

  whenRoom(done: () => void): void {
    this.#channel.whenRoom(done)
  }

  settleSoon(socket: RemoteSocket): void {
    this.#settling.push(socket)
    this.#server.endTurnSoon()
  }

  handOver(id: number, request: LongReplyRequest): void {
    this.#channel.send()
    this.#worker.postMessage({ kind: 'long-reply', id, request } satisfies ToIoThread, [request.pin.port])
  }

  #receive(message: FromIoThread): void {
    switch (message.kind) {
      case 'log':
        this.#server.logger[message.level](message.message)
        break
      case 'listening': {
        const waiting = take(this.#listening, message.keys[0]!)
        const { error } = message
        if (error === undefined) waiting?.resolve()
        else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }))
        break
      }
      case 'unlistened':
        take(this.#unlistening, message.key)?.resolve()
        break
    }
  }

  #receiveFrames(frames: FrameReader): void {
    while (frames.next()) {
      if (frames.kind === FRAME_OPEN) {
        this.#open(frames)
        continue
      }
      if (frames.kind === FRAME_LATENCY) {
        this.#server.noteLatency(frames.text, frames.number(0))
        continue
      }
      // A connection that was closed here: its thread did not know when it sent this.
      const socket = this.#sockets.get(frames.id)
      if (socket?.session !== undefined) this.#receiveFrame(frames, socket, socket.session)
    }
    this.#server.endTurnSoon()
  }

  #receiveFrame(frames: FrameReader, socket: RemoteSocket, session: NonNullable<RemoteSocket['session']>): void {
    switch (frames.kind) {
      case FRAME_COMMANDS: {
        const { payload } = frames
        socket.forwardedBytes += payload.length
        this.#server.receive(session, payload)
        // What is not run now must not hold the whole batch.
        session.decoder.keep()
        break
      }
      case FRAME_ANSWERED:
        session.answered += frames.number(0)
        break
      case FRAME_INPUT_ENDED:
        this.#server.endInput(session)
        break
      case FRAME_GONE:
        // Who does not wait any more goes on: the thread says so again when it waits again.
        if (session.waits) this.#server.endInput(session)
        break
      case FRAME_TAKEN:
        socket.noteTaken(frames.number(0), frames.number(1))
        break
      case FRAME_REPLIED:
        this.#server.longReplies.finish(session)
        break
      case FRAME_CLOSED:
        socket.destroyed = true
        this.#sockets.delete(frames.id)
        session.kill()
        break
      case FRAME_SLOW: {
        const args: string[] = JSON.parse(frames.text)
        this.#server.addSlow(session, { args, micros: frames.number(0), seconds: frames.number(1) })
        break
      }
      default:
        throw new Error(`frame of kind ${frames.kind} from an I/O thread`)
    }
  }

  #open(frames: FrameReader): void {
    const { id } = frames
    const [address, localAddress] = frames.text.split('\0') as [string, string]
    const socket = new RemoteSocket(this, id, frames.number(1))
    const session = this.#server.acceptRemote(socket, { id, address, localAddress }, frames.number(0) === 1)
    if (typeof session === 'string') {
      this.output(id, Buffer.from(`-${session}\r\n`))
      this.signal(id, FRAME_FINISH)
      return
    }
    socket.session = session
    this.#sockets.set(id, socket)
    socket.commandsDone()
  }

  /** Nothing of the thread is there any more: its connections, its counters, its answers. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    const gone = this.#error ?? new Error('the I/O thread has ended')
    for (const waiting of [...this.#listening.values(), ...this.#unlistening.values()]) waiting.reject(gone)
    for (const socket of this.#sockets.values()) {
      socket.destroyed = true
      socket.session?.kill()
    }
    this.#sockets.clear()
    // The slabs of output that it has not taken go back.
    this.#channel.close()
    this.#server.statistics.removeThread(this.statistics)
  }
}

function take(from: Map<number, Waiting>, key: number): Waiting | undefined {
  const waiting = from.get(key)
  from.delete(key)
  return waiting
}
