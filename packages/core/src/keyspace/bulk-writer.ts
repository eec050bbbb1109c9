/**
 * Fills a generation that nobody else can see yet, from the entries of a snapshot. It is the keyspace's `RdbSink`: no
 * counters, no listeners, no replacing of keys (a key that comes twice is an error), and entries are inserted in batches:
 * all pages of a batch are touched, then all entries are inserted, so that cache misses overlap.
 *
 * Several threads may fill one generation, each with a writer and a `Generation` of its own over the same memory, as long
 * as no two of them are given keys of the same region: regions share no memory but words of the control block that
 * belong to one shard each.
 */
import { KeyspaceError } from '../errors.ts'
import { BLOCK_BYTES_MAX, COMMANDS_AHEAD_MAX, SHARD_COUNT } from '../limits.ts'
import { byteOffsetOf } from '../memory/region-memory.ts'
import type { RdbSink } from '../ports.ts'
import type { Generation } from './generation.ts'
import { hashKey, hashOrder, hashTag } from './key-hash.ts'
import { FLAG_EXPIRE, headerBytes, regionOf, ROOT_EXPIRES, shardOf } from './layout.ts'
import { AccessBits, recordAccessBits } from './access-bits.ts'
import { Entry } from './entry.ts'
import { LazyFree } from './lazy-free.ts'
import { touchPages } from './lookups-ahead.ts'
import { NodeValue } from './node-value.ts'
import { freePlainRecord } from './record-free.ts'
import type { RegionWriter } from './region-writer.ts'
import {
  chunksAt,
  createInlineRecord,
  createRecord,
  fillValue,
  INLINE_KEY_BYTES_MAX,
  writeChunks,
  writeDescriptor,
} from './record.ts'
import { buildFromSource, buildValue, hasBuilder } from '../values/builders.ts'
import { descriptorBytes } from '../values/form-numbers.ts'
import { formOf } from '../values/forms.ts'
import { DEFAULT_THRESHOLDS, type EncodingThresholds } from '../values/thresholds.ts'
import { ValueFault } from '../object-codec/value-walker.ts'
import { ValueBuild } from '../values/value-build.ts'

/** Pages of a batch are touched together. */
const BATCH_ENTRIES_MAX = COMMANDS_AHEAD_MAX

export class BulkWriter implements RdbSink {
  readonly generation: Generation
  readonly databaseCount: number
  readonly #access: AccessBits
  /** Keys inserted so far. */
  keyCount = 0

  // The batch, of one database: one column per field, `#count` rows. Bytes are borrowed until flush().
  #count = 0
  #db = 0
  readonly #type = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #key: Uint8Array[] = []
  readonly #keyStart = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #keyEnd = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #value: Uint8Array[] = []
  readonly #valueStart = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #valueEnd = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #expireAtMs = new Float64Array(BATCH_ENTRIES_MAX)
  readonly #bits = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #order = new Int32Array(BATCH_ENTRIES_MAX)
  readonly #tag = new Int32Array(BATCH_ENTRIES_MAX)
  /** Depends on what was touched for the last batch: read by nobody, but it keeps the touching from being optimised away. */
  touched = 0

  // The value that comes in pieces.
  #pieces: NodeValue | undefined
  readonly #pieceNodes = new NodeValue()
  #pieceAddress = 0
  #pieceOrder = 0
  #pieceTag = 0
  #pieceRoot = 0

  readonly #lazyFree: LazyFree
  readonly #build: ValueBuild
  readonly #entry = new Entry()

  /**
   * @param thresholds decide what OBJECT ENCODING will say of the values, as they do when Redis loads.
   * @param access under which policy, and when, keys come
   */
  constructor(
    generation: Generation,
    thresholds: EncodingThresholds = DEFAULT_THRESHOLDS,
    access: AccessBits = new AccessBits(),
  ) {
    this.generation = generation
    this.#access = access
    const { regions } = generation
    this.#lazyFree = new LazyFree((region, address) => freePlainRecord(regions, this.#lazyFree, region, address))
    this.#build = new ValueBuild(regions, this.#lazyFree, thresholds)
    this.databaseCount = generation.databaseCount
    const empty = new Uint8Array(0)
    for (let i = 0; i < BATCH_ENTRIES_MAX; i++) {
      this.#key.push(empty)
      this.#value.push(empty)
    }
  }

  resizeHint(db: number, keys: number, _expires: number): void {
    this.plan(db, keys, -1)
  }

  /** Prepares the tables of a database for so many keys, in the regions whose bits are set. Full tables stay as they are. */
  plan(db: number, keys: number, regions: number): void {
    this.flush()
    const { generation } = this
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      const region = regionOf(shard)
      if ((regions & (1 << region)) === 0) continue
      generation.regions[region]!.plan(generation.control, generation.rootOf(db, shard), keys / SHARD_COUNT)
    }
  }

  put(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    hashKey(this.generation.seed, key, keyStart, keyEnd)
    this.putHashed(
      hashOrder,
      hashTag,
      db,
      rdbType,
      key,
      keyStart,
      keyEnd,
      value,
      valueStart,
      valueEnd,
      expireAtMs,
      idleSeconds,
      freq,
    )
  }

  /** `put` for who has hashed the key already, with the generation's seed. */
  putHashed(
    order: number,
    tag: number,
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    if (db !== this.#db) this.flush()
    this.#db = db
    const i = this.#count
    this.#order[i] = order
    this.#tag[i] = tag
    this.#type[i] = rdbType
    this.#key[i] = key
    this.#keyStart[i] = keyStart
    this.#keyEnd[i] = keyEnd
    this.#value[i] = value
    this.#valueStart[i] = valueStart
    this.#valueEnd[i] = valueEnd
    this.#expireAtMs[i] = expireAtMs
    this.#bits[i] = this.#access.ofTold(idleSeconds, freq)
    this.#count = i + 1
    if (i + 1 === BATCH_ENTRIES_MAX) this.flush()
  }

  begin(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    this.flush()
    hashKey(this.generation.seed, key, keyStart, keyEnd)
    const shard = shardOf(hashOrder)
    const region = this.generation.regions[regionOf(shard)]!
    this.#pieceOrder = hashOrder
    this.#pieceTag = hashTag
    this.#pieceRoot = this.generation.rootOf(db, shard)
    if (region.find(this.generation.control, this.#pieceRoot, hashOrder, hashTag, key, keyStart, keyEnd) !== 0)
      refuse(db, key, keyStart, keyEnd)
    const flags = expireAtMs === -1 ? 0 : FLAG_EXPIRE
    this.#pieceAddress = createRecord(
      region,
      key,
      keyStart,
      keyEnd,
      rdbType,
      flags,
      BLOCK_BYTES_MAX,
      expireAtMs,
      this.#access.ofTold(idleSeconds, freq),
      true,
    )
    this.#pieces = this.#pieceNodes.open(region, 0, 0)
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    this.#pieces!.append(bytes, start, end)
  }

  end(): void {
    const order = this.#pieceOrder
    const region = this.generation.regions[regionOf(shardOf(order))]!
    const address = this.#pieceAddress
    const pieces = this.#pieces!
    const flags = this.#closePieces(region)
    const converted = this.#convertPieces(region, address, pieces)
    // Making a value of elements has moved the region's registers: look for the place again.
    if (converted !== address) region.pageAddress = 0
    this.#insert(region, this.#pieceRoot, order, this.#pieceTag, converted, flags)
  }

  drop(): void {
    const region = this.generation.regions[regionOf(shardOf(this.#pieceOrder))]!
    this.#closePieces(region)
    this.#free(region, this.#pieceAddress)
  }

  /** The record has all its pieces. @returns its flags */
  #closePieces(region: RegionWriter): number {
    const address = this.#pieceAddress
    const words = region.memory.i32[address >>> 28]!
    const flags = (words[byteOffsetOf(address) >>> 2]! >>> 8) & 0xff
    writeChunks(words, chunksAt(address, flags), this.#pieces!, region.index)
    this.#pieces = undefined
    return flags
  }

  #free(region: RegionWriter, address: number): void {
    freePlainRecord(this.generation.regions, this.#lazyFree, region, address)
    while (this.#lazyFree.step(1000));
  }

  /**
   * The record of a value that came in pieces, with the value in its form. The pieces are freed while they are read, from the first
   * one on: bytes and form of a large value are never there together.
   */
  #convertPieces(region: RegionWriter, address: number, pieces: NodeValue): number {
    const entry = this.#entry
    entry.load(region, this.generation.regions, address)
    const { rdbType, expireAtMs } = entry
    if (rdbType === 0 || !hasBuilder(rdbType)) return address
    const access = recordAccessBits(region, address)
    let cleared = 0
    const source = {
      lengthBytes: pieces.length,
      copy: (offset: number, target: Uint8Array, at: number, count: number): void => {
        pieces.copy(offset, target, at, count)
        // Builders read forwards only.
        const passed = Math.floor((offset + count) / BLOCK_BYTES_MAX)
        pieces.clearNodes(cleared, passed)
        cleared = passed
      },
    }
    this.#build.begin(region)
    const key = entry.keyToBuffer()
    try {
      buildFromSource(rdbType, source, this.#build)
    } catch (error) {
      throw asKeyspaceError(error, key, 0, key.length)
    }
    const made = this.#createBuilt(region, key, 0, key.length, expireAtMs, access)
    this.#free(region, address)
    return made
  }

  /** A record of what was built. */
  #createBuilt(
    region: RegionWriter,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    expireAtMs: number,
    access: number,
  ): number {
    const { form, isLarge, bytes, start, end, descriptor } = this.#build
    const words = isLarge ? formOf(form).descriptorWords : 0
    const length = isLarge ? descriptorBytes(words) : end - start
    const flags = (isLarge ? 0 : this.#build.flags) | (expireAtMs === -1 ? 0 : FLAG_EXPIRE)
    const inlineBytes = headerBytes(flags) + (keyEnd - keyStart) + length
    if (!isLarge && keyEnd - keyStart <= INLINE_KEY_BYTES_MAX) {
      return createInlineRecord(
        region,
        inlineBytes,
        key,
        keyStart,
        keyEnd,
        form,
        flags,
        bytes,
        start,
        end,
        expireAtMs,
        access,
      )
    }
    const address = createRecord(region, key, keyStart, keyEnd, form, flags, length, expireAtMs, access, false)
    if (isLarge) writeDescriptor(region, address, descriptor, 0, words)
    else fillValue(region, address, bytes, start, end)
    return address
  }

  flush(): void {
    const count = this.#count
    if (count === 0) return
    this.#count = 0
    this.touched = touchPages(this.generation, this.#db, this.#order, this.#tag, count, true)
    for (let i = 0; i < count; i++) this.#insertRow(i)
  }

  #insertRow(i: number): void {
    const key = this.#key[i]!
    const keyStart = this.#keyStart[i]!
    const keyEnd = this.#keyEnd[i]!
    const order = this.#order[i]!
    const tag = this.#tag[i]!
    const root = this.generation.rootOf(this.#db, shardOf(order))
    const expireAtMs = this.#expireAtMs[i]!
    const valueStart = this.#valueStart[i]!
    const valueEnd = this.#valueEnd[i]!
    const region = this.generation.regions[regionOf(shardOf(order))]!
    if (region.find(this.generation.control, root, order, tag, key, keyStart, keyEnd) !== 0)
      refuse(this.#db, key, keyStart, keyEnd)
    const flags = expireAtMs === -1 ? 0 : FLAG_EXPIRE
    const value = this.#value[i]!
    const rdbType = this.#type[i]!
    if (rdbType !== 0 && hasBuilder(rdbType)) {
      this.#build.begin(region)
      try {
        buildValue(rdbType, value, valueStart, valueEnd, this.#build)
      } catch (error) {
        throw asKeyspaceError(error, key, keyStart, keyEnd)
      }
      // A value of elements, perhaps made for the time of packing it, has moved the region's registers: insert looks for the
      // place itself. What such a value leaves is freed here, as nobody else does it in this thread.
      region.pageAddress = 0
      while (this.#lazyFree.pending > 0 && this.#lazyFree.step(1000));
      const made = this.#createBuilt(region, key, keyStart, keyEnd, expireAtMs, this.#bits[i]!)
      this.#insert(region, root, order, tag, made, flags)
      return
    }
    const inlineBytes = headerBytes(flags) + (keyEnd - keyStart) + (valueEnd - valueStart)
    let address: number
    if (inlineBytes <= BLOCK_BYTES_MAX && keyEnd - keyStart <= INLINE_KEY_BYTES_MAX) {
      address = createInlineRecord(
        region,
        inlineBytes,
        key,
        keyStart,
        keyEnd,
        rdbType,
        flags,
        value,
        valueStart,
        valueEnd,
        expireAtMs,
        this.#bits[i]!,
      )
    } else {
      const length = valueEnd - valueStart
      address = createRecord(region, key, keyStart, keyEnd, rdbType, flags, length, expireAtMs, this.#bits[i]!, false)
      fillValue(region, address, value, valueStart, valueEnd)
    }
    this.#insert(region, root, order, tag, address, flags)
  }

  #insert(region: RegionWriter, root: number, order: number, tag: number, address: number, flags: number): void {
    if ((flags & FLAG_EXPIRE) !== 0) {
      const { control } = this.generation
      control[root + ROOT_EXPIRES] = control[root + ROOT_EXPIRES]! + 1
    }
    region.insert(this.generation.control, root, order, tag, address)
    this.keyCount++
  }
}

/** What only the making of a value finds: it comes from batches, so the place in the snapshot is not known any more. */
function asKeyspaceError(error: unknown, key: Uint8Array, start: number, end: number): unknown {
  if (!(error instanceof ValueFault)) return error
  return new KeyspaceError(error.code, `the value of key '${printableKey(key, start, end)}': ${error.message}`)
}

function refuse(db: number, key: Uint8Array, start: number, end: number): never {
  const name = printableKey(key, start, end)
  throw new KeyspaceError('RDB_DUPLICATE_KEY', `the key '${name}' comes twice in database ${db}`)
}

/** The beginning of a key for a message: printableKey ASCII, everything else as \xHH. */
export function printableKey(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end && i < start + 64; i++) {
    const byte = bytes[i]!
    text +=
      byte >= 32 && byte < 127 && byte !== 92 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return end - start > 64 ? `${text}…` : text
}
