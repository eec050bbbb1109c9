/**
 * The keys that connections have read, with who read each, the longest known first to go when there are too many.
 *
 * Two maps: new keys go into the young one; the old one only loses keys. When it is empty they change places. So the walk
 * through the old one passes each place once: V8 leaves a hole in a Map where an entry was deleted until it grows, and who
 * asks a map that is full for its first entry again and again passes all holes in front of it each time.
 */
export class TrackedKeys {
  /** Key (latin1) -> ids of connections that read it. */
  #young: Map<string, Set<number>> = new Map()
  #old: Map<string, Set<number>> = new Map()
  #oldest: IterableIterator<string> = this.#old.keys()

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(name: string): Set<number> | undefined {
    return this.#young.get(name) ?? (this.#old.size === 0 ? undefined : this.#old.get(name))
  }

  /** @param name is not held. */
  add(name: string): Set<number> {
    const ids = new Set<number>()
    this.#young.set(name, ids)
    return ids
  }

  delete(name: string): void {
    if (!this.#young.delete(name)) this.#old.delete(name)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }

  /** The key that has been held longest; the caller deletes it. */
  oldest(): string | undefined {
    if (this.#old.size === 0) {
      ;[this.#old, this.#young] = [this.#young, new Map()]
      this.#oldest = this.#old.keys()
    }
    return this.#oldest.next().value
  }
}
