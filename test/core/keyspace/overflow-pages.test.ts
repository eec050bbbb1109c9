import {
  DIRECTORY_DEPTH_MAX,
  Keyspace,
  PAGE_BYTES,
  PAGE_SLOTS,
  RegionMemory,
  type RegionView,
  ROOT_DIRECTORY,
  ROOT_WORDS_USED,
  scanElements,
} from '@understudy/core/internal'
import { beforeAll, describe, expect, it } from 'vitest'
import { collidingKeys } from '../../support/colliding-keys.ts'
import { KeyspaceModel } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const SEED = new SeededRandom(11).bytes(16)

describe('keys of one hash order, more than a page holds', () => {
  let keys: string[]
  beforeAll(() => {
    keys = collidingKeys(SEED, 400, new SeededRandom(12)).map((key) => key.toString('latin1'))
  })

  it('are kept in overflow pages, found, changed, moved and deleted', () => {
    const random = new SeededRandom(13)
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 2, hashSeed: SEED }))
    for (const key of keys) model.put(0, key, 0, Buffer.from(key.slice(0, 5), 'latin1'))
    // Neighbours that share some bits only.
    for (let i = 0; i < 3000; i++) model.put(0, `other:${i}`, 0, Buffer.from('o'))
    const facts = model.checkAll()
    expect(facts.depthMax).toBe(24)
    expect(facts.overflowPages).toBeGreaterThanOrEqual(3)
    for (let i = 0; i < 5000; i++) {
      const key = random.pick(keys)
      const other = random.pick(keys)
      switch (random.int(0, 4)) {
        case 0:
          model.delete(0, key)
          break
        case 1:
          model.put(0, key, 0, random.bytes(random.int(0, 300)), random.chance(0.5) ? 2 ** 41 : -1)
          break
        case 2:
          model.transplant(0, key, 0, other, random.chance(0.5))
          break
        case 3:
          model.expire(0, key, random.chance(0.5) ? 2 ** 42 : -1)
          break
        default:
          model.check(0, key)
      }
    }
    model.checkAll()
    for (const key of keys) model.delete(0, key)
    for (const key of keys) model.put(0, key, 0, Buffer.from('again'))
    model.checkAll()
  })

  it('are met by every SCAN, never parted', () => {
    const keyspace = new Keyspace({ databaseCount: 1, hashSeed: SEED })
    const model = new KeyspaceModel(keyspace)
    for (const key of keys) model.put(0, key, 0, Buffer.from('v'))
    const seen = new Set<string>()
    let cursor = 0
    let most = 0
    do {
      let met = 0
      cursor = keyspace.scan(0, cursor, 10, (entry) => {
        seen.add(entry.keyToBuffer().toString('latin1'))
        met++
      })
      most = Math.max(most, met)
    } while (cursor !== 0)
    expect(seen.size).toBe(keys.length)
    expect(most).toBe(keys.length)
  })

  it('go with FLUSHDB, and their memory with them', () => {
    const keyspace = new Keyspace({ databaseCount: 2, hashSeed: SEED })
    const model = new KeyspaceModel(keyspace)
    model.put(1, 'stays', 0, Buffer.from('v'))
    const before = keyspace.usedBytes
    for (const key of keys) model.put(0, key, 0, Buffer.from('v'))
    model.flush(0)
    model.settle()
    model.checkAll()
    expect(keyspace.usedBytes).toBe(before)
  })
})

/** A table of one page with so many overflow pages that they hold `count` elements, all of hash 0: each record is its own number. */
function oneLongPage(count: number): { region: RegionView; table: Int32Array } {
  const pages = Math.ceil(count / (PAGE_SLOTS - 1))
  const words = new Int32Array((pages + 1) * PAGE_SLOTS * 2)
  const addressOfPage = (page: number): number => (page * PAGE_BYTES) / 8
  for (let page = 1, record = 1; page <= pages; page++) {
    const base = page * PAGE_SLOTS * 2
    words[base] = DIRECTORY_DEPTH_MAX << 16
    words[base + 1] = page === pages ? 0 : addressOfPage(page + 1)
    for (let slot = 1; slot < PAGE_SLOTS && record <= count; slot++) words[base + slot * 2 + 1] = record++
  }
  const region: Partial<RegionView> = {
    memory: Object.assign(new RegionMemory([]), { i32: [words] }),
    local: (address) => address,
    directoryEntry: () => addressOfPage(1),
    orderOf: () => 0,
  }
  const table = new Int32Array(ROOT_WORDS_USED)
  table[ROOT_DIRECTORY] = 1
  return { region: region as RegionView, table }
}

it('more than 65,536 elements of one hash are met each once', () => {
  const count = 70_000
  const { region, table } = oneLongPage(count)
  const met = new Uint8Array(count + 1)
  scanElements(region, table, 0, 0, 10, (record) => void met[record]!++)
  expect(met.indexOf(2)).toBe(-1)
  expect(met.indexOf(0, 1)).toBe(-1)
})
