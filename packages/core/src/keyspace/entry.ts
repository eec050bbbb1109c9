/**
 * The record that a lookup found, as registers: where its value is, how long it is, when it expires. One instance is
 * reused for every lookup; it is valid until the next lookup or change.
 */
import { NO_BYTES, NO_VIEW, noteViewHolder, type ViewHolder } from '../memory/view-holders.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import { FORM_FIRST } from '../values/form-numbers.ts'
import { FLAG_CHUNKED, FLAG_EXPIRE, FLAG_LONG_KEY, FLAG_RAW, headerBytes, VALUE_LENGTH_MASK } from './layout.ts'
import { NodeValue } from './node-value.ts'
import { confirmRead } from './read-guard.ts'
import type { RegionView } from './region-view.ts'

const TWO_32: number = 2 ** 32

export class Entry implements ViewHolder {
  /** Where the record is (`RegionView.local`), 0 when nothing was found. */
  address = 0
  region!: RegionView
  /** Region that owns the nodes of a chunked value. */
  owner!: RegionView
  rdbType = 0
  flags = 0
  keyLength = 0
  /** Length of the value in bytes. */
  length = 0
  /** Milliseconds since 1970, -1 for none. */
  expireAtMs = -1
  /** Inline values: the value is `bytes[start .. start + length)`. Borrowed; gone after any allocation or change. */
  bytes!: Uint8Array
  /** Over the same bytes. */
  view!: DataView
  start = 0
  /** Chunked values: root of the nodes. */
  root = 0

  /** What the last `pieceAt` found: `pieceBytes[pieceStart …)`. Borrowed as `bytes` is. */
  pieceBytes!: Uint8Array
  pieceStart = 0

  readonly #nodes = new NodeValue()

  constructor() {
    noteViewHolder(this)
  }

  letGo(): void {
    this.address = 0
    this.bytes = NO_BYTES
    this.view = NO_VIEW
    this.pieceBytes = NO_BYTES
  }

  get isString(): boolean {
    return this.rdbType === 0
  }

  /** Is the value in a large form, and `length` that of a descriptor? */
  get isLarge(): boolean {
    return this.rdbType >= FORM_FIRST
  }

  /** Large forms: index of the descriptor's first word in the words of the record's segment. */
  get descriptorAt(): number {
    return (this.start + 3) >>> 2
  }

  get isChunked(): boolean {
    return (this.flags & FLAG_CHUNKED) !== 0
  }

  /** Is the key in nodes, not before the value? */
  get isLongKey(): boolean {
    return (this.flags & FLAG_LONG_KEY) !== 0
  }

  get isRaw(): boolean {
    return (this.flags & FLAG_RAW) !== 0
  }

  /** Loads the registers from a record. */
  load(region: RegionView, regions: readonly RegionView[], record: number): void {
    const address = region.local(record)
    const words = region.memory.i32[address >>> 28]!
    const offset = byteOffsetOf(address)
    let at = offset >>> 2
    const word0 = words[at]!
    const flags = (word0 >>> 8) & 0xff
    this.address = address
    this.region = region
    this.rdbType = word0 & 0xff
    this.flags = flags
    this.keyLength = word0 >>> 16
    this.length = words[at + 1]! & VALUE_LENGTH_MASK
    this.bytes = region.memory.u8[address >>> 28]!
    this.view = region.memory.views[address >>> 28]!
    this.start = offset + headerBytes(flags) + this.keyLength
    this.expireAtMs = -1
    if ((flags & (FLAG_EXPIRE | FLAG_CHUNKED | FLAG_LONG_KEY)) === 0) return
    at += 2
    if ((flags & FLAG_EXPIRE) !== 0) {
      this.expireAtMs = (words[at]! >>> 0) + words[at + 1]! * TWO_32
      at += 2
    }
    if ((flags & FLAG_LONG_KEY) !== 0) {
      this.keyLength = words[at]! >>> 0
      at += 2
    }
    if ((flags & FLAG_CHUNKED) !== 0) {
      this.length = (words[at]! >>> 0) + words[at + 1]! * TWO_32
      this.root = words[at + 2]!
      this.owner = regions[words[at + 3]!]!
    }
  }

  /** The nodes of a chunked value, opened; borrowed until the next `nodes()` or `keyNodes()`. */
  nodes(): NodeValue {
    return this.#nodes.open(this.owner, this.root, this.length)
  }

  /** The nodes of a long key, opened; borrowed until the next `nodes()` or `keyNodes()`. */
  keyNodes(): NodeValue {
    const words = this.region.memory.i32[this.address >>> 28]!
    const at = (byteOffsetOf(this.address) + headerBytes(this.flags & FLAG_EXPIRE)) >>> 2
    return this.#nodes.open(this.region, words[at + 1]!, this.keyLength)
  }

  /** Copies bytes [from, to) of the value to `target[at …)`. */
  copy(from: number, to: number, target: Uint8Array, at: number): void {
    if (this.isChunked) {
      this.nodes().read(from, to, target, at)
      return
    }
    const { bytes, start } = this
    copyBytes(bytes, this.view, start + from, start + to, target, viewOf(target), at)
  }

  /** One byte of the value. */
  byteAt(index: number): number {
    if (!this.isChunked) return this.bytes[this.start + index]!
    const node = this.owner.nodeOf(this.root, this.length, Math.floor(index / BLOCK_BYTES_MAX))
    return node === 0 ? 0 : this.owner.memory.u8[node >>> 28]![byteOffsetOf(node) + (index % BLOCK_BYTES_MAX)]!
  }

  /**
   * Finds the contiguous bytes of the value that begin at `position`; they are `pieceBytes[pieceStart …)`.
   * @returns how many they are, 0 at the end of the value. A loop over pieces may stop early and needs no closure.
   */
  pieceAt(position: number): number {
    if (position >= this.length) return 0
    if (!this.isChunked) {
      this.pieceBytes = this.bytes
      this.pieceStart = this.start + position
      return this.length - position
    }
    const index = Math.floor(position / BLOCK_BYTES_MAX)
    const inNode = position - index * BLOCK_BYTES_MAX
    const node = this.owner.nodeOf(this.root, this.length, index)
    this.pieceBytes = node === 0 ? ZEROS : this.owner.memory.u8[node >>> 28]!
    this.pieceStart = node === 0 ? inNode : byteOffsetOf(node) + inNode
    return Math.min(this.length - position, BLOCK_BYTES_MAX - inNode)
  }

  /**
   * Calls `visit` with each contiguous piece of bytes [from, to) in order. Pieces are borrowed for the call.
   * A hole (zeros never written) is visited as a piece of a shared block of zeros.
   */
  forEachPiece(from: number, to: number, visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    if (!this.isChunked) {
      if (to > from) visit(this.bytes, this.start + from, this.start + to)
      return
    }
    let position = from
    while (position < to) {
      const index = Math.floor(position / BLOCK_BYTES_MAX)
      const inNode = position - index * BLOCK_BYTES_MAX
      const count = Math.min(to - position, BLOCK_BYTES_MAX - inNode)
      const node = this.owner.nodeOf(this.root, this.length, index)
      if (node === 0) visit(ZEROS, 0, count)
      else {
        const at = byteOffsetOf(node) + inNode
        visit(this.owner.memory.u8[node >>> 28]!, at, at + count)
      }
      position += count
    }
  }

  /** Writes bytes [from, to) as a bulk reply. */
  replyBulk(reply: ReplyEncoder, from: number, to: number): void {
    if (!this.isChunked) {
      reply.bulk(this.bytes, this.start + from, this.start + to, this.view)
      return
    }
    confirmRead(to - from)
    reply.bulkHeader(to - from)
    this.forEachPiece(from, to, (bytes, start, end) => reply.raw(bytes, start, end))
    reply.bulkEnd()
  }

  /** A copy of the whole value; for values known to be short, and for tools. */
  toBuffer(): Buffer {
    confirmRead(this.length)
    const out = Buffer.allocUnsafe(this.length)
    this.copy(0, this.length, out, 0)
    return out
  }

  /** A copy of the key. */
  keyToBuffer(): Buffer {
    if ((this.flags & FLAG_LONG_KEY) !== 0) return Buffer.from(this.region.longKey(this.address))
    const end = this.start
    return Buffer.from(this.bytes.subarray(end - this.keyLength, end))
  }
}

const ZEROS: Uint8Array = new Uint8Array(BLOCK_BYTES_MAX)
