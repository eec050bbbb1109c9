/**
 * Those who read a snapshot while it is made: gives them its pieces as they come, in the thread that sends them. A piece is lent to each
 * until it asks for the next one. In one turn of the event loop only so much is handed out: what takes it takes time.
 */
import { FanOut, type FanOutTarget } from './fan-out.ts'
import type { PieceReader } from './snapshot-pieces.ts'
import type { SnapshotReader } from './snapshot-reader.ts'

/** Handed out in one turn of the event loop, to all together. */
const TURN_BYTES_MAX: number = 512 << 10

interface Question {
  readonly target: FanOutTarget
  readonly resolve: (piece: Buffer | undefined) => void
  readonly reject: (fault: unknown) => void
}

export class LiveReaders {
  readonly #pieces: PieceReader
  readonly #fanOut: FanOut
  readonly #begun: Promise<undefined>
  #begin: () => void = () => {}
  #failBeginning: (fault: unknown) => void = () => {}
  /** In the order in which they asked. */
  #asked: Question[] = []
  #outcome: { readonly fault?: unknown } | undefined
  #turnBytes = 0

  constructor(pieces: PieceReader) {
    this.#pieces = pieces
    this.#fanOut = new FanOut(pieces.slots)
    this.#begun = new Promise((resolve, reject) => {
      this.#begin = () => resolve(undefined)
      this.#failBeginning = reject
    })
    // Nobody may be there to hear of it.
    this.#begun.catch(() => {})
  }

  /** Does whoever makes the snapshot wait for them? */
  get areBehind(): boolean {
    return this.#fanOut.isFull
  }

  /** One reader more, from the first byte on; undefined when that is gone. */
  open(): SnapshotReader | undefined {
    const target = this.#fanOut.join(performance.now())
    if (target === undefined) return undefined
    const fanOut = this.#fanOut
    let isLent = false
    let isClosed = false
    return {
      ready: this.#begun,
      get heldUpMs() {
        return fanOut.heldUpMs(target, performance.now())
      },
      read: async () => {
        if (isClosed) return undefined
        if (isLent) fanOut.took(target, performance.now())
        isLent = false
        this.#free()
        const piece = await new Promise<Buffer | undefined>((resolve, reject) => {
          this.#asked.push({ target, resolve, reject })
          this.#answer()
        })
        isLent = piece !== undefined
        return piece
      },
      close: () => {
        isClosed = true
        fanOut.leave(target, performance.now())
        this.#free()
        const asked = this.#asked.find((question) => question.target === target)
        this.#asked = this.#asked.filter((question) => question !== asked)
        asked?.resolve(undefined)
      },
    }
  }

  /** Somebody waits for a file with the same pieces, or nobody does any more. */
  fileIsWanted(isWanted: boolean): void {
    this.#fanOut.fileIsWanted(isWanted, performance.now())
  }

  /** Pieces were written. */
  moved(): void {
    const { written } = this.#pieces
    this.#fanOut.wrote(written, performance.now())
    if (written > 0) this.#begin()
    this.#free()
    this.#answer()
  }

  /** All pieces were written. */
  end(): void {
    this.moved()
    this.#fanOut.end(performance.now())
    this.#outcome ??= {}
    this.#answer()
  }

  /** The snapshot cannot be made. */
  fail(fault: unknown): void {
    this.#outcome ??= { fault }
    this.#failBeginning(fault)
    this.#answer()
  }

  #free(): void {
    this.#pieces.free(this.#fanOut.freed)
  }

  #answer(): void {
    const outcome = this.#outcome
    const open: Question[] = []
    for (const question of this.#asked.splice(0)) {
      const { target, resolve, reject } = question
      if (outcome?.fault !== undefined) reject(outcome.fault)
      else if (this.#fanOut.hasNext(target)) {
        if (this.#turnBytes < TURN_BYTES_MAX) resolve(this.#handOut(target.position))
        else open.push(question)
      } else if (outcome !== undefined) resolve(undefined)
      else open.push(question)
    }
    this.#asked = open
  }

  #handOut(index: number): Buffer {
    const piece = this.#pieces.piece(index)
    if (this.#turnBytes === 0) {
      setImmediate(() => {
        this.#turnBytes = 0
        this.#answer()
      })
    }
    this.#turnBytes += piece.length
    return piece
  }
}
