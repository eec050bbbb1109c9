/** What the keyspace does with a stream as a whole: counting, showing, snapshots, copies, freeing. */
import { StreamId } from '../encoding/stream-id.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { Arena } from '../memory/arena.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { rdbVersionFor, RDB_TYPE_STREAM_LISTPACKS_2, RDB_TYPE_STREAM_LISTPACKS_3 } from '../object-codec/rdb-types.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'
import type { ItemVisitor } from '../object-codec/value-items.ts'
import { FORM_STREAM } from './form-numbers.ts'
import type { LargeValue } from './large-value.ts'
import { OrderedIndex } from './ordered-index.ts'
import { WEIGHTED } from './ordered-index-cursor.ts'
import { createStreamRoot, Stream } from './stream.ts'
import { GroupFreeing, StreamGroups } from './stream-groups.ts'
import { freeStreamNode } from './stream-node-writer.ts'
import {
  CHUNKED_NODE_BYTES,
  CONSUMER_HEADER_BYTES,
  D_ROOT,
  G_NAME,
  GROUP_HEADER_BYTES,
  INLINE_NAME_BYTES_MAX,
  K_FORMER,
  K_NAME,
  N_BYTES,
  N_CHUNKS,
  N_ID,
  N_ROOM,
  STREAM_NODE_HEADER_BYTES,
  PENDING_BYTES,
  R_ADDED,
  R_FIRST,
  R_GROUPS,
  R_LAST,
  R_MAX_DELETED,
  R_NODES,
  ROOT_BLOCK_BYTES,
  STREAM_DESCRIPTOR_WORDS,
  STREAM_HAS_ACTIVE_TIMES,
} from './stream-layout.ts'
import { MAX_ID, ZERO_ID } from './stream-reader.ts'
import { moveStream } from './stream-relocation.ts'
import type { ValueForm } from './value-form.ts'
import { NodeValue } from '../keyspace/node-value.ts'

/** Streams with more nodes are freed in slices. */
const NODES_AT_ONCE_MAX = 64

const shared = new Stream()
const sharedGroups = new StreamGroups()
const id = new StreamId()
const idBytes = new Uint8Array(16)

/** Address of the root block. */
export function streamRoot(value: LargeValue): number {
  return value.words[value.at + D_ROOT]!
}

function open(value: LargeValue): Stream {
  return shared.open(value.region, streamRoot(value))
}

export const streamForm: ValueForm = {
  form: FORM_STREAM,
  descriptorWords: STREAM_DESCRIPTOR_WORDS,
  count: (value) => (streamRoot(value) === 0 ? 0 : open(value).length),
  encodingName: () => 'stream',
  visitItems,
  snapshotType,
  serialize,
  footprint,
  copy,
  free,
  move: moveStream,
  visitBlocks,
}

function visitItems(value: LargeValue, visitor: ItemVisitor): void {
  const stream = open(value)
  const { node } = stream
  for (stream.seek(ZERO_ID, MAX_ID, false); stream.next();) {
    visitor.entry(wide(node.id.msHi, node.id.msLo), wide(node.id.seqHi, node.id.seqLo))
    node.visitFields(visitor)
  }
}

function wide(hi: number, lo: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)
}

// ---- snapshots ----------------------------------------------------------------------------------------------------

/** Snapshots tell from redis 7.2 on when consumers were last active; older ones do not know it. */
function snapshotType(value: LargeValue, rdbVersion: number): number {
  return (open(value).flags & STREAM_HAS_ACTIVE_TIMES) !== 0 && rdbVersion >= rdbVersionFor(RDB_TYPE_STREAM_LISTPACKS_3)
    ? RDB_TYPE_STREAM_LISTPACKS_3
    : RDB_TYPE_STREAM_LISTPACKS_2
}

function serialize(value: LargeValue, rdbType: number, out: RdbWriter): void {
  const stream = open(value)
  const { nodes, words, at } = stream
  out.count(nodes.entries)
  for (let more = nodes.first(); more; more = nodes.next()) writeNode(stream.view, nodes.address, out)
  out.count(stream.length)
  for (const offset of [R_LAST, R_FIRST, R_MAX_DELETED]) writeId(out, stream.readId(offset, id))
  out.count64(wide(words[at + R_ADDED + 1]!, words[at + R_ADDED]!))
  const withActiveTimes = rdbType === RDB_TYPE_STREAM_LISTPACKS_3
  const groups = sharedGroups.open(stream)
  out.count(groups.groupCount)
  groups.forEachGroup((group) => writeGroup(groups, group, withActiveTimes, out))
}

/** A node's ID and its listpack, which may be in chunks. */
function writeNode(region: RegionView, node: number, out: RdbWriter): void {
  const address = region.local(node)
  const words = region.memory.i32[address >>> 28]!
  const at = byteOffsetOf(address) >>> 2
  id.readWords(words, at + N_ID)
  id.writeBigEndian(idBytes, 0)
  out.rawString(idBytes, 0, 16)
  const length = words[at + N_BYTES]! >>> 0
  if (words[at + N_ROOM] === 0) {
    out.stringOf(new NodeValue().open(region, words[at + N_CHUNKS]!, length))
  } else {
    const start = (at << 2) + STREAM_NODE_HEADER_BYTES
    out.string(region.memory.u8[address >>> 28]!, start, start + length)
  }
}

function writeId(out: RdbWriter, of: StreamId): void {
  out.count64(wide(of.msHi, of.msLo))
  out.count64(wide(of.seqHi, of.seqLo))
}

function writeGroup(groups: StreamGroups, group: number, withActiveTimes: boolean, out: RdbWriter): void {
  const { bytes, start, end } = groups.groupName(group)
  out.string(bytes, start, end)
  writeId(out, groups.lastId(group, id))
  out.count64(BigInt.asUintN(64, BigInt(groups.entriesRead(group))))
  const pending = groups.openPending(group)
  out.count(pending.entries)
  for (let more = pending.first(); more; more = pending.next()) {
    groups.pendingId(pending.address, id).writeBigEndian(idBytes, 0)
    out.raw(idBytes, 0, 16)
    out.int64(BigInt(groups.deliveryTime(pending.address)))
    out.count64(BigInt.asUintN(64, BigInt(groups.deliveryCount(pending.address))))
  }
  const consumers = groups.openConsumers(group)
  out.count(consumers.entries)
  for (let more = consumers.first(); more; more = consumers.next()) {
    const consumer = consumers.address
    const name = groups.consumerName(consumer)
    out.string(name.bytes, name.start, name.end)
    out.int64(BigInt(groups.seenTime(consumer)))
    if (withActiveTimes) out.int64(BigInt(groups.activeTime(consumer)))
    const own = groups.openConsumerPending(consumer)
    out.count(own.entries)
    for (let next = own.first(); next; next = own.next()) {
      groups.pendingId(own.address, id).writeBigEndian(idBytes, 0)
      out.raw(idBytes, 0, 16)
    }
  }
}

// ---- memory -------------------------------------------------------------------------------------------------------

function nodeFootprint(region: RegionView, address: number): number {
  const words = region.memory.i32[address >>> 28]!
  const at = byteOffsetOf(address) >>> 2
  const room = words[at + N_ROOM]!
  if (room !== 0) return STREAM_NODE_HEADER_BYTES + room
  const chunks = new NodeValue().open(region, words[at + N_CHUNKS]!, words[at + N_BYTES]! >>> 0)
  return Arena.blockBytes(STREAM_NODE_HEADER_BYTES + 4) + chunks.footprint()
}

function footprint(value: LargeValue, samples: number): number {
  const stream = open(value)
  const { nodes, view } = stream
  let bytes = Arena.blockBytes(ROOT_BLOCK_BYTES) + nodes.footprint() + stream.groups.footprint()
  let measured = 0
  let sum = 0
  for (let more = nodes.first(); more && measured < samples; more = nodes.next()) {
    sum += nodeFootprint(view, nodes.address)
    measured++
  }
  if (measured > 0) bytes += Math.round((sum / measured) * nodes.entries)
  const groups = sharedGroups.open(stream)
  groups.forEachGroup((group) => {
    bytes += namedFootprint(GROUP_HEADER_BYTES, groups.groupName(group))
    const pending = groups.openPending(group)
    bytes += pending.footprint() + pending.entries * Arena.blockBytes(PENDING_BYTES)
    const consumers = groups.openConsumers(group)
    bytes += consumers.footprint()
    for (let more = consumers.first(); more; more = consumers.next()) {
      bytes += namedFootprint(CONSUMER_HEADER_BYTES, groups.consumerName(consumers.address))
      bytes += groups.openConsumerPending(consumers.address).footprint()
    }
  })
  return bytes
}

function namedFootprint(headerBytes: number, name: { start: number; end: number }): number {
  const length = name.end - name.start
  return length > INLINE_NAME_BYTES_MAX
    ? Arena.blockBytes(headerBytes) + length
    : Arena.blockBytes(headerBytes + length)
}

function visitBlocks(value: LargeValue, visit: (address: number, bytes: number) => void): void {
  const stream = open(value)
  const { nodes, view } = stream
  const { i32 } = view.memory
  const visitName = (address: number, headerBytes: number, nameWord: number): number => {
    const at = (byteOffsetOf(address) >>> 2) + nameWord
    const length = i32[address >>> 28]![at]! >>> 0
    const root = i32[address >>> 28]![at + 1]!
    const bytes = root === 0 ? headerBytes + length : headerBytes
    visit(address, bytes)
    if (root !== 0) new NodeValue().open(view, root, length).visitBlocks(visit)
    return bytes
  }
  visit(streamRoot(value), ROOT_BLOCK_BYTES)
  nodes.visitBlocks(visit)
  stream.groups.visitBlocks(visit)
  for (let more = nodes.first(); more; more = nodes.next()) {
    const words = i32[nodes.address >>> 28]!
    const at = byteOffsetOf(nodes.address) >>> 2
    const room = words[at + N_ROOM]!
    visit(nodes.address, room === 0 ? CHUNKED_NODE_BYTES : STREAM_NODE_HEADER_BYTES + room)
    if (room === 0) new NodeValue().open(view, words[at + N_CHUNKS]!, words[at + N_BYTES]! >>> 0).visitBlocks(visit)
  }
  const groups = sharedGroups.open(stream)
  groups.forEachGroup((group) => {
    visitName(group, GROUP_HEADER_BYTES, G_NAME)
    const pending = groups.openPending(group)
    pending.visitBlocks(visit)
    for (let more = pending.first(); more; more = pending.next()) visit(pending.address, PENDING_BYTES)
    const consumers = groups.openConsumers(group)
    consumers.visitBlocks(visit)
    for (let more = consumers.first(); more; more = consumers.next()) {
      const { address } = consumers
      const bytes = visitName(address, CONSUMER_HEADER_BYTES, K_NAME)
      const former = i32[address >>> 28]![(byteOffsetOf(address) >>> 2) + K_FORMER]!
      if (former !== 0) visit(former, bytes)
      groups.openConsumerPending(consumers.address).visitBlocks(visit)
    }
  })
}

// ---- copies -------------------------------------------------------------------------------------------------------

function copy(value: LargeValue, target: RegionWriter, descriptor: Int32Array): void {
  const source = open(value)
  const root = createStreamRoot(target)
  try {
    copyInto(source, new Stream().open(target, root))
  } catch (error) {
    const freeing = new StreamFreeing(target, root)
    while (!freeing.step());
    throw error
  }
  descriptor[D_ROOT] = root
}

function copyInto(source: Stream, made: Stream): void {
  for (const offset of [R_LAST, R_FIRST, R_MAX_DELETED]) made.writeId(offset, source.readId(offset, id))
  made.entriesAdded = source.entriesAdded
  made.flags = source.flags
  const { node, nodes } = source
  for (let more = nodes.first(); more; more = nodes.next()) {
    source.openNode(nodes.address)
    made.addNode(node.nodeId, nodes.weight, node.bytes, node.start, node.end)
  }
  const from = sharedGroups.open(source)
  const to = new StreamGroups().open(made)
  from.forEachGroup((group) => copyGroup(from, group, to))
}

function copyGroup(from: StreamGroups, group: number, to: StreamGroups): void {
  const { bytes, start, end } = from.groupName(group)
  const made = to.create(bytes, start, end, from.lastId(group, id), from.entriesRead(group))
  // Old consumer to new: they are few.
  const newConsumers = new Map<number, number>()
  const consumers = from.openConsumers(group)
  for (let more = consumers.first(); more; more = consumers.next()) {
    const name = from.consumerName(consumers.address)
    to.openConsumers(made).end()
    const consumer = to.createConsumer(name.bytes, name.start, name.end, from.seenTime(consumers.address))
    to.setActiveTime(consumer, from.activeTime(consumers.address))
    newConsumers.set(consumers.address, consumer)
  }
  const pending = from.openPending(group)
  for (let more = pending.first(); more; more = pending.next()) {
    const { address } = pending
    const consumer = newConsumers.get(from.pendingConsumer(address)) ?? 0
    to.openPending(made).end()
    to.createPending(from.pendingId(address, id), from.deliveryTime(address), from.deliveryCount(address), consumer)
  }
}

// ---- freeing ------------------------------------------------------------------------------------------------------

function free(value: LargeValue): void {
  const root = streamRoot(value)
  if (root === 0) return
  const stream = open(value)
  const big = stream.nodes.entries > NODES_AT_ONCE_MAX || stream.groups.entries > 0
  const freeing = new StreamFreeing(value.region.writer, root)
  if (big) value.lazyFree.addSlices(() => freeing.step())
  else while (!freeing.step());
}

/** Frees a stream that nobody sees any more, leaf by leaf. */
class StreamFreeing {
  readonly #region: RegionWriter
  readonly #root: number
  readonly #nodes = new OrderedIndex(WEIGHTED)
  readonly #groups = new OrderedIndex(WEIGHTED)
  #group: GroupFreeing | undefined

  constructor(region: RegionWriter, root: number) {
    this.#region = region
    this.#root = root
  }

  /** @returns true when all is done. */
  step(): boolean {
    const region = this.#region
    region.memory.keep(this.#root)
    const words = region.memory.i32[this.#root >>> 28]!
    const at = byteOffsetOf(this.#root) >>> 2
    this.#nodes.open(region, words, at + R_NODES)
    this.#groups.open(region, words, at + R_GROUPS)
    if (this.#nodes.entries > 0) {
      this.#nodes.freeLastLeaf((node) => freeStreamNode(region, node))
      return false
    }
    if (this.#group !== undefined) {
      if (this.#group.step()) this.#group = undefined
      return false
    }
    if (this.#groups.last()) {
      const group = this.#groups.address
      this.#groups.remove()
      this.#group = new GroupFreeing(region, group)
      return false
    }
    region.arena.free(this.#root)
    return true
  }
}
