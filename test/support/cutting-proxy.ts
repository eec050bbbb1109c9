/**
 * A TCP proxy between a replica and its primary that cuts the link at an exact byte of what the primary sends: in the
 * handshake, in the snapshot, inside a command or inside a MULTI group. After a cut it keeps new connections waiting
 * until `release()`, so that a test can look at the replica meanwhile. It can also change bytes of the snapshot.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Place, StreamPosition } from './stream-position.ts'

export interface Cut {
  readonly place: Exclude<Place, 'between'>
  /** handshake: bytes of it that pass. command and group: bytes of the stream that pass before a place is looked for. */
  readonly after?: number
  /** snapshot: the share of its bytes that passes, [0, 1). */
  readonly share?: number
  /** command: bytes of the command that pass; group: bytes behind MULTI. Shorter ones are let through. */
  readonly into?: number
  /** RST in place of FIN. */
  readonly reset?: boolean
}

export interface CutDone {
  readonly cut: Cut
  /** The handshake or the snapshot was shorter than that: nothing was cut. */
  readonly isMissed: boolean
  /** Where the last byte that passed is. */
  readonly place: Place
  /** Stream offset of the last byte that passed. */
  readonly offset: number
  /** The last end of a command or group that passed; -1: the stream had not begun. */
  readonly lastBoundary: number
  readonly handshakeBytes: number
  readonly snapshotBytes: number
}

/** Changes a piece of the snapshot in place. @param at the piece's first byte behind the header. */
export type Mutation = (bytes: Buffer, at: number) => void

const LINK_BEGINS: Buffer = Buffer.from('*1\r\n$4\r\nPING')
/** The header of a counted snapshot is not a place inside of it. */
const MIN_SNAPSHOT_BYTES = 64

export class CuttingProxy {
  /** All ends of commands and groups that ever passed. */
  readonly boundaries: Set<number> = new Set()
  /** What replicas asked the primary for, oldest first. */
  readonly psyncs: { readonly replid: string; readonly offset: number }[] = []
  connections = 0
  /** Bytes of the last snapshot that passed whole. */
  snapshotTotal = 0
  /** When set, the snapshot's bytes go through it. */
  mutation: Mutation | undefined
  primaryPort: number
  readonly #server: Server
  readonly #waiting: Socket[] = []
  #open: { down: Socket; up: Socket } | undefined
  #order: { cut: Cut; done: (done: CutDone) => void } | undefined
  #isHeld = false

  static async start(primaryPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(primaryPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(primaryPort: number) {
    this.primaryPort = primaryPort
    this.#server = createServer((socket) => {
      socket.on('error', () => {})
      if (this.#isHeld) this.#waiting.push(socket)
      else this.#look(socket)
    })
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
    return address.port
  }

  /** Resolves when it has happened. One at a time. */
  cut(cut: Cut): Promise<CutDone> {
    return new Promise((resolve) => {
      this.#order = { cut, done: resolve }
    })
  }

  /** Cuts right now, wherever the link is. New connections wait when `hold` is set. */
  drop(hold = false): void {
    this.#isHeld = hold
    this.#open?.down.destroy()
    this.#open?.up.destroy()
    this.#open = undefined
  }

  release(): void {
    this.#isHeld = false
    for (const socket of this.#waiting.splice(0)) if (!socket.destroyed) this.#look(socket)
  }

  async stop(): Promise<void> {
    this.drop(true)
    for (const socket of this.#waiting.splice(0)) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** A link begins with PING. What else comes (a replica asks its primary for INFO) passes as it is. */
  #look(down: Socket): void {
    down.once('data', (first: Buffer) => {
      down.pause()
      if (first.subarray(0, LINK_BEGINS.length).equals(LINK_BEGINS)) this.#join(down)
      else {
        const up = connect(this.primaryPort, '127.0.0.1')
        up.on('error', () => {})
        up.on('close', () => down.destroy())
        down.on('close', () => up.destroy())
        down.pipe(up).pipe(down)
      }
      down.unshift(first)
      down.resume()
    })
  }

  #join(down: Socket): void {
    this.connections++
    const up = connect(this.primaryPort, '127.0.0.1')
    const position = new StreamPosition(this.boundaries)
    const link = { down, up }
    this.#open = link
    for (const socket of [down, up]) socket.setNoDelay(true)
    up.on('error', () => {})
    up.on('close', () => down.destroy())
    down.on('close', () => up.destroy())
    let asked = ''
    down.on('data', (bytes: Buffer) => {
      if (asked.length < 10_000 && position.place === 'handshake') {
        asked += bytes.toString('latin1')
        const psync = /PSYNC\r\n\$\d+\r\n(\S+)\r\n\$\d+\r\n(-?\d+)\r\n/i.exec(asked)
        if (psync !== null && !up.destroyed) {
          asked = 'x'.repeat(10_000)
          this.psyncs.push({ replid: psync[1]!, offset: Number(psync[2]) })
          position.askedOffset = Number(psync[2]) - 1
        }
      }
      if (!up.destroyed) up.write(bytes)
    })
    up.on('data', (bytes: Buffer) => {
      if (down.destroyed) return
      const before = position.snapshotTotal
      const end = this.#pass(bytes, position)
      if (position.place !== 'snapshot' && position.snapshotTotal !== before)
        this.snapshotTotal = position.snapshotTotal
      if (end === undefined) {
        if (!down.write(bytes)) {
          up.pause()
          down.once('drain', () => up.resume())
        }
        return
      }
      this.#cutHere(link, bytes.subarray(0, end), position)
    })
  }

  /** @returns where in `bytes` the cut is, if it is there. */
  #pass(bytes: Buffer, position: StreamPosition): number | undefined {
    let at = 0
    const stop = (): boolean => this.#isCutHere(position)
    while (at < bytes.length) {
      const was = position.place
      const wasSnapshot = was === 'snapshot'
      if (wasSnapshot) position.snapshotStop = this.#snapshotStop(position)
      const seen = position.snapshotBytes
      const end = position.take(bytes, at, () => stop() || (position.place === 'snapshot') !== wasSnapshot)
      if (wasSnapshot) this.mutation?.(bytes.subarray(at, end), seen)
      at = end
      if (stop()) return at
      const isOver = position.place !== was && (wasSnapshot || position.place !== 'snapshot')
      if (isOver && this.#order?.cut.place === was) this.#finish(position, true)
    }
    return undefined
  }

  #isCutHere(position: StreamPosition): boolean {
    const cut = this.#order?.cut
    if (cut === undefined || cut.place !== position.place) return false
    switch (cut.place) {
      case 'handshake':
        return position.handshakeBytes >= (cut.after ?? 0)
      case 'snapshot':
        return position.snapshotBytes >= this.#snapshotStop(position)
      case 'command':
      case 'group':
        return position.streamBytes >= (cut.after ?? 0) && position.into === (cut.into ?? 1)
    }
  }

  #snapshotStop(position: StreamPosition): number {
    const { cut } = this.#order ?? {}
    if (cut?.place !== 'snapshot') return Infinity
    const total = position.snapshotTotal || this.snapshotTotal
    return Math.max(MIN_SNAPSHOT_BYTES, Math.floor(total * (cut.share ?? 0.5)))
  }

  #finish(position: StreamPosition, isMissed: boolean): void {
    const { cut, done } = this.#order!
    this.#order = undefined
    const hasStream = position.place === 'command' || position.place === 'group'
    done({
      cut,
      isMissed,
      place: position.place,
      offset: position.offset,
      lastBoundary: hasStream ? position.lastBoundary : -1,
      handshakeBytes: position.handshakeBytes,
      snapshotBytes: position.snapshotBytes,
    })
  }

  #cutHere({ down, up }: { down: Socket; up: Socket }, bytes: Buffer, position: StreamPosition): void {
    const { cut } = this.#order!
    this.#isHeld = true
    this.#open = undefined
    up.removeAllListeners('close')
    up.removeAllListeners('data')
    up.destroy()
    down.write(bytes, () => {
      if (cut.reset === true) down.resetAndDestroy()
      else down.end()
      this.#finish(position, false)
    })
  }
}
