/**
 * Moving the nodes of an ordered index, and what its entries point to, out of segments that are being evacuated: a leaf and the
 * way to it at a time.
 */
import type { BlockMover } from '../memory/block-mover.ts'
import { INDEX_ROOT, OrderedIndexCursor } from './ordered-index-cursor.ts'

/** What `moveLeaf` returns behind the last leaf. */
export const INDEX_END = -1

export class OrderedIndexMover extends OrderedIndexCursor {
  /**
   * Moves the leaf that holds `position` (a weight, see `seekWeight`) and the nodes above it, and shows its entries.
   * @param moveEntry what it returns is where the entry's thing is now.
   * @returns the position behind the leaf, `position` again when the mover was exhausted, INDEX_END at the end.
   */
  moveLeaf(position: number, mover: BlockMover, moveEntry: (address: number) => number): number {
    if (!this.seekWeight(position)) return INDEX_END
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
    this.load(nodes[0]!, 0)
    const { words, addressesAt, weightsAt, count } = this
    // From the beginning of the entry sought: what is behind it in the leaf, with itself.
    let next = position - this.offset
    for (let slot = 0; slot < count; slot++) {
      words[addressesAt + slot] = moveEntry(words[addressesAt + slot]!)
      if (slot >= slots[0]!) next += weightsAt === 0 ? 1 : words[weightsAt + slot]! >>> 0
    }
    if (mover.isExhausted) return position
    return next >= this.totalWeight ? INDEX_END : next
  }
}

/** For indexes whose entries are moved by somebody else. */
export function stayingEntry(address: number): number {
  return address
}
