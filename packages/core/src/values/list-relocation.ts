/** Moving the blocks of a list (list-value.ts draws them) out of segments that are being evacuated. */
import type { RegionView } from '../keyspace/region-view.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { LargeValue } from './large-value.ts'
import { LIST_HEAD, LIST_INDEX, LIST_TAIL } from './list-cursor.ts'
import { isLongNode, LONG_NODE_ROOT, longNodeValue } from './list-node.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import { INDEX_END, OrderedIndexMover } from './ordered-index-mover.ts'
import type { MovePosition } from './value-form.ts'

/** Parts: the ends and the state of the tree; then the tree, leaf by leaf. */
const PART_ENDS = 0
const PART_TREE = 1

const index = new OrderedIndexMover(WEIGHTED)

/** See `ValueForm.move`. */
export function moveList(value: LargeValue, mover: BlockMover, at: MovePosition): boolean {
  const { region, words } = value
  if (at.part === PART_ENDS) {
    for (const word of [value.at + LIST_HEAD, value.at + LIST_TAIL]) {
      if (words[word] !== 0) words[word] = moveNode(region, words[word]!, mover)
    }
    const state = words[value.at + LIST_INDEX]!
    if (state === 0) return !mover.isExhausted
    words[value.at + LIST_INDEX] = mover.move(state)
    if (!mover.isExhausted) at.part = PART_TREE
    return false
  }
  const state = words[value.at + LIST_INDEX]!
  if (state === 0) return true
  index.open(region, region.memory.i32[state >>> 28]!, byteOffsetOf(state) >>> 2)
  at.position = index.moveLeaf(at.position, mover, (node) => moveNode(region, node, mover))
  return at.position === INDEX_END
}

function moveNode(region: RegionView, address: number, mover: BlockMover): number {
  const moved = mover.move(address)
  if (isLongNode(region, moved)) {
    const element = longNodeValue(region, moved)
    element.moveNodes(0, mover)
    region.memory.i32[moved >>> 28]![(byteOffsetOf(moved) >>> 2) + LONG_NODE_ROOT] = element.root
  }
  return moved
}
