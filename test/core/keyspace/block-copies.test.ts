/**
 * The reader of a pin between the steps of the writer: at each place where it looks at shared memory, one after the other, the
 * writer does something that takes it much longer than that look. What is read must be what the block held when the pin began.
 */
import {
  BlockCopies,
  CopyMemory,
  byteOffsetOf,
  hashKey,
  hashOrder,
  Keyspace,
  type PinHandle,
  RegionMemory,
  regionOf,
  RUN_BYTES,
  shardOf,
  VALUE_LENGTH_MASK,
  VERSION_BYTES,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

const KEY = 'key'
const FOR_EVER = { bytesMax: 1 << 30, durationMsMax: Number.POSITIVE_INFINITY }
const SHORT = { bytesMax: 1 << 30, durationMsMax: 1 }
const VERSIONS_PER_RUN: number = RUN_BYTES / VERSION_BYTES
const SEED = new Uint8Array(16).map((_, i) => i + 1)

function regionOfKey({ generation }: Keyspace, key: string): number {
  hashKey(generation.seed, Buffer.from(key), 0, key.length)
  return regionOf(shardOf(hashOrder))
}

function put(keyspace: Keyspace, key: string, value: string): void {
  const name = Buffer.from(key)
  const bytes = Buffer.from(value)
  keyspace.begin()
  keyspace.put(0, name, 0, name.length, 0, 0, bytes, 0, bytes.length, -1)
  keyspace.end()
}

const names = new Map<string, string[]>()

/** Puts so many keys of the region that KEY is in. */
function putNeighbours(keyspace: Keyspace, prefix: string, count: number, value: string): void {
  const region = regionOfKey(keyspace, KEY)
  let keys = names.get(prefix)
  if (keys === undefined || keys.length < count) {
    keys = []
    for (let i = 0; keys.length < count; i++) {
      const key = prefix + i.toString(36)
      if (regionOfKey(keyspace, key) === region) keys.push(key)
    }
    names.set(prefix, keys)
  }
  for (let i = 0; i < count; i++) put(keyspace, keys[i]!, value)
}

/** Where the record of KEY is. */
function addressOfKey(keyspace: Keyspace): number {
  expect(keyspace.lookup(0, Buffer.from(KEY), 0, KEY.length)).toBe(true)
  return keyspace.entry.address
}

/** The region's memory as another thread sees it; `look` is called before each of its looks. */
function watched(handle: PinHandle, region: number, look: () => void): RegionMemory {
  const memory = new RegionMemory([...handle.generation.segments[region]!])
  const watch = <Views extends object>(views: Views): Views =>
    new Proxy(views, {
      get(target, name, receiver): unknown {
        if (typeof name === 'string' && /^\d+$/.test(name)) look()
        return Reflect.get(target, name, receiver)
      },
    })
  return Object.assign(Object.create(memory) as RegionMemory, { i32: watch(memory.i32), u8: watch(memory.u8) })
}

interface Scene {
  readonly keyspace: Keyspace
  readonly handle: PinHandle
}

/** The value of KEY as a pin shows it, when `interfere` happens at look number `at`; and how many looks there were. */
function readInterrupted(
  { keyspace, handle }: Scene,
  interfere: () => void,
  at: number,
): { value: string; looks: number } {
  const region = regionOfKey(keyspace, KEY)
  const address = addressOfKey(keyspace)
  let looks = 0
  let isInterfering = false
  const look = (): void => {
    if (isInterfering || looks++ !== at) return
    isInterfering = true
    interfere()
    isInterfering = false
  }
  const source = watched(handle, region, look)
  const copies = new BlockCopies(handle, new CopyMemory(), () => {
    for (let index = 0; index < source.segments.length; index++) source.refresh(index)
  })
  const copy = copies.copy(source, region, address)
  const bytes = copies.memory.u8[copy >>> 28]!
  const offset = byteOffsetOf(copy)
  const length = new DataView(bytes.buffer, offset).getUint32(4, true) & VALUE_LENGTH_MASK
  const start = offset + 8 + KEY.length
  return { value: Buffer.from(bytes.slice(start, start + length)).toString(), looks }
}

/** @returns the places at which it read something else than `expected`. */
function wrongPlaces(set: () => Scene, interfere: (scene: Scene) => void, expected: string): number[] {
  const wrong: number[] = []
  // The first time without being interrupted: it may have to look more often then.
  for (let at = -1, looks = 0; at < looks; at++) {
    const scene = set()
    const read = readInterrupted(scene, () => interfere(scene), at)
    looks = Math.max(looks, read.looks)
    if (read.value !== expected) wrong.push(at)
    scene.handle.port.close()
  }
  return wrong
}

describe('a block that is read from a pin', () => {
  it('is not taken for the version of an older pin that ends meanwhile', () => {
    const set = (): Scene => {
      const keyspace = new Keyspace({ databaseCount: 1, hashSeed: SEED })
      put(keyspace, KEY, 'first'.repeat(20))
      putNeighbours(keyspace, 'n', 1, 'other'.repeat(20))
      keyspace.pin(SHORT, 0)
      put(keyspace, KEY, 'after'.repeat(20))
      return { keyspace, handle: keyspace.pin(FOR_EVER, 0) }
    }
    const interfere = ({ keyspace }: Scene): void => {
      keyspace.pins.breakOverdue(10)
      expect(keyspace.pins.count).toBe(1)
      while (keyspace.freeSlice(1000));
      // Kept where the version of KEY was.
      putNeighbours(keyspace, 'n', 1, 'OTHER'.repeat(20))
    }
    expect(wrongPlaces(set, interfere, 'after'.repeat(20))).toEqual([])
  })

  it('is found in memory that is newer than the views of the reader', () => {
    const set = (): Scene => {
      const keyspace = new Keyspace({ databaseCount: 1, hashSeed: SEED })
      putNeighbours(keyspace, 'n', VERSIONS_PER_RUN, 'x')
      put(keyspace, KEY, 'first'.repeat(20))
      const handle = keyspace.pin(FOR_EVER, 0)
      put(keyspace, KEY, 'after'.repeat(20))
      return { keyspace, handle }
    }
    const interfere = ({ keyspace }: Scene): void => {
      const newer = keyspace.pin(FOR_EVER, 0)
      const { memory } = keyspace.generation.regions[regionOfKey(keyspace, KEY)]!
      const before = memory.u8[1]!.length
      putNeighbours(keyspace, 'big', 200, 'y'.repeat(12_000))
      expect(memory.u8[1]!.length).toBeGreaterThan(before)
      // The next run of versions is begun in the new part.
      putNeighbours(keyspace, 'n', VERSIONS_PER_RUN, 'y')
      put(keyspace, KEY, 'later'.repeat(20))
      newer.port.close()
    }
    expect(wrongPlaces(set, interfere, 'first'.repeat(20))).toEqual([])
  })

  it.each(['alone', 'beside a newer one'])(
    'is refused when its pin, %s, ends before what was kept is searched',
    (how) => {
      const keyspace = new Keyspace({ databaseCount: 1, hashSeed: SEED })
      put(keyspace, KEY, 'first'.repeat(20))
      const handle = keyspace.pin(SHORT, 0)
      put(keyspace, KEY, 'after'.repeat(20))
      if (how !== 'alone') keyspace.pin(FOR_EVER, 0)
      const region = regionOfKey(keyspace, KEY)
      const address = addressOfKey(keyspace)
      const source = new RegionMemory([...handle.generation.segments[region]!])
      // The reader makes its views anew between its look at the pin and the search.
      const copies = new BlockCopies(handle, new CopyMemory(), () => {
        keyspace.pins.breakOverdue(10)
        while (keyspace.freeSlice(1000));
      })
      expect(() => copies.copy(source, region, address)).toThrow(expect.objectContaining({ code: 'PIN_BROKEN' }))
    },
  )

  it('is refused among others when its pin ends before what was kept is searched', () => {
    const keyspace = new Keyspace({ databaseCount: 1, hashSeed: SEED })
    put(keyspace, KEY, 'first'.repeat(20))
    const handle = keyspace.pin(SHORT, 0)
    put(keyspace, KEY, 'after'.repeat(20))
    const region = regionOfKey(keyspace, KEY)
    const addresses = Int32Array.of(addressOfKey(keyspace))
    const source = new RegionMemory([...handle.generation.segments[region]!])
    const copies = new BlockCopies(handle, new CopyMemory(), () => keyspace.pins.breakOverdue(10))
    expect(() => copies.copyAll(source, region, addresses, 1)).toThrow(expect.objectContaining({ code: 'PIN_BROKEN' }))
  })
})

describe('the versions of a block', () => {
  it('are made for pins that hold, not for those that have ended', () => {
    const keyspace = new Keyspace({ databaseCount: 1, hashSeed: SEED })
    putNeighbours(keyspace, 'n', 500, 'x'.repeat(100))
    const handle = keyspace.pin(FOR_EVER, 0)
    putNeighbours(keyspace, 'n', 500, 'y'.repeat(100))
    const kept = keyspace.usedBytes
    for (let i = 0; i < 20; i++) {
      keyspace.pin(SHORT, 0)
      keyspace.pins.breakOverdue(10)
      while (keyspace.freeSlice(1000));
      putNeighbours(keyspace, 'n', 500, `${i}`.repeat(100).slice(0, 100))
    }
    expect(keyspace.usedBytes).toBe(kept)
    handle.port.close()
  })
})
