/**
 * How many nodes Redis' radix tree would have for the nodes of a stream: XINFO STREAM tells it. Keys are 16 bytes and come
 * in order; chains of single children are one node (redis 7.0 rax.h), so the tree follows from how many bytes each key
 * shares with the one before.
 */
import { StreamId } from '../encoding/stream-id.ts'

const KEY_BYTES = 16

export class RadixNodeCount {
  /** Depths of the nodes on the way to the newest key. */
  readonly #path: number[] = []
  readonly #previous = new StreamId()
  #nodes = 0

  /** Adds a key, greater than the ones before. */
  add(key: StreamId): void {
    const path = this.#path
    if (path.length > 0) {
      const shared = sharedBytes(this.#previous, key)
      let child = path.pop()!
      while (path.length > 0 && path.at(-1)! > shared) {
        this.#edge(path.at(-1)!, child)
        child = path.pop()!
      }
      if (path.length === 0 || path.at(-1)! < shared) {
        path.push(shared)
        this.#nodes++
      }
      this.#edge(shared, child)
    }
    path.push(KEY_BYTES)
    this.#nodes++
    this.#previous.copyFrom(key)
  }

  /** The number of nodes; nothing can be added any more. */
  finish(): number {
    const path = this.#path
    if (path.length === 0) return 1
    let child = path.pop()!
    while (path.length > 0) {
      this.#edge(path.at(-1)!, child)
      child = path.pop()!
    }
    return this.#nodes + (child > 0 ? 1 : 0)
  }

  /** A node between two, when there are bytes between the one that chooses the child and the child. */
  #edge(parent: number, child: number): void {
    if (child - parent > 1) this.#nodes++
  }
}

function sharedBytes(a: StreamId, b: StreamId): number {
  if (a.msHi !== b.msHi) return Math.clz32(a.msHi ^ b.msHi) >>> 3
  if (a.msLo !== b.msLo) return 4 + (Math.clz32(a.msLo ^ b.msLo) >>> 3)
  if (a.seqHi !== b.seqHi) return 8 + (Math.clz32(a.seqHi ^ b.seqHi) >>> 3)
  if (a.seqLo !== b.seqLo) return 12 + (Math.clz32(a.seqLo ^ b.seqLo) >>> 3)
  return KEY_BYTES
}
