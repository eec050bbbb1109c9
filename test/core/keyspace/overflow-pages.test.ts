import { Keyspace } from '@understudy/core/internal'
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
