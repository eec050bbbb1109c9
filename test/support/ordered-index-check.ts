/** Walks an ordered index node by node, apart from its own code, and throws where its structure is not what it promises. */
import {
  byteOffsetOf,
  INDEX_ENTRIES,
  INDEX_LEVELS,
  INDEX_NODES,
  INDEX_ROOT,
  INDEX_WEIGHT,
  NODE_MARK,
  type OrderedIndexKind,
  type RegionView,
  SCORED,
} from '@understudy/core/internal'

export interface IndexContents {
  addresses: number[]
  /** Scores or weights. */
  values: number[]
  /** Filled part of all leaves. */
  fill: number
  nodes: number
}

export function checkOrderedIndex(
  view: RegionView,
  state: Int32Array,
  at: number,
  kind: OrderedIndexKind,
): IndexContents {
  const contents: IndexContents = { addresses: [], values: [], fill: 0, nodes: 0 }
  const levels = state[at + INDEX_LEVELS]!
  let places = 0
  const walk = (node: number, level: number, low: number, high: number): { weight: number; count: number } => {
    const words = view.memory.i32[node >>> 28]!
    const bytes = view.memory.views[node >>> 28]!
    const base = byteOffsetOf(node) >>> 2
    const header = words[base]!
    if (header >>> 24 !== NODE_MARK) throw new Error(`node ${node} has no mark`)
    if (((header >>> 16) & 0xff) !== level) throw new Error(`node ${node} is not of level ${level}`)
    const capacity = (header >>> 8) & 0xff
    const count = header & 0xff
    if (count === 0 || count > capacity) throw new Error(`node ${node} has ${count} of ${capacity} entries`)
    contents.nodes++
    const addressesAt = base + 2 + (kind === SCORED ? capacity * 2 : 0)
    const score = (i: number): number => bytes.getFloat64((base + 2 + i * 2) * 4, true)
    if (level === 0) {
      places += capacity
      let weight = 0
      for (let i = 0; i < count; i++) {
        contents.addresses.push(words[addressesAt + i]!)
        if (kind === SCORED) {
          const found = score(i)
          if (found < low || found > high) throw new Error(`score ${found} is outside [${low}, ${high}]`)
          if (contents.values.length > 0 && contents.values.at(-1)! > found) throw new Error('scores do not ascend')
          contents.values.push(found)
          weight++
        } else {
          contents.values.push(words[addressesAt + capacity + i]! >>> 0)
          weight += contents.values.at(-1)!
        }
      }
      return { weight, count }
    }
    let weight = 0
    let entries = 0
    for (let i = 0; i < count; i++) {
      const from = kind === SCORED && i > 0 ? score(i) : low
      const to = kind === SCORED && i + 1 < count ? score(i + 1) : high
      const below = walk(words[addressesAt + i]!, level - 1, from, to)
      const said = words[addressesAt + capacity + i]! >>> 0
      if (said !== below.weight) throw new Error(`a child of weight ${below.weight} is said to have ${said}`)
      weight += below.weight
      entries += below.count
    }
    return { weight, count: entries }
  }
  if (levels > 0) {
    const all = walk(state[at + INDEX_ROOT]!, levels - 1, -Infinity, Infinity)
    if (all.weight !== state[at + INDEX_WEIGHT]! >>> 0) throw new Error('the total weight is wrong')
    if (all.count !== state[at + INDEX_ENTRIES]) throw new Error('the number of entries is wrong')
    contents.fill = all.count / places
  } else if (state[at + INDEX_ENTRIES] !== 0 || state[at + INDEX_WEIGHT] !== 0) throw new Error('not empty')
  if (contents.nodes !== state[at + INDEX_NODES])
    throw new Error(`${contents.nodes} nodes, not ${state[at + INDEX_NODES]}`)
  return contents
}
