/**
 * Checks a keyspace from outside, by docs/formats/record.md and nothing else: every slot leads to a record that is found
 * under its own key, counts agree, no two blocks overlap, and every byte in use belongs to somebody.
 */
import { strict as assert } from 'node:assert'
import {
  Arena,
  BLOCK_BYTES_MAX,
  byteOffsetOf,
  FLAG_CHUNKED,
  FLAG_EXPIRE,
  FLAG_LONG_KEY,
  FORM_STREAM,
  formOf,
  hashOrder,
  hashTag,
  headerBytes,
  type Keyspace,
  NODES_PER_INDEX,
  PAGE_BYTES,
  PAGE_SLOTS,
  type RegionWriter,
  REGION_COUNT,
  regionOf,
  ROOT_DEPTH,
  ROOT_DIRECTORY,
  ROOT_EXPIRES,
  ROOT_KEYS,
  ROOT_PAGES,
  RUN_BYTES,
  SHARD_COUNT,
  shardOf,
  SLOT_TAG_MASK,
  roomOf,
  VALUE_LENGTH_MASK,
} from '@understudy/core/internal'

export interface KeyspaceFacts {
  readonly keys: number
  readonly pages: number
  readonly overflowPages: number
  readonly depthMax: number
}

/** @throws AssertionError with what is wrong. Nothing may wait to be freed. */
export function checkKeyspace(keyspace: Keyspace): KeyspaceFacts {
  assert.equal(keyspace.lazyFreePending, 0, 'something waits to be freed')
  const check = new Check(keyspace)
  for (let db = 0; db < keyspace.databaseCount; db++) check.database(db)
  check.blocks()
  return check
}

class Check implements KeyspaceFacts {
  keys = 0
  pages = 0
  overflowPages = 0
  depthMax = 0
  readonly #keyspace: Keyspace
  /** By region: start of each block in bytes (segments behind each other), and its length. */
  readonly #starts: number[][] = Array.from({ length: REGION_COUNT }, () => [])
  readonly #lengths: number[][] = Array.from({ length: REGION_COUNT }, () => [])

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  database(db: number): void {
    const { generation } = this.#keyspace
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      const root = generation.rootOf(db, shard)
      const region = generation.regions[regionOf(shard)]!
      const directory = generation.control[root + ROOT_DIRECTORY]!
      if (directory === 0) {
        assert.equal(generation.control[root + ROOT_KEYS], 0)
        continue
      }
      this.#table(db, region, root, directory)
    }
  }

  #table(db: number, region: RegionWriter, root: number, directory: number): void {
    const { control } = this.#keyspace.generation
    const depth = control[root + ROOT_DEPTH]!
    this.depthMax = Math.max(this.depthMax, depth)
    const bytes = Math.max(16, 2 ** depth * 4)
    this.#block(region.index, directory, bytes > BLOCK_BYTES_MAX ? Math.ceil(bytes / RUN_BYTES) * RUN_BYTES : bytes)
    const entries = words(region, directory)
    const base = byteOffsetOf(directory) >>> 2
    let keys = 0
    let expires = 0
    let pages = 0
    for (let entry = 0; entry < 2 ** depth;) {
      const page = entries[base + entry]!
      if (page === 0) {
        entry++
        continue
      }
      const localDepth = words(region, page)[byteOffsetOf(page) >>> 2]! >>> 16
      assert.ok(localDepth <= depth, 'a page is deeper than its directory')
      const span = 2 ** (depth - localDepth)
      assert.equal(entry % span, 0, 'the entries of a page do not begin where they should')
      for (let i = 0; i < span; i++)
        if (entries[base + entry + i] !== page) assert.fail('an entry of a page is missing')
      entry += span
      for (let at = page, chain = 0; at !== 0; chain++) {
        pages++
        if (chain > 0) this.overflowPages++
        this.#block(region.index, at, PAGE_BYTES)
        const pageWords = words(region, at)
        const pageBase = byteOffsetOf(at) >>> 2
        let count = 0
        for (let slot = 1; slot < PAGE_SLOTS; slot++) {
          const record = pageWords[pageBase + slot * 2 + 1]!
          if (record === 0) continue
          count++
          if ((this.#record(db, region, record) & FLAG_EXPIRE) !== 0) expires++
        }
        assert.equal(pageWords[pageBase]! & 0xffff, count, 'count of a page')
        keys += count
        at = pageWords[pageBase + 1]!
      }
    }
    assert.equal(control[root + ROOT_KEYS], keys, 'count of keys')
    assert.equal(control[root + ROOT_EXPIRES], expires, 'count of keys with a TTL')
    assert.equal(control[root + ROOT_PAGES], pages, 'count of pages')
    this.keys += keys
    this.pages += pages
  }

  /** Of keys with the same hash another one may be found. */
  #isFoundByHash(db: number, region: RegionWriter, record: number): boolean {
    const { generation } = this.#keyspace
    region.orderOf(record)
    const [order, tag] = [hashOrder, hashTag]
    const found = region.findByHash(generation.control, generation.rootOf(db, shardOf(order)), order, tag)
    if (found === 0 || found === record) return found === record
    return region.orderOf(found) === order && (hashTag & SLOT_TAG_MASK) === (tag & SLOT_TAG_MASK)
  }

  /** @returns the record's flags. */
  #record(db: number, region: RegionWriter, record: number): number {
    const recordWords = words(region, record)
    const offset = byteOffsetOf(record)
    const word0 = recordWords[offset >>> 2]!
    const flags = (word0 >>> 8) & 0xff
    const inlineKey = word0 >>> 16
    const inlineValue = recordWords[(offset >>> 2) + 1]! & VALUE_LENGTH_MASK
    let at = (offset + 8 + (flags & FLAG_EXPIRE) * 8) >>> 2
    let key: Buffer
    if ((flags & FLAG_LONG_KEY) === 0) {
      const start = offset + headerBytes(flags)
      key = Buffer.from(region.memory.u8[record >>> 28]!.subarray(start, start + inlineKey))
    } else {
      key = this.#nodes(region, recordWords[at + 1]!, recordWords[at]! >>> 0)
      at += 2
    }
    assert.ok(this.#isFoundByHash(db, region, record), 'a key is not found by its hash')
    if ((flags & FLAG_CHUNKED) === 0) this.#block(region.index, record, headerBytes(flags) + inlineKey + inlineValue)
    else {
      assert.equal(inlineValue, 0)
      this.#block(region.index, record, headerBytes(flags) + inlineKey)
      const length = (recordWords[at]! >>> 0) + recordWords[at + 1]! * 2 ** 32
      const owner = this.#keyspace.generation.regions[recordWords[at + 3]!]!
      this.#nodes(owner, recordWords[at + 2]!, length)
    }
    assert.ok(this.#keyspace.lookup(db, key, 0, key.length), `a key of ${key.length} bytes is not found by its name`)
    assert.equal(this.#keyspace.entry.address, record, 'a name leads to another record')
    if (this.#keyspace.entry.isLarge) this.#large()
    return flags
  }

  /** Notes the blocks of the large value that was just found, and counts its elements. */
  #large(): void {
    const large = this.#keyspace.openLarge()
    const form = formOf(large.form)
    assert.equal(large.region.index, large.words[large.at]! & 0xff)
    assert.ok(form.visitBlocks !== undefined, `form ${large.form} does not show its blocks`)
    form.visitBlocks(large, (address, bytes) => {
      this.#block(
        large.region.index,
        address,
        bytes > BLOCK_BYTES_MAX ? Math.ceil(bytes / RUN_BYTES) * RUN_BYTES : bytes,
      )
    })
    assert.ok(form.count(large) > 0 || large.form === FORM_STREAM, 'a value without elements')
  }

  /** Notes the blocks of a chunked value and returns its bytes (holes as zeros; long values only up to 1 MiB). */
  #nodes(region: RegionWriter, root: number, length: number): Buffer {
    const out = Buffer.alloc(Math.min(length, 1 << 20))
    if (root === 0) {
      assert.equal(length, 0, 'nodes are missing')
      return out
    }
    const count = Math.ceil(length / BLOCK_BYTES_MAX)
    const two = count > NODES_PER_INDEX
    this.#block(region.index, root, two ? BLOCK_BYTES_MAX : count * 4)
    for (let i = 0; i < (two ? NODES_PER_INDEX : 0); i++) {
      const index = words(region, root)[(byteOffsetOf(root) >>> 2) + i]!
      if (index !== 0) this.#block(region.index, index, BLOCK_BYTES_MAX)
    }
    for (let i = 0; i < count; i++) {
      const node = region.nodeOf(root, length, i)
      if (node === 0) continue
      const bytes = Math.min(BLOCK_BYTES_MAX, length - i * BLOCK_BYTES_MAX)
      this.#block(region.index, node, bytes)
      if (i * BLOCK_BYTES_MAX < out.length) {
        const at = byteOffsetOf(node)
        out.set(region.memory.u8[node >>> 28]!.subarray(at, at + bytes), i * BLOCK_BYTES_MAX)
      }
    }
    return out
  }

  #block(region: number, address: number, bytes: number): void {
    this.#starts[region]!.push((address >>> 28) * 2 ** 31 + byteOffsetOf(address))
    this.#lengths[region]!.push(bytes > BLOCK_BYTES_MAX ? bytes : this.#room(region, address, bytes))
  }

  /** Length of a block; that of a packed value may be a quarter longer than it has to be. */
  #room(region: number, address: number, bytes: number): number {
    const room = roomOf(this.#keyspace.generation.regions[region]!.memory, address)
    assert.ok(bytes <= room && room - Arena.blockBytes(bytes) <= room >>> 2, `${bytes} bytes in a block of ${room}`)
    return room
  }

  blocks(): void {
    for (const region of this.#keyspace.generation.regions) {
      const starts = this.#starts[region.index]!
      const lengths = this.#lengths[region.index]!
      const order = starts.map((_, i) => i).toSorted((a, b) => starts[a]! - starts[b]!)
      let end = 0
      let sum = 0
      for (const i of order) {
        assert.ok(starts[i]! >= end, 'two blocks overlap')
        end = starts[i]! + lengths[i]!
        sum += lengths[i]!
      }
      assert.equal(region.arena.usedBytes, sum, `bytes in use in region ${region.index} that nobody owns`)
    }
  }
}

function words(region: RegionWriter, address: number): Int32Array {
  return region.memory.i32[address >>> 28]!
}
