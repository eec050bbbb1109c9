/**
 * Follows what a primary sends to one replica, byte for byte, and knows where it is: lines of the handshake, snapshot,
 * inside a command, inside a MULTI group, between two units; and which stream offsets are boundaries. It is the tests'
 * own judgement and shares no code with the link.
 */

export type Place = 'handshake' | 'snapshot' | 'command' | 'group' | 'between'

const LF = 10
const STAR = 42
const DOLLAR = 36
const NAME_MAX = 8
const MARK_BYTES = 40

export class StreamPosition {
  /** Ends of commands and groups on the stream, from all connections that share the set. */
  readonly boundaries: Set<number>
  /** Bytes seen of this connection before the snapshot or the stream. */
  handshakeBytes = 0
  /** Bytes seen of the snapshot, its header included. */
  snapshotBytes = 0
  /** Of the whole snapshot with its header; 0: not known, or none. */
  snapshotTotal = 0
  /** A piece of the snapshot ends here, so that `take` can stop behind this byte exactly. */
  snapshotStop = Infinity
  streamBytes = 0
  /** Stream offset behind the last byte seen. */
  offset = 0
  /** The last boundary of this connection. */
  lastBoundary = 0
  /** Bytes into the command, or into the group, that is not finished. */
  into = 0
  isInGroup = false
  /** Offset after which `+CONTINUE` goes on: from the replica's PSYNC. */
  askedOffset = 0

  #phase: 'lines' | 'counted' | 'marked' | 'stream' = 'lines'
  #line = ''
  #mark = Buffer.alloc(0)
  #tail = Buffer.alloc(0)
  #argsLeft = 0
  #bodyLeft = 0
  #argument = 0
  #name = ''
  #inHeader = false

  constructor(boundaries: Set<number>) {
    this.boundaries = boundaries
  }

  get place(): Place {
    if (this.#phase === 'lines') return 'handshake'
    if (this.#phase !== 'stream') return 'snapshot'
    if (this.isInGroup) return 'group'
    return this.into > 0 ? 'command' : 'between'
  }

  /** Takes bytes from `start`, until `stop()` says so. @returns the position behind the last byte taken. */
  take(bytes: Buffer, start: number, stop: () => boolean): number {
    let at = start
    while (at < bytes.length) {
      at = this.#phase === 'counted' || this.#phase === 'marked' ? this.#snapshot(bytes, at) : this.#byte(bytes, at)
      if (stop()) break
    }
    return at
  }

  #byte(bytes: Buffer, at: number): number {
    const byte = bytes[at]!
    if (this.#phase === 'lines') {
      this.handshakeBytes++
      if (byte === LF) {
        const line = this.#line
        this.#line = ''
        this.#handshakeLine(line.trimEnd())
      } else this.#line += String.fromCharCode(byte)
    } else {
      this.#streamByte(byte)
    }
    return at + 1
  }

  #handshakeLine(line: string): void {
    if (line.startsWith('+FULLRESYNC')) {
      this.offset = Number(line.split(' ')[2])
    } else if (line.startsWith('+CONTINUE')) {
      this.offset = this.askedOffset
      this.#startStream()
    } else if (line.startsWith('$EOF:')) {
      this.#mark = Buffer.from(line.slice('$EOF:'.length))
      this.snapshotBytes = line.length + 2
      this.#phase = 'marked'
    } else if (line.startsWith('$')) {
      this.snapshotBytes = line.length + 2
      this.snapshotTotal = this.snapshotBytes + Number(line.slice(1))
      this.#phase = 'counted'
    }
  }

  #snapshot(bytes: Buffer, start: number): number {
    const left = this.#phase === 'counted' ? this.snapshotTotal - this.snapshotBytes : Infinity
    // A stop that lies behind us is no stop.
    const toStop = this.snapshotStop > this.snapshotBytes ? this.snapshotStop - this.snapshotBytes : Infinity
    const end = Math.min(start + Math.min(left, toStop), bytes.length)
    const piece = bytes.subarray(start, end)
    if (this.#phase === 'marked') {
      const seen = Buffer.concat([this.#tail, piece])
      const found = seen.indexOf(this.#mark)
      if (found >= 0) {
        const taken = found + MARK_BYTES - this.#tail.length
        this.snapshotBytes += taken
        this.snapshotTotal = this.snapshotBytes
        this.#startStream()
        return start + taken
      }
      this.#tail = Buffer.from(seen.subarray(Math.max(0, seen.length - MARK_BYTES + 1)))
    }
    this.snapshotBytes += piece.length
    if (this.snapshotBytes === this.snapshotTotal) this.#startStream()
    return end
  }

  #startStream(): void {
    this.#phase = 'stream'
    this.#boundary()
  }

  #boundary(): void {
    this.into = 0
    this.lastBoundary = this.offset
    this.boundaries.add(this.offset)
  }

  #streamByte(byte: number): void {
    this.streamBytes++
    this.offset++
    this.into++
    if (this.#bodyLeft > 0) {
      // The body and its CR LF.
      this.#bodyLeft--
      if (this.#argument === 0 && this.#name.length < NAME_MAX && byte > 32) this.#name += String.fromCharCode(byte)
      if (this.#bodyLeft > 0) return
      this.#argument++
      this.#argsLeft--
      if (this.#argsLeft === 0) this.#commandEnded()
      return
    }
    if (!this.#inHeader) {
      if (byte !== STAR && byte !== DOLLAR)
        throw new Error(`byte ${byte} where a command begins, offset ${this.offset}`)
      this.#inHeader = true
      this.#line = String.fromCharCode(byte)
    } else if (byte === LF) {
      this.#inHeader = false
      const count = Number(this.#line.slice(1))
      if (this.#line.startsWith('*')) {
        this.#argsLeft = count
        this.#argument = 0
        this.#name = ''
      } else this.#bodyLeft = count + 2
    } else this.#line += String.fromCharCode(byte)
  }

  #commandEnded(): void {
    const name = this.#name.toUpperCase()
    if (name === 'MULTI') {
      this.isInGroup = true
      this.into = 0
    } else if (name === 'EXEC') this.isInGroup = false
    if (!this.isInGroup) this.#boundary()
  }
}
