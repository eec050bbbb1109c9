/**
 * Moving the nodes of an ordered index, and what its entries point to, out of segments that are being evacuated: a leaf and the
 * way to it at a time.
 */
import type { BlockMover } from '../memory/block-mover.ts'
import { INDEX_ROOT, OrderedIndexCursor } from './ordered-index-cursor.ts'
import type { MovePosition } from './value-form.ts'

export class OrderedIndexMover extends OrderedIndexCursor {
  /**
   * Moves the leaf that holds `at.position` (a weight, see `seekWeight`) and the nodes above it, and shows its entries from that
   * one on, one at least, until the mover is exhausted; `at.position` moves behind those that are done.
   * @param moveEntry what it returns is where the entry's thing is now. While that takes more units it leaves `at.inner` at
   *   where to go on, and is shown the entry again by the next call.
   * @returns true behind the last entry.
   */
  moveLeaf(
    at: Pick<MovePosition, 'position' | 'inner'>,
    mover: BlockMover,
    moveEntry: (address: number) => number,
  ): boolean {
    if (!this.seekWeight(at.position)) {
      // It became shorter meanwhile, maybe by the entry that was under way.
      at.inner = 0
      return true
    }
    this.#movePath(mover)
    this.load(this.nodes[0]!, 0)
    const { words, addressesAt, weightsAt, count } = this
    at.position -= this.offset
    for (let slot = this.slots[0]!; slot < count; slot++) {
      words[addressesAt + slot] = moveEntry(words[addressesAt + slot]!)
      if (at.inner !== 0) return false
      at.position += weightsAt === 0 ? 1 : words[weightsAt + slot]! >>> 0
      if (mover.isExhausted) break
    }
    return at.position >= this.totalWeight
  }

  #movePath(mover: BlockMover): void {
    const { nodes, slots } = this
    for (let level = this.levels() - 1; level >= 0; level--) {
      const moved = mover.move(nodes[level]!)
      if (moved === nodes[level]) continue
      nodes[level] = moved
      if (level + 1 === this.levels()) this.state[this.at + INDEX_ROOT] = moved
      else {
        this.load(nodes[level + 1]!, level + 1)
        this.words[this.addressesAt + slots[level + 1]!] = moved
      }
    }
  }
}

/** For indexes whose entries are moved by somebody else. */
export function stayingEntry(address: number): number {
  return address
}
