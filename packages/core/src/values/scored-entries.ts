/**
 * Entries of an ordered index before they are in it: scores and addresses in two arrays, sorted together. A merge sort, so that no input
 * makes it slow, and input that is in order already costs one look.
 */

const FIRST_CAPACITY = 1024
/** Of a list that is done with. */
const KEPT_CAPACITY_MAX = 16_384
/** As long a run is sorted by insertion. */
const RUN_ENTRIES = 16

export class ScoredEntries {
  count = 0
  scores: Float64Array = new Float64Array(FIRST_CAPACITY)
  addresses: Int32Array = new Int32Array(FIRST_CAPACITY)
  /** Where runs are merged to. */
  #spareScores: Float64Array = new Float64Array(0)
  #spareAddresses: Int32Array = new Int32Array(0)

  add(score: number, address: number): void {
    if (this.count === this.scores.length) this.#grow()
    this.scores[this.count] = score
    this.addresses[this.count++] = address
  }

  /** Forgets the entries, and gives back what a long list took. */
  clear(): void {
    this.count = 0
    if (this.scores.length <= KEPT_CAPACITY_MAX) return
    this.scores = new Float64Array(FIRST_CAPACITY)
    this.addresses = new Int32Array(FIRST_CAPACITY)
    this.#spareScores = new Float64Array(0)
    this.#spareAddresses = new Int32Array(0)
  }

  /** Sorts by score. @param isBehind does the first of two entries with equal scores belong behind the second? */
  sort(isBehind: (address: number, other: number) => boolean): void {
    const { count } = this
    if (this.#isSorted(isBehind)) return
    this.#sortRuns(isBehind)
    for (let run = RUN_ENTRIES; run < count; run *= 2) {
      if (this.#spareScores.length < count) {
        this.#spareScores = new Float64Array(this.scores.length)
        this.#spareAddresses = new Int32Array(this.scores.length)
      }
      for (let from = 0; from < count; from += run * 2) {
        this.#merge(from, Math.min(from + run, count), Math.min(from + run * 2, count), isBehind)
      }
      const { scores, addresses } = this
      this.scores = this.#spareScores
      this.addresses = this.#spareAddresses
      this.#spareScores = scores
      this.#spareAddresses = addresses
    }
  }

  #isSorted(isBehind: (address: number, other: number) => boolean): boolean {
    const { count, scores, addresses } = this
    for (let i = 1; i < count; i++) {
      const before = scores[i - 1]!
      const score = scores[i]!
      if (before > score || (before === score && isBehind(addresses[i - 1]!, addresses[i]!))) return false
    }
    return true
  }

  #sortRuns(isBehind: (address: number, other: number) => boolean): void {
    const { count, scores, addresses } = this
    for (let i = 1; i < count; i++) {
      const first = i & -RUN_ENTRIES
      const score = scores[i]!
      const address = addresses[i]!
      let to = i
      while (to > first) {
        const before = scores[to - 1]!
        if (before < score || (before === score && !isBehind(addresses[to - 1]!, address))) break
        scores[to] = before
        addresses[to] = addresses[to - 1]!
        to--
      }
      scores[to] = score
      addresses[to] = address
    }
  }

  /** Merges the sorted runs [from, middle) and [middle, end) into the spare arrays. */
  #merge(from: number, middle: number, end: number, isBehind: (address: number, other: number) => boolean): void {
    const { scores, addresses } = this
    const toScores = this.#spareScores
    const toAddresses = this.#spareAddresses
    let left = from
    let right = middle
    for (let to = from; to < end; to++) {
      let takesRight = left === middle
      if (!takesRight && right < end) {
        const score = scores[left]!
        const other = scores[right]!
        takesRight = score > other || (score === other && isBehind(addresses[left]!, addresses[right]!))
      }
      const taken = takesRight ? right++ : left++
      toScores[to] = scores[taken]!
      toAddresses[to] = addresses[taken]!
    }
  }

  #grow(): void {
    const { scores, addresses } = this
    this.scores = new Float64Array(scores.length * 2)
    this.addresses = new Int32Array(scores.length * 2)
    this.scores.set(scores)
    this.addresses.set(addresses)
  }
}
