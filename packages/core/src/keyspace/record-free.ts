/** Freeing records with what hangs on them. Values in a large form are freed by the keyspace, which knows the forms. */
import { byteOffsetOf } from '../memory/region-memory.ts'
import { FLAG_CHUNKED, FLAG_EXPIRE, FLAG_LONG_KEY, headerBytes } from './layout.ts'
import type { LazyFree } from './lazy-free.ts'
import { NodeValue } from './node-value.ts'
import { chunksAt, recordFlags } from './record.ts'
import type { RegionView } from './region-view.ts'
import type { RegionWriter } from './region-writer.ts'

/** Values with more nodes are freed in slices. */
const NODES_FREED_AT_ONCE = 64
const TWO_32: number = 2 ** 32

const nodes = new NodeValue()

/** Frees a record with its long key and the nodes of its value. */
export function freePlainRecord(
  regions: readonly RegionView[],
  lazyFree: LazyFree,
  region: RegionWriter,
  address: number,
): void {
  const flags = recordFlags(region, address)
  if ((flags & FLAG_CHUNKED) !== 0) {
    const words = region.memory.i32[address >>> 28]!
    const at = chunksAt(address, flags)
    const length = (words[at]! >>> 0) + words[at + 1]! * TWO_32
    const owner = regions[words[at + 3]!]!.writer
    if (nodes.open(owner, words[at + 2]!, length).nodeCount > NODES_FREED_AT_ONCE) {
      lazyFree.addNodes(owner, words[at + 2]!, length)
    } else {
      nodes.freeNodes(0, nodes.nodeCount)
    }
  }
  freeRecordOnly(region, address)
}

/** Frees a record and its long key, but nothing of its value. */
export function freeRecordOnly(region: RegionWriter, address: number): void {
  const flags = recordFlags(region, address)
  if ((flags & FLAG_LONG_KEY) !== 0) {
    const words = region.memory.i32[address >>> 28]!
    const at = (byteOffsetOf(address) + headerBytes(flags & FLAG_EXPIRE)) >>> 2
    nodes.open(region, words[at + 1]!, words[at]! >>> 0)
    nodes.freeNodes(0, nodes.nodeCount)
  }
  region.arena.free(address)
}
