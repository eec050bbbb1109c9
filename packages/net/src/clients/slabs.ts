/**
 * The memory that replies are written into on their way to sockets. All commands of a turn write into one shared
 * encoder; its slab is then given to `socket.write` whole and comes back to the pool only when the write's callback has
 * run, because until then the kernel may still be reading it.
 */
import type { ReplyEncoder } from '@understudy/core/internal'

const SLAB_BYTES: number = 32 * 1024
/** A slab that had to grow is kept up to this size while it is in use, and dropped when the server is idle. */
const KEPT_SLAB_BYTES_MAX: number = 256 * 1024
const POOLED_SLABS_MAX = 64
const POOLED_SLABS_IDLE = 4

/** Who writes the slab: told when the bytes were taken. */
export interface SlabWriter {
  /** @param done must be called exactly once when the bytes are no longer needed. */
  write(view: Buffer, done: () => void): void
  written(byteCount: number): void
}

interface Slab {
  bytes: Buffer
  writer: SlabWriter | undefined
  length: number
  readonly done: () => void
}

export class SlabPool {
  readonly #encoder: ReplyEncoder
  readonly #free: Slab[] = []
  /** The slab in the encoder. */
  #current: Slab

  constructor(encoder: ReplyEncoder) {
    this.#encoder = encoder
    this.#current = this.#create()
    encoder.detach(this.#current.bytes)
  }

  /** Gives everything in the encoder to `writer` and a fresh slab to the encoder. */
  send(writer: SlabWriter): void {
    const slab = this.#current
    const encoder = this.#encoder
    if (encoder.bytes.length > KEPT_SLAB_BYTES_MAX) {
      const view = encoder.detach(slab.bytes)
      writer.write(view, () => writer.written(view.length))
      return
    }
    slab.bytes = encoder.bytes
    const next = this.#free.pop() ?? this.#create()
    this.#current = next
    const view = encoder.detach(next.bytes)
    slab.writer = writer
    slab.length = view.length
    writer.write(view, slab.done)
  }

  /** Gives memory back; called about once a second. */
  trim(): void {
    for (let i = this.#free.length - 1; i >= 0; i--) {
      if (i >= POOLED_SLABS_IDLE || this.#free[i]!.bytes.length > SLAB_BYTES) this.#free.splice(i, 1)
    }
  }

  #create(): Slab {
    const slab: Slab = {
      bytes: Buffer.allocUnsafeSlow(SLAB_BYTES),
      writer: undefined,
      length: 0,
      done: () => {
        const writer = slab.writer
        slab.writer = undefined
        if (this.#free.length < POOLED_SLABS_MAX) this.#free.push(slab)
        writer?.written(slab.length)
      },
    }
    return slab
  }
}
