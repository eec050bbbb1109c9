import { strict as assert } from 'node:assert'
import {
  datasetDigest,
  dumpCommands,
  expireCommands,
  hashCommands,
  keyCommands,
  Keyspace,
  listCommands,
  REGION_COUNT,
  SEGMENTS_PER_REGION_MAX,
  setCommands,
  streamCommands,
  stringCommands,
  zsetCommands,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { KeyspaceModel, randomValue } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const FRAGMENTATION = 0.05
const WASTE_BYTES_MIN = 64 << 10

/** Bytes of segments that the system may have to hold. */
function touchedBytes({ generation }: Keyspace): number {
  let sum = 0
  for (const { arena } of generation.regions) sum += arena.touchedBytes
  return sum
}

/**
 * Compacts a unit at a time: everything that is worth it, and then, worth it or not, as many regions as there are.
 * @param between is called after each. @returns the units.
 */
function compact(keyspace: Keyspace, between: (unit: number) => void = () => {}): number {
  const { compaction } = keyspace
  let units = 0
  for (let idle = 0; idle < REGION_COUNT;) {
    if (!compaction.begin(FRAGMENTATION, WASTE_BYTES_MIN)) {
      idle++
      if (!compaction.begin(-1, -1)) continue
    }
    while (compaction.step(0)) between(units++)
    while (keyspace.freeSlice(50));
  }
  return units
}

describe('compaction', () => {
  it('gives back what deleted keys had, and keeps every byte of the others', () => {
    const random = new SeededRandom(1)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2, segmentBytesMax: 16 << 20 }))
    const keys = Array.from({ length: 30_000 }, (_, i) => `key:${i}`)
    keys.push('y'.repeat(8193), 'w'.repeat(40_000))
    for (const [i, key] of keys.entries()) {
      const bytes = i % 1000 === 0 ? 50_000 : 100 + (i % 5) * 300
      model.put(i % 2, key, 0, random.bytes(bytes), i % 3 === 0 ? 2e12 : -1)
    }
    const full = touchedBytes(model.keyspace)
    for (const [i, key] of keys.entries()) if (i % 5 !== 0) model.delete(i % 2, key)
    model.settle()
    expect(touchedBytes(model.keyspace)).toBe(full)
    compact(model.keyspace)
    model.checkAll()
    expect(touchedBytes(model.keyspace)).toBeLessThan(full * 0.5)
    expect(model.keyspace.compaction).toMatchObject({ abandoned: 0, isRunning: false })
    // The numbers of dropped segments serve again.
    for (const [i, key] of keys.entries()) model.put(i % 2, key, 0, Buffer.from(key))
    model.checkAll()
  })

  it('moves keys of any length, a piece in each unit', () => {
    const random = new SeededRandom(6)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1, segmentBytesMax: 16 << 20 }))
    const { keyspace } = model
    const long = Array.from({ length: 40 }, (_, i) => String.fromCodePoint(48 + i).repeat(1_000_000 + i))
    const short = Array.from({ length: 400 }, (_, i) => `key:${i}`)
    for (const key of short) model.put(0, key, 0, random.bytes(200_000))
    for (const [i, key] of long.entries()) model.put(0, key, 0, random.bytes(i % 8 === 0 ? 500_000 : 10))
    for (const key of short) model.delete(0, key)
    model.settle()
    const { compaction } = keyspace
    let moved = 0
    let most = 0
    compact(keyspace, () => {
      most = Math.max(most, compaction.movedBytes - moved)
      moved = compaction.movedBytes
    })
    expect(compaction.abandoned).toBe(0)
    expect(most).toBeLessThan(600_000)
    model.checkAll()
  })

  it('makes its room when it begins: no unit has to wait for memory', () => {
    const random = new SeededRandom(4)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1, segmentBytesMax: 64 << 20 }))
    const { keyspace } = model
    for (let i = 0; i < 60_000; i++) model.put(0, `key:${i}`, 0, random.bytes(20 + (i % 900)))
    for (let i = 0; i < 60_000; i++) if (i % 3 !== 0) model.delete(0, `key:${i}`)
    model.settle()
    const { compaction } = keyspace
    let moved = 0
    while (compaction.begin(FRAGMENTATION, WASTE_BYTES_MIN)) {
      const sizes = keyspace.generation.regions.map(({ memory }) => memory.segments.map(({ byteLength }) => byteLength))
      while (compaction.step(0));
      keyspace.generation.regions.forEach(({ memory }, region) => {
        memory.segments.forEach(({ byteLength }, segment) => {
          assert.ok(byteLength === 0 || byteLength === sizes[region]![segment])
        })
      })
      expect(compaction.moves).toBeGreaterThan(moved)
      moved = compaction.moves
    }
    expect(moved).toBeGreaterThan(10_000)
  })

  it.each([1, 2, 3])('agrees with a Map while keys change between its units (seed %i)', (seed) => {
    const random = new SeededRandom(seed)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 3, segmentBytesMax: 8 << 20 }))
    const keys = Array.from({ length: 6000 }, (_, i) => `key:${i}`)
    keys.push('', 'y'.repeat(8193), 'w'.repeat(40_000))
    const change = (): void => {
      const db = random.int(0, 2)
      const key = random.pick(keys)
      const kind = random.int(0, 99)
      if (kind < 40) model.put(db, key, 0, randomValue(random), random.chance(0.3) ? 2e12 : -1)
      else if (kind < 65) model.delete(db, key)
      else if (kind < 75) model.expire(db, key, random.chance(0.3) ? -1 : 2e12)
      else if (kind < 85) model.write(db, key, random.int(0, 100), random.bytes(random.int(0, 50)))
      else if (kind < 97) model.transplant(db, key, random.int(0, 2), random.pick(keys), random.chance(0.3))
      else if (kind === 97) model.swap(db, random.int(0, 2))
    }
    for (let round = 0; round < 2; round++) {
      for (const key of keys) model.put(random.int(0, 2), key, 0, randomValue(random))
      for (const key of keys) if (random.chance(0.8)) model.delete(random.int(0, 2), key)
      model.settle()
      const units = compact(model.keyspace, (unit) => {
        for (let i = random.int(0, 3); i > 0; i--) change()
        if (unit % 1000 === 0) {
          model.settle()
          model.checkAll()
        }
      })
      expect(units).toBeGreaterThan(100)
      model.settle()
      model.checkAll()
    }
    expect(model.keyspace.compaction.moves).toBeGreaterThan(1000)
    expect(model.keyspace.compaction.droppedBytes).toBeGreaterThan(0)
  })
})

const TABLES = [
  stringCommands,
  listCommands,
  hashCommands,
  setCommands,
  zsetCommands,
  keyCommands,
  expireCommands,
  dumpCommands,
  streamCommands,
]
type Command = readonly (string | number | Uint8Array)[]

/** The same commands in a keyspace that is compacted and in one that is not. */
class Twins {
  readonly compacted: CommandRunner = this.#runner()
  readonly plain: CommandRunner = this.#runner()

  #runner(): CommandRunner {
    const keyspace = new Keyspace({ databaseCount: 1, hashSeed: new Uint8Array(16), segmentBytesMax: 64 << 20 })
    return new CommandRunner(TABLES, { keyspace, nowMs: 1_800_000_000_000 })
  }

  run(...command: Command): void {
    assert.equal(this.compacted.text(...command), this.plain.text(...command))
  }

  compare(): void {
    while (this.compacted.keyspace.freeSlice(50));
    expect(datasetDigest(this.compacted.keyspace)).toBe(datasetDigest(this.plain.keyspace))
    checkKeyspace(this.compacted.keyspace)
  }
}

/** Commands that make a value of each form large enough for several pages, leaves and nodes, and change it afterwards. */
const FORMS: readonly (readonly [form: string, make: (i: number) => Command, change: (i: number) => Command])[] = [
  [
    'hash',
    (i) => ['HSET', 'v', `field:${i}`, 'x'.repeat(i % 97 === 0 ? 30_000 : i % 200)],
    (i) => (i % 2 === 0 ? ['HDEL', 'v', `field:${i}`] : ['HSET', 'v', `field:${i}`, 'y'.repeat(i % 300)]),
  ],
  ['set', (i) => ['SADD', 'v', `member:${i}`], (i) => [i % 2 === 0 ? 'SREM' : 'SADD', 'v', `member:${i * 3}`]],
  [
    'sorted set',
    (i) => ['ZADD', 'v', i % 777, `member:${i}${i % 999 === 0 ? 'z'.repeat(9000) : ''}`],
    (i) => (i % 2 === 0 ? ['ZREM', 'v', `member:${i}`] : ['ZADD', 'v', i * 1.5, `member:${i * 2}`]),
  ],
  [
    'list',
    (i) => ['RPUSH', 'v', 'e'.repeat(i % 500 === 0 ? 40_000 : i % 120)],
    (i) =>
      [
        ['LPOP', 'v'],
        ['RPUSH', 'v', `more:${i}`],
        ['LINSERT', 'v', 'BEFORE', 'e'.repeat(7), `i:${i}`],
      ][i % 3]!,
  ],
  [
    'stream',
    (i) => ['XADD', 'v', `${i + 1}-1`, 'field', 's'.repeat(i % 400 === 0 ? 20_000 : i % 90)],
    (i) =>
      [
        ['XADD', 'v', '*', 'field', `more:${i}`],
        ['XREADGROUP', 'GROUP', `g${i % 2}`, `consumer${i % 5}`, 'COUNT', 40, 'STREAMS', 'v', '>'],
        ['XACK', 'v', `g${i % 2}`, `${(i % 900) + 1}-1`],
        ['XDEL', 'v', `${(i % 700) + 1}-1`],
      ][i % 4]!,
  ],
  [
    'string',
    (i) => ['SETRANGE', 'v', i * 1000, 'chunk'],
    // Between two of its renamings a walk has to meet it.
    (i) =>
      i % 90 === 0 ? ['RENAME', 'v', 'w'] : i % 90 === 1 ? ['RENAME', 'w', 'v'] : ['SETRANGE', 'v', i * 1234, 'p'],
  ],
]

describe('compaction without memory', () => {
  it('leaves everything where it is, and lets its room be used', () => {
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1, segmentBytesMax: 1 << 20 }))
    const { keyspace } = model
    const value = Buffer.alloc(15_000, 'v')
    const names: string[] = []
    // Until a region has all its segments in use.
    while (keyspace.generation.regions.every(({ memory }) => memory.segments.length < SEGMENTS_PER_REGION_MAX)) {
      names.push(`key:${names.length}`)
      model.put(0, names.at(-1)!, 0, value)
    }
    const { compaction } = keyspace
    for (let round = 0; round < REGION_COUNT * 2; round++) {
      expect(compaction.begin(-1, -1)).toBe(true)
      while (compaction.step(0));
      model.delete(0, names[round]!)
    }
    expect(compaction).toMatchObject({ isRunning: false, abandoned: 0 })
    for (const { arena } of keyspace.generation.regions) expect(arena.evacuating).toBe(0)
    model.checkAll()
    for (let i = 0; i < REGION_COUNT; i++) model.put(0, names[i]!, 0, value)
    model.checkAll()
  })
})

describe('compaction of large values', () => {
  it.each(FORMS)('keeps a %s that changes between its units', (_, make, change) => {
    const twins = new Twins()
    const count = 3000
    // Filler of many sizes around the value's blocks, so that there is something to evacuate.
    for (let i = 0; i < count; i++) {
      twins.run('SET', `filler:${i}`, 'f'.repeat((i % 40) * 25))
      twins.run(...make(i))
      if (i % 16 === 0) twins.run('COPY', 'v', `copy:${i % 5}`, 'REPLACE')
    }
    if (make(0)[0] === 'XADD') for (const group of ['g0', 'g1']) twins.run('XGROUP', 'CREATE', 'v', group, '0')
    for (let i = 0; i < 200; i++) twins.run(...change(i))
    for (let i = 0; i < count; i++) if (i % 7 !== 0) twins.run('DEL', `filler:${i}`)
    twins.run('DEL', 'copy:1', 'copy:2', 'copy:3', 'copy:4')
    while (twins.compacted.keyspace.freeSlice(50));
    let changes = 200
    const { compaction } = twins.compacted.keyspace
    const units = compact(twins.compacted.keyspace, (unit) => {
      if (unit % 3 === 0) twins.run(...change(changes++))
      if (unit % 1000 === 0) twins.compare()
    })
    expect(units).toBeGreaterThan(100)
    expect(compaction.moves).toBeGreaterThan(1000)
    expect(compaction.abandoned).toBe(0)
    twins.compare()
  })
})
