/**
 * The bytes that go between the link thread and an I/O thread. Format: docs/formats/io-channel.md. One batch is what one
 * turn of an event loop has to say; it travels as the transferred buffer of one message.
 *
 * ```
 * batch:  | bytes received from the other side so far, f64 | frame | frame | …
 * frame:  | kind u32 | length u32 | connection id f64 | payload, padded to a multiple of 8 bytes |
 * ```
 * Numbers are in the machine's byte order: both ends are one process.
 */

/** To the link thread: a connection was accepted. Payload: 1 for a Unix socket f64, slot f64, `address\0local address`. */
export const FRAME_OPEN = 1
/** To the link thread: whole commands, as the client sent them. */
export const FRAME_COMMANDS = 2
/** To the link thread: the client sent its end of stream, and nothing follows. */
export const FRAME_INPUT_ENDED = 3
/** To the link thread: the connection is gone. */
export const FRAME_CLOSED = 4
/** To the link thread: a read was slow. Payload: micros f64, seconds f64, the arguments in JSON. */
export const FRAME_SLOW = 5
/** To the link thread: an event beyond latency-monitor-threshold. Payload: milliseconds f64, its name. */
export const FRAME_LATENCY = 6
/** To the link thread: so many of the commands that follow have been answered. Payload: their number f64. */
export const FRAME_ANSWERED = 7
/** To the I/O thread: bytes for the client. */
export const FRAME_OUTPUT = 8
/** To the I/O thread: what was forwarded so far is done. Payload: forwarded bytes f64, db u32, resp u32, flags u32. */
export const FRAME_SETTLED = 9
/** To the I/O thread: close when all output was sent. */
export const FRAME_FINISH = 10
/** To the I/O thread: close at once. */
export const FRAME_DESTROY = 11
/** To the link thread: how far a replica below is. Payload: bytes of output that came for it f64, of them unsent f64. */
export const FRAME_TAKEN = 12
/** To the I/O thread: sets TCP_NODELAY of the connection. Payload: 1 or 0 f64. */
export const FRAME_NO_DELAY = 13
/** To the link thread: the long reply that was handed over is complete. */
export const FRAME_REPLIED = 14
/** To the I/O thread: a command that was forwarded waits (BLPOP, CLIENT PAUSE …). Over with the next FRAME_SETTLED. */
export const FRAME_WAITS = 15
/** To the link thread: the client sent its end of stream, and not all before it is forwarded: if a command waits, it is gone. */
export const FRAME_GONE = 16
/** To the I/O thread: the client has told the password. What comes is not the output of a stranger. */
export const FRAME_AUTHENTICATED = 17

const BATCH_HEADER_BYTES = 8
const FRAME_HEADER_BYTES = 16
const FIRST_BYTES = 16 * 1024
/** A longer buffer is not kept for the next batch. */
const KEPT_BYTES_MAX = 256 * 1024

/** Collects the frames of one batch. */
export class FrameWriter {
  #bytes: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #words: Uint32Array = new Uint32Array(this.#bytes.buffer)
  #numbers: Float64Array = new Float64Array(this.#bytes.buffer)
  #length = BATCH_HEADER_BYTES
  /** Where the frame written last begins; 0: there is none, or it cannot be continued. */
  #last = 0

  get isEmpty(): boolean {
    return this.#length === BATCH_HEADER_BYTES
  }

  /** Bytes of the frames so far. */
  get length(): number {
    return this.#length - BATCH_HEADER_BYTES
  }

  /** Bytes of a connection; they join the frame before when that is of the same kind and connection. */
  bytes(kind: number, id: number, source: Uint8Array, start = 0, end: number = source.length): void {
    const last = this.#last
    if (last !== 0 && this.#words[last / 4] === kind && this.#numbers[last / 8 + 1] === id) {
      const payloadAt = last + FRAME_HEADER_BYTES
      const before = this.#words[last / 4 + 1]!
      const length = before + end - start
      this.#reserve(payloadAt + length + 8)
      this.#put(source, start, end, payloadAt + before)
      this.#words[last / 4 + 1] = length
      this.#length = padded(payloadAt + length)
      return
    }
    const at = this.#begin(kind, id, end - start)
    this.#put(source, start, end, at)
    this.#last = at - FRAME_HEADER_BYTES
  }

  /** A frame of two numbers and a text: what they are is said by the kind. */
  facts(kind: number, id: number, first: number, second: number, text: string): void {
    const bytes = Buffer.from(text)
    const at = this.#begin(kind, id, 16 + bytes.length)
    this.#numbers[at / 8] = first
    this.#numbers[at / 8 + 1] = second
    this.#put(bytes, 0, bytes.length, at + 16)
    this.#last = 0
  }

  /** FRAME_SETTLED. */
  settled(id: number, forwardedBytes: number, db: number, resp: number, flags: number): void {
    const at = this.#begin(FRAME_SETTLED, id, 24)
    this.#numbers[at / 8] = forwardedBytes
    this.#words[at / 4 + 2] = db
    this.#words[at / 4 + 3] = resp
    this.#words[at / 4 + 4] = flags
    this.#last = 0
  }

  /** A frame that says everything by its kind. */
  signal(kind: number, id: number): void {
    this.#begin(kind, id, 0)
    this.#last = 0
  }

  /** The batch, to be transferred, and nothing in this writer. @param receivedBytes what the other side has sent so far. */
  take(receivedBytes: number): Uint8Array<ArrayBuffer> {
    this.#numbers[0] = receivedBytes
    const bytes = this.#bytes
    const length = this.#length
    this.#length = BATCH_HEADER_BYTES
    this.#last = 0
    if (bytes.length <= KEPT_BYTES_MAX) return new Uint8Array(bytes.subarray(0, length))
    this.#grow(FIRST_BYTES)
    return new Uint8Array(bytes.buffer, 0, length)
  }

  /** @returns where the payload begins. */
  #begin(kind: number, id: number, payloadBytes: number): number {
    const at = this.#length
    const payloadAt = at + FRAME_HEADER_BYTES
    this.#reserve(payloadAt + payloadBytes + 8)
    this.#words[at / 4] = kind
    this.#words[at / 4 + 1] = payloadBytes
    this.#numbers[at / 8 + 1] = id
    this.#length = padded(payloadAt + payloadBytes)
    return payloadAt
  }

  #put(source: Uint8Array, start: number, end: number, at: number): void {
    this.#bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), at)
  }

  #reserve(needed: number): void {
    if (needed <= this.#bytes.length) return
    const before = this.#bytes
    this.#grow(padded(Math.max(needed, before.length * 2)))
    before.copy(this.#bytes, 0, 0, this.#length)
  }

  #grow(size: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(size)
    this.#words = new Uint32Array(this.#bytes.buffer)
    this.#numbers = new Float64Array(this.#bytes.buffer)
  }
}

/** Goes through the frames of one batch: `next()` until it returns false, reading the fields in between. */
export class FrameReader {
  kind = 0
  id = 0
  /** The payload: `bytes[start .. end)`. */
  start = 0
  end = 0
  readonly bytes: Buffer
  readonly #words: Uint32Array
  readonly #numbers: Float64Array
  #at = BATCH_HEADER_BYTES

  /** @param batch as it came. Ownership moves. */
  constructor(batch: Uint8Array<ArrayBuffer>) {
    this.bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength)
    this.#words = new Uint32Array(batch.buffer, batch.byteOffset, Math.floor(batch.byteLength / 4))
    this.#numbers = new Float64Array(batch.buffer, batch.byteOffset, Math.floor(batch.byteLength / 8))
  }

  /** Bytes of frames that the sender has received so far. */
  get receivedBytes(): number {
    return this.#numbers[0]!
  }

  next(): boolean {
    const at = this.#at
    if (at >= this.bytes.length) return false
    this.kind = this.#words[at / 4]!
    this.id = this.#numbers[at / 8 + 1]!
    this.start = at + FRAME_HEADER_BYTES
    this.end = this.start + this.#words[at / 4 + 1]!
    this.#at = padded(this.end)
    return true
  }

  /** The payload, over the batch's own memory. */
  get payload(): Buffer {
    return this.bytes.subarray(this.start, this.end)
  }

  /** The number at `index` (of 8 bytes each) of the payload. */
  number(index: number): number {
    return this.#numbers[this.start / 8 + index]!
  }

  /** The number at `index` (of 4 bytes each) of the payload. */
  word(index: number): number {
    return this.#words[this.start / 4 + index]!
  }

  /** The text of a frame written by `facts`. */
  get text(): string {
    return this.bytes.toString('utf8', this.start + 16, this.end)
  }
}

/** Positions may be beyond 2^31, where operators of 32 bits end: hence the divisions in this file. */
function padded(length: number): number {
  return Math.ceil(length / 8) * 8
}
