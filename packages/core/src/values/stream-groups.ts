/**
 * Consumer groups of a stream: what a group has delivered, to which consumer, and what was not acknowledged yet. A
 * pending entry is one block that both the group's and its consumer's index name, as in redis 7.0 stream.h.
 *
 * Addresses of groups, consumers and pending entries are handles: they stay until the thing is deleted.
 */
import { StreamId } from '../encoding/stream-id.ts'
import type { LazyFree } from '../keyspace/lazy-free.ts'
import type { RegionView } from '../keyspace/region-view.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { OrderedIndex } from './ordered-index.ts'
import { type EntryOrder, WEIGHTED } from './ordered-index-cursor.ts'
import { readWords64, type Stream, writeWords64 } from './stream.ts'
import {
  CONSUMER_HEADER_BYTES,
  G_CONSUMERS,
  G_LAST,
  G_NAME,
  G_PENDING,
  G_READ,
  F_NOW,
  GROUP_HEADER_BYTES,
  K_ACTIVE,
  K_FORMER,
  K_NAME,
  K_PENDING,
  K_SEEN,
  P_CONSUMER,
  P_COUNT,
  P_ID,
  P_TIME,
  PENDING_BYTES,
} from './stream-layout.ts'
import { createNamed, freeNamed, NameOrder, NameSlot } from './stream-names.ts'

/** Entries read of a group whose count is not known. */
export const ENTRIES_READ_UNKNOWN = -1
/** Groups with more pending entries and consumers are freed in slices. */
const FREED_AT_ONCE_MAX = 1000

/** Sorts pending entries against an ID. */
class PendingOrder implements EntryOrder {
  view!: RegionView
  readonly id: StreamId = new StreamId()

  compare(pending: number): number {
    const address = this.view.local(pending)
    const words = this.view.memory.i32[address >>> 28]
    const at = byteOffsetOf(address) >>> 2
    if (words === undefined || at + P_CONSUMER >= words.length) return 1
    return -this.id.compareWords(words, at + P_ID)
  }
}

export class StreamGroups {
  /** Cursors over pending entries and consumers that callers walk with. */
  readonly pending: OrderedIndex = new OrderedIndex(WEIGHTED)
  readonly consumers: OrderedIndex = new OrderedIndex(WEIGHTED)
  readonly name: NameSlot = new NameSlot()

  view!: RegionView
  #stream!: Stream
  readonly #consumerPending = new OrderedIndex(WEIGHTED)
  readonly #names = new NameOrder()
  readonly #order = new PendingOrder()
  readonly #id = new StreamId()

  open(stream: Stream): this {
    this.#stream = stream
    this.view = stream.view
    this.#order.view = stream.view
    return this
  }

  /** For changes. */
  get region(): RegionWriter {
    return this.view.writer
  }

  // ---- groups ---------------------------------------------------------------------------------------------------

  get groupCount(): number {
    return this.#stream.groups.entries
  }

  /** The group of this name, 0 for none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const { groups } = this.#stream
    return this.#names.find(groups, this.view, GROUP_HEADER_BYTES, G_NAME, bytes, start, end) ? groups.address : 0
  }

  /** Makes a group. @returns 0 when there is one of this name already. */
  create(bytes: Uint8Array, start: number, end: number, lastId: StreamId, entriesRead: number | bigint): number {
    if (this.find(bytes, start, end) !== 0) return 0
    const { region } = this
    const group = createNamed(region, GROUP_HEADER_BYTES, G_NAME, bytes, start, end)
    try {
      this.#stream.groups.insertHere(group, 1)
    } catch (error) {
      freeNamed(region, group, G_NAME)
      throw error
    }
    this.setLastId(group, lastId)
    this.setEntriesRead(group, entriesRead)
    return group
  }

  /** Deletes the group that `find()` has just found. */
  destroy(group: number, lazyFree: LazyFree): void {
    this.#stream.groups.remove()
    const freeing = new GroupFreeing(this.region, group)
    if (this.pendingCount(group) + this.consumerCount(group) > FREED_AT_ONCE_MAX)
      lazyFree.addSlices(() => freeing.step())
    else while (!freeing.step());
  }

  forEachGroup(visit: (group: number) => void): void {
    const { groups } = this.#stream
    for (let more = groups.first(); more; more = groups.next()) visit(groups.address)
  }

  /** Locates the group's name in `name`. */
  groupName(group: number): NameSlot {
    this.name.locate(this.view, group, GROUP_HEADER_BYTES, G_NAME)
    return this.name
  }

  lastId(group: number, id: StreamId): StreamId {
    return id.readWords(this.#words(group), this.#word(group) + G_LAST)
  }

  setLastId(group: number, id: StreamId): void {
    id.writeWords(this.#kept(group), wordOf(group) + G_LAST)
  }

  entriesRead(group: number): number | bigint {
    return readWords64(this.#words(group), this.#word(group) + G_READ)
  }

  setEntriesRead(group: number, value: number | bigint): void {
    writeWords64(this.#kept(group), wordOf(group) + G_READ, value)
  }

  // ---- consumers ------------------------------------------------------------------------------------------------

  /** Opens `consumers` on a group's, without a position. */
  openConsumers(group: number): OrderedIndex {
    return this.#openIndex(this.consumers, group, G_CONSUMERS)
  }

  consumerCount(group: number): number {
    return this.openConsumers(group).entries
  }

  /** The group's consumer of this name, 0 for none. `consumers` stands on it, or where it belongs. */
  findConsumer(group: number, bytes: Uint8Array, start: number, end: number): number {
    const consumers = this.openConsumers(group)
    const found = this.#names.find(consumers, this.view, CONSUMER_HEADER_BYTES, K_NAME, bytes, start, end)
    return found ? consumers.address : 0
  }

  /** Makes a consumer right after `findConsumer()` found none of this name. */
  createConsumer(bytes: Uint8Array, start: number, end: number, seenMs: number | bigint): number {
    const { region } = this
    const consumer = createNamed(region, CONSUMER_HEADER_BYTES, K_NAME, bytes, start, end)
    try {
      this.consumers.insertHere(consumer, 1)
    } catch (error) {
      freeNamed(region, consumer, K_NAME)
      throw error
    }
    this.setSeenTime(consumer, seenMs)
    this.setActiveTime(consumer, -1)
    return consumer
  }

  /** Deletes the consumer that `findConsumer()` has just found, and what is pending for it. */
  deleteConsumer(group: number, consumer: number): void {
    this.consumers.remove()
    const own = this.openConsumerPending(consumer)
    const all = this.openPending(group)
    for (let more = own.first(); more; more = own.next()) {
      if (this.#seekPending(all, this.pendingId(own.address, this.#id))) all.remove()
    }
    while (own.freeLastLeaf((pending) => this.region.arena.free(pending)));
    freeConsumer(this.region, consumer)
  }

  consumerName(consumer: number): NameSlot {
    this.name.locate(this.view, consumer, CONSUMER_HEADER_BYTES, K_NAME)
    return this.name
  }

  seenTime(consumer: number): number | bigint {
    return readWords64(this.#words(consumer), this.#word(consumer) + K_SEEN)
  }

  setSeenTime(consumer: number, ms: number | bigint): void {
    writeWords64(this.#kept(consumer), wordOf(consumer) + K_SEEN, ms)
  }

  /** -1: never. */
  activeTime(consumer: number): number | bigint {
    return readWords64(this.#words(consumer), this.#word(consumer) + K_ACTIVE)
  }

  setActiveTime(consumer: number, ms: number | bigint): void {
    writeWords64(this.#kept(consumer), wordOf(consumer) + K_ACTIVE, ms)
  }

  // ---- pending entries ------------------------------------------------------------------------------------------

  /** Opens `pending` on the group's, without a position. */
  openPending(group: number): OrderedIndex {
    return this.#openIndex(this.pending, group, G_PENDING)
  }

  pendingCount(group: number): number {
    return this.openPending(group).entries
  }

  /** An index of its own on what is pending for a consumer. */
  openConsumerPending(consumer: number): OrderedIndex {
    return this.#openIndex(this.#consumerPending, consumer, K_PENDING)
  }

  consumerPendingCount(consumer: number): number {
    return this.openConsumerPending(consumer).entries
  }

  /** Moves an index of pending entries to the first one at or after `id`. */
  seekPending(index: OrderedIndex, id: StreamId): boolean {
    this.#order.id.copyFrom(id)
    return index.seekOrder(this.#order)
  }

  /** The group's pending entry `id`, 0 for none; `pending` stands on it or where it belongs. */
  findPending(group: number, id: StreamId): number {
    return this.#seekPending(this.openPending(group), id) ? this.pending.address : 0
  }

  /**
   * Makes a pending entry right after `findPending()` found none of this ID. @param consumer 0: it gets one later, by
   * `give()`.
   */
  createPending(id: StreamId, timeMs: number | bigint, count: number | bigint, consumer: number): number {
    const { region } = this
    const pending = region.arena.allocate(PENDING_BYTES)
    id.writeWords(this.#kept(pending), wordOf(pending) + P_ID)
    this.setDeliveryTime(pending, timeMs)
    this.setDeliveryCount(pending, count)
    this.#kept(pending)[wordOf(pending) + P_CONSUMER] = 0
    try {
      this.pending.insertHere(pending, 1)
      if (consumer !== 0) {
        try {
          this.give(pending, consumer)
        } catch (error) {
          this.pending.remove()
          throw error
        }
      }
    } catch (error) {
      region.arena.free(pending)
      throw error
    }
    return pending
  }

  /** Hands a pending entry to a consumer, away from the one that had it. */
  give(pending: number, consumer: number): void {
    const before = this.pendingConsumer(pending)
    if (before === consumer) return
    const id = this.pendingId(pending, this.#id)
    const own = this.openConsumerPending(consumer)
    this.#seekPending(own, id)
    own.insertHere(pending, 1)
    if (before !== 0 && this.#seekPending(this.openConsumerPending(before), id)) this.#consumerPending.remove()
    this.#kept(pending)[wordOf(pending) + P_CONSUMER] = consumer
  }

  /** Deletes the pending entry that `pending` stands on; it stands on the next one then (false: at the end). */
  removePending(): boolean {
    const { address } = this.pending
    const consumer = this.pendingConsumer(address)
    if (consumer !== 0) {
      const own = this.openConsumerPending(consumer)
      if (this.#seekPending(own, this.pendingId(address, this.#id))) own.remove()
    }
    const more = this.pending.remove()
    this.region.arena.free(address)
    return more
  }

  /** Does any group still have to deliver the entry, or wait for it to be acknowledged? */
  isReferenced(id: StreamId): boolean {
    const { groups } = this.#stream
    for (let more = groups.first(); more; more = groups.next()) {
      const group = groups.address
      if (id.compare(this.lastId(group, this.#id)) > 0 || this.findPending(group, id) !== 0) return true
    }
    return false
  }

  /** Forgets the entry in all groups it is pending in. @param removed told of each of them */
  removeReferences(id: StreamId, removed: (group: number) => void): void {
    const { groups } = this.#stream
    for (let more = groups.first(); more; more = groups.next()) {
      if (this.findPending(groups.address, id) === 0) continue
      this.removePending()
      removed(groups.address)
    }
  }

  pendingId(pending: number, id: StreamId): StreamId {
    return id.readWords(this.#words(pending), this.#word(pending) + P_ID)
  }

  deliveryTime(pending: number): number | bigint {
    return readWords64(this.#words(pending), this.#word(pending) + P_TIME)
  }

  setDeliveryTime(pending: number, ms: number | bigint): void {
    writeWords64(this.#kept(pending), wordOf(pending) + P_TIME, ms)
  }

  deliveryCount(pending: number): number | bigint {
    return readWords64(this.#words(pending), this.#word(pending) + P_COUNT)
  }

  setDeliveryCount(pending: number, count: number | bigint): void {
    writeWords64(this.#kept(pending), wordOf(pending) + P_COUNT, count)
  }

  /** Its consumer, 0 for none; also while the entry names a former block of that (stream-relocation.ts). */
  pendingConsumer(pending: number): number {
    const named = this.#words(pending)[this.#word(pending) + P_CONSUMER]!
    if (named === 0) return 0
    const now = this.#words(named)[this.#word(named) + F_NOW]!
    return now === 0 ? named : now
  }

  /** Moves `index` to the entry `id`. @returns false when it is not there: the index stands where it belongs. */
  #seekPending(index: OrderedIndex, id: StreamId): boolean {
    this.#order.id.copyFrom(id)
    return index.seekOrder(this.#order) && this.#order.compare(index.address) === 0
  }

  /** For whoever changes the block. */
  #kept(address: number): Int32Array {
    this.view.memory.keep(address)
    return this.#words(address)
  }

  #words(address: number): Int32Array {
    return this.view.memory.i32[this.view.local(address) >>> 28]!
  }

  #word(address: number): number {
    return wordOf(this.view.local(address))
  }

  /** Opens an index whose state is in words `offset …` of a block. */
  #openIndex(index: OrderedIndex, block: number, offset: number): OrderedIndex {
    const { view } = this
    view.memory.keep(block)
    const address = view.held(block, index)
    return index.open(view, view.memory.i32[address >>> 28]!, wordOf(address) + offset)
  }
}

function wordOf(address: number): number {
  return byteOffsetOf(address) >>> 2
}

/** Frees the blocks of a consumer that nothing is pending for. */
function freeConsumer(region: RegionWriter, consumer: number): void {
  const former = region.memory.i32[consumer >>> 28]![wordOf(consumer) + K_FORMER]!
  if (former !== 0) region.arena.free(former)
  freeNamed(region, consumer, K_NAME)
}

/** Frees an unlinked group leaf by leaf. */
export class GroupFreeing {
  readonly #region: RegionWriter
  readonly #group: number
  readonly #pending = new OrderedIndex(WEIGHTED)
  readonly #consumers = new OrderedIndex(WEIGHTED)
  readonly #own = new OrderedIndex(WEIGHTED)

  constructor(region: RegionWriter, group: number) {
    this.#region = region
    this.#group = group
  }

  /** Frees some hundred blocks at most. @returns true when all is done. */
  step(): boolean {
    const region = this.#region
    region.memory.keep(this.#group)
    const words = region.memory.i32[this.#group >>> 28]!
    this.#pending.open(region, words, wordOf(this.#group) + G_PENDING)
    this.#consumers.open(region, words, wordOf(this.#group) + G_CONSUMERS)
    if (this.#pending.entries > 0) {
      this.#pending.freeLastLeaf((pending) => region.arena.free(pending))
      return false
    }
    const consumers = this.#consumers
    if (consumers.entries > 0) {
      consumers.last()
      const consumer = consumers.address
      region.memory.keep(consumer)
      const own = this.#own.open(region, region.memory.i32[consumer >>> 28]!, wordOf(consumer) + K_PENDING)
      if (own.entries > 0) own.freeLastLeaf()
      else {
        consumers.remove()
        freeConsumer(region, consumer)
      }
      return false
    }
    freeNamed(region, this.#group, G_NAME)
    return true
  }
}
