/**
 * Who of several targets has which pieces of a snapshot yet to take, without I/O. All get all pieces in order, each at its own pace; a
 * piece is freed when the last has taken it, and only so many are there at once. So the fastest is ahead of the slowest by that
 * many pieces at most, and the slowest holds up all when it is behind by them.
 *
 *   pieces   0 … freed) gone   [freed … written) there
 *                        ▲ the slowest      ▲ who has taken all there is
 *
 * How long each target held up others is counted here; what follows from that is not decided here.
 */
export class FanOut {
  readonly #slots: number
  readonly #targets = new Set<FanOutTarget>()
  #written = 0
  #freed = 0
  #isEnded = false
  #hasFile = false
  /** Since when the slowest hold up others; undefined: nobody does. */
  #heldUpSinceMs: number | undefined

  /** @param slots pieces that are there at once, at most */
  constructor(slots: number) {
    this.#slots = slots
  }

  /** Are all pieces there that may be? Whoever writes them waits for the slowest. */
  get isFull(): boolean {
    return this.#written - this.#freed === this.#slots
  }

  /** Pieces that nobody needs any more. */
  get freed(): number {
    return this.#freed
  }

  /** One target more, from the first piece on; undefined when that is gone. */
  join(nowMs: number): FanOutTarget | undefined {
    if (this.#freed > 0) return undefined
    const target = new FanOutTarget()
    this.#account(nowMs)
    this.#targets.add(target)
    this.#settle(nowMs)
    return target
  }

  /** So many pieces were written by now, in all. */
  wrote(count: number, nowMs: number): void {
    this.#account(nowMs)
    this.#written = count
    this.#settle(nowMs)
  }

  /** Does somebody wait for a file with the same pieces? It takes each at once, so it is held up as well. */
  fileIsWanted(isWanted: boolean, nowMs: number): void {
    this.#account(nowMs)
    this.#hasFile = isWanted
    this.#settle(nowMs)
  }

  /** No more pieces come. */
  end(nowMs: number): void {
    this.#account(nowMs)
    this.#isEnded = true
    this.#settle(nowMs)
  }

  /** Is the piece at `target.position` there? */
  hasNext(target: FanOutTarget): boolean {
    return target.position < this.#written
  }

  /** The target has taken the piece at its position. */
  took(target: FanOutTarget, nowMs: number): void {
    this.#account(nowMs)
    target.position++
    this.#settle(nowMs)
  }

  /** The target takes no more. */
  leave(target: FanOutTarget, nowMs: number): void {
    this.#account(nowMs)
    this.#targets.delete(target)
    this.#settle(nowMs)
  }

  /** Milliseconds that others had to wait for this target, in all. */
  heldUpMs(target: FanOutTarget, nowMs: number): number {
    this.#account(nowMs)
    return target.heldUpMs
  }

  /** Adds the time since the last change to those who held up others in it. */
  #account(nowMs: number): void {
    if (this.#heldUpSinceMs === undefined) return
    const elapsedMs = nowMs - this.#heldUpSinceMs
    this.#heldUpSinceMs = nowMs
    for (const target of this.#targets) if (target.position === this.#freed) target.heldUpMs += elapsedMs
  }

  #settle(nowMs: number): void {
    let slowest = this.#written
    let isWaitedFor = this.#hasFile
    for (const { position } of this.#targets) {
      slowest = Math.min(slowest, position)
      isWaitedFor ||= position === this.#written
    }
    this.#freed = slowest
    this.#heldUpSinceMs = this.isFull && isWaitedFor && !this.#isEnded ? nowMs : undefined
  }
}

/** One of them; made by `FanOut.join()`. */
export class FanOutTarget {
  /** Pieces that it has taken. */
  position = 0
  /** See `FanOut.heldUpMs()`, which brings it up to date. */
  heldUpMs = 0
}
