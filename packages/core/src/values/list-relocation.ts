/** Moving the blocks of a list (list-value.ts draws them) out of segments that are being evacuated. */
import type { RegionView } from '../keyspace/region-view.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { LargeValue } from './large-value.ts'
import { LIST_HEAD, LIST_INDEX, LIST_TAIL } from './list-cursor.ts'
import { isLongNode, LONG_NODE_ROOT, longNodeValue } from './list-node.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import { OrderedIndexMover } from './ordered-index-mover.ts'
import type { MovePosition } from './value-form.ts'

/** Parts: the two ends, the state of the tree, and the tree, leaf by leaf. */
/** By part: the word of the descriptor that it is about. */
const BESIDE = [LIST_HEAD, LIST_TAIL, LIST_INDEX]
const PART_STATE = 2
const PART_TREE = 3

const index = new OrderedIndexMover(WEIGHTED)

/** See `ValueForm.move`. */
export function moveList(value: LargeValue, mover: BlockMover, at: MovePosition): boolean {
  const { region, words } = value
  while (at.part < PART_TREE) {
    moveBeside(value, mover, at)
    if (at.inner !== 0) return false
    at.part++
    if (mover.isExhausted) return false
  }
  const state = words[value.at + LIST_INDEX]!
  if (state === 0) return true
  index.open(region, region.memory.i32[state >>> 28]!, byteOffsetOf(state) >>> 2)
  return index.moveLeaf(at, mover, (node) => moveNode(region, node, mover, at))
}

/** Moves what stands beside the tree: the part at hand. */
function moveBeside({ region, words, at: start }: LargeValue, mover: BlockMover, at: MovePosition): void {
  const word = start + BESIDE[at.part]!
  const address = words[word]!
  if (address === 0) at.inner = 0
  else words[word] = at.part === PART_STATE ? mover.move(address) : moveNode(region, address, mover, at)
}

function moveNode(region: RegionView, address: number, mover: BlockMover, at: MovePosition): number {
  const moved = mover.move(address)
  if (!isLongNode(region, moved)) {
    at.inner = 0
    return moved
  }
  const element = longNodeValue(region, moved)
  at.inner = element.moveNodesOn(at.inner, mover)
  region.memory.i32[moved >>> 28]![(byteOffsetOf(moved) >>> 2) + LONG_NODE_ROOT] = element.root
  return moved
}
