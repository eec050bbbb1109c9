/**
 * Freeing what is too big to free at once: the nodes of long strings, whole tables (FLUSHDB beside other databases, hashes
 * and sets with many elements) and what other forms of values are made of.
 * Things wait here already unlinked; `step()` frees them in slices. A generation that is dropped takes its queue along.
 *
 * The queue is bounded by what it points to: an entry stands for at least 1 MiB of nodes, for one table of a shard or for
 * a value of many elements; the last entry is worked on first, so a table of large values adds those of one page at a time.
 */
import { byteOffsetOf } from '../memory/region-memory.ts'
import { PAGE_SLOTS } from './layout.ts'
import { NodeValue } from './node-value.ts'
import type { RegionWriter } from './region-writer.ts'

const NODES_PER_CHECK = 64

type Waiting =
  | { kind: 'nodes'; region: RegionWriter; root: number; length: number; next: number }
  | { kind: 'table'; region: RegionWriter; directory: number; depth: number; next: number }
  | { kind: 'slices'; step: () => boolean }

export class LazyFree {
  readonly #queue: Waiting[] = []
  readonly #nodes = new NodeValue()
  readonly #freeRecord: (region: RegionWriter, address: number) => void

  /** @param freeRecord frees one record and what it owns. */
  constructor(freeRecord: (region: RegionWriter, address: number) => void) {
    this.#freeRecord = freeRecord
  }

  /** Things waiting. */
  get pending(): number {
    return this.#queue.length
  }

  addNodes(region: RegionWriter, root: number, length: number): void {
    this.#queue.push({ kind: 'nodes', region, root, length, next: 0 })
  }

  /** @param directory of a table whose root was already cleared. */
  addTable(region: RegionWriter, directory: number, depth: number): void {
    this.#queue.push({ kind: 'table', region, directory, depth, next: 0 })
  }

  /** @param step frees a slice of at most about 0.1 ms and says whether all is freed. */
  addSlices(step: () => boolean): void {
    this.#queue.push({ kind: 'slices', step })
  }

  /** As `addSlices`, unless this very function waits already. */
  addSlicesOnce(step: () => boolean): void {
    if (!this.#queue.some((waiting) => waiting.kind === 'slices' && waiting.step === step)) this.addSlices(step)
  }

  /** Forgets what waits: its memory went another way. */
  clear(): void {
    this.#queue.length = 0
  }

  /**
   * Frees for at most about `milliseconds`. No shard has to be entered: what is freed was unlinked inside a unit before,
   * so a reader that is still in it fails its validation.
   * @returns true while something is left.
   */
  step(milliseconds: number): boolean {
    const until = performance.now() + milliseconds
    while (this.#queue.length > 0) {
      const waiting = this.#queue.at(-1)!
      const done = this.#step(waiting)
      // Freeing a table may have queued large values behind it, so the entry is looked up again.
      if (done) this.#queue.splice(this.#queue.indexOf(waiting), 1)
      if (performance.now() >= until) break
    }
    return this.#queue.length > 0
  }

  #step(waiting: Waiting): boolean {
    switch (waiting.kind) {
      case 'nodes':
        return this.#stepNodes(waiting)
      case 'table':
        return this.#stepTable(waiting)
      case 'slices':
        return waiting.step()
    }
  }

  #stepNodes(waiting: Extract<Waiting, { kind: 'nodes' }>): boolean {
    const nodes = this.#nodes.open(waiting.region, waiting.root, waiting.length)
    const to = Math.min(nodes.nodeCount, waiting.next + NODES_PER_CHECK)
    nodes.freeNodes(waiting.next, to)
    waiting.next = to
    return nodes.length === 0
  }

  #stepTable(waiting: Extract<Waiting, { kind: 'table' }>): boolean {
    const { region, directory, depth } = waiting
    const entries = 2 ** depth
    const at = byteOffsetOf(directory) >>> 2
    const first = region.memory.i32[directory >>> 28]![at + waiting.next]!
    while (waiting.next < entries && region.memory.i32[directory >>> 28]![at + waiting.next] === first) waiting.next++
    let page = first
    while (page !== 0) {
      const words = region.memory.i32[page >>> 28]!
      const base = byteOffsetOf(page) >>> 2
      for (let slot = 1; slot < PAGE_SLOTS; slot++) {
        const record = words[base + slot * 2 + 1]!
        if (record !== 0) this.#freeRecord(region, record)
      }
      const overflow = words[base + 1]!
      region.arena.free(page)
      page = overflow
    }
    if (waiting.next < entries) return false
    region.freeDirectory(directory, depth)
    return true
  }
}
