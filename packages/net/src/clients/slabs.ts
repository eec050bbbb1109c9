/**
 * The memory that replies are written into on their way to sockets. All commands of a turn write into one shared encoder.
 * What a connection is sent is given to its socket whole, and its memory is used again only when the socket says that it
 * was taken, because until then the kernel may still have to read it.
 *
 * A short reply is copied into a slab that it shares with those of other connections:
 *
 *     | reply of A | reply of B | reply of C |  free    |        `inFlight` 3, `filled` up to the end of C's
 *
 * A slab each would be 32 MB, and most of them fresh, in a turn with a reply for each of a thousand connections.
 * A longer reply leaves in the encoder's own slab, without a copy.
 */
import type { ReplyEncoder } from '@understudy/core/internal'

const SLAB_BYTES: number = 32 * 1024
/** A longer reply gets a slab of its own. */
const SHORT_REPLY_BYTES_MAX: number = 8 * 1024
/** A slab that had to grow is kept up to this size while it is in use, and dropped when the server is idle. */
const KEPT_SLAB_BYTES_MAX: number = 256 * 1024
const POOLED_SLABS_MAX = 64
const POOLED_SLABS_IDLE = 4

/** Memory of replies that were given to sockets. */
export interface Slab {
  readonly bytes: Buffer
  readonly view: DataView
  /** What was given to sockets is below. */
  filled: number
  /** Replies in it that were not taken yet. */
  inFlight: number
}

/** Who is sent a reply. */
export interface SlabWriter {
  /** @param slab to be given back by `release`, exactly once, when the bytes of `view` are no longer needed. */
  writeSlab(slab: Slab, view: Buffer): void
}

export class SlabPool {
  readonly #encoder: ReplyEncoder
  readonly #free: Slab[] = []
  /** The slab in the encoder. */
  #current: Slab
  /** That of the short replies. */
  #shared: Slab

  constructor(encoder: ReplyEncoder) {
    this.#encoder = encoder
    this.#current = createSlab()
    this.#shared = createSlab()
    encoder.detach(this.#current.bytes)
  }

  /** Gives everything in the encoder to `writer`. */
  send(writer: SlabWriter): void {
    const { length } = this.#encoder
    if (length <= SHORT_REPLY_BYTES_MAX) this.#sendShort(writer, length)
    else this.#sendWhole(writer)
  }

  #sendShort(writer: SlabWriter, length: number): void {
    const encoder = this.#encoder
    if (this.#shared.filled + length > this.#shared.bytes.length) this.#shared = this.#free.pop() ?? createSlab()
    const slab = this.#shared
    const from = slab.filled
    slab.filled += length
    slab.inFlight++
    encoder.drainTo(slab.bytes, slab.view, from)
    writer.writeSlab(slab, slab.bytes.subarray(from, slab.filled))
  }

  #sendWhole(writer: SlabWriter): void {
    const encoder = this.#encoder
    // Its bytes are others when it had to grow.
    const slab = encoder.bytes === this.#current.bytes ? this.#current : slabOf(encoder.bytes)
    this.#current = this.#free.pop() ?? createSlab()
    const view = encoder.detach(this.#current.bytes)
    slab.filled = view.length
    slab.inFlight = 1
    writer.writeSlab(slab, view)
  }

  /** A reply in the slab was taken, or will not be. */
  release(slab: Slab): void {
    if (--slab.inFlight > 0) return
    slab.filled = 0
    if (slab === this.#shared) return
    if (this.#free.length < POOLED_SLABS_MAX && slab.bytes.length <= KEPT_SLAB_BYTES_MAX) this.#free.push(slab)
  }

  /** Gives memory back; called about once a second. */
  trim(): void {
    for (let i = this.#free.length - 1; i >= 0; i--) {
      if (i >= POOLED_SLABS_IDLE || this.#free[i]!.bytes.length > SLAB_BYTES) this.#free.splice(i, 1)
    }
  }
}

function createSlab(): Slab {
  return slabOf(Buffer.allocUnsafeSlow(SLAB_BYTES))
}

function slabOf(bytes: Buffer): Slab {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), filled: 0, inFlight: 0 }
}
