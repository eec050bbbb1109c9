/**
 * The best candidates for eviction among all that were sampled so far, best last. Samples are few and random; what makes their
 * order come near the true one is that good candidates of earlier samples stay here until their turn comes.
 *
 * Keys are named by their hash: a candidate that is gone by then is not found, and one that was mistaken for another would be
 * a key of the same 52 bits. Belongs to the writer's thread.
 *
 * Source: redis 7.0 evict.c evictionPoolPopulate(), EVPOOL_SIZE.
 */
export const POOL_SIZE = 16

export class EvictionPool {
  /** How many there are. */
  count = 0
  // The candidate that was taken last.
  score = 0
  db = 0
  order = 0
  tag = 0

  readonly #scores = new Float64Array(POOL_SIZE)
  readonly #dbs = new Int32Array(POOL_SIZE)
  readonly #orders = new Int32Array(POOL_SIZE)
  readonly #tags = new Int32Array(POOL_SIZE)

  /** Would a candidate of this score get in? The higher, the sooner it goes. */
  accepts(score: number): boolean {
    return this.count < POOL_SIZE || score > this.#scores[0]!
  }

  /** Puts in a candidate that the pool accepts; the worst goes when it is full. A key that is here already stays as it is. */
  add(score: number, db: number, order: number, tag: number): void {
    if (this.#has(db, order, tag)) return
    // Those that are worse move down by one, over the worst, or those that are not move up.
    let at: number
    if (this.count === POOL_SIZE) {
      at = 0
      while (at + 1 < POOL_SIZE && this.#scores[at + 1]! < score) this.#move(at + 1, at++)
    } else {
      at = this.count++
      while (at > 0 && this.#scores[at - 1]! >= score) this.#move(at - 1, at--)
    }
    this.#scores[at] = score
    this.#dbs[at] = db
    this.#orders[at] = order
    this.#tags[at] = tag
  }

  /** Takes the best candidate out, into the registers. @returns false when there is none. */
  takeBest(): boolean {
    if (this.count === 0) return false
    const at = --this.count
    this.score = this.#scores[at]!
    this.db = this.#dbs[at]!
    this.order = this.#orders[at]!
    this.tag = this.#tags[at]!
    return true
  }

  clear(): void {
    this.count = 0
  }

  #has(db: number, order: number, tag: number): boolean {
    for (let i = 0; i < this.count; i++) {
      if (this.#orders[i] === order && this.#tags[i] === tag && this.#dbs[i] === db) return true
    }
    return false
  }

  #move(from: number, to: number): void {
    this.#scores[to] = this.#scores[from]!
    this.#dbs[to] = this.#dbs[from]!
    this.#orders[to] = this.#orders[from]!
    this.#tags[to] = this.#tags[from]!
  }
}
