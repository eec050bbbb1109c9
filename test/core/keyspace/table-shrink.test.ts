import {
  datasetDigest,
  type Generation,
  hashCommands,
  Keyspace,
  ROOT_DEPTH,
  ROOT_PAGES,
  scanCommands,
  SHARD_COUNT,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { collidingKeys } from '../../support/colliding-keys.ts'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { KeyspaceModel } from '../../support/keyspace-model.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

function sumOfRoots(generation: Generation, word: number): number {
  let sum = 0
  for (let shard = 0; shard < SHARD_COUNT; shard++) sum += generation.control[generation.rootOf(0, shard) + word]!
  return sum
}

function filled(keys: number): { keyspace: Keyspace; model: KeyspaceModel; names: string[] } {
  const keyspace = new Keyspace({ databaseCount: 1, hashSeed: new Uint8Array(16).fill(7) })
  const model = new KeyspaceModel(keyspace)
  const names = Array.from({ length: keys }, (_, i) => `key:${i}`)
  for (const name of names) model.put(0, name, 0, Buffer.from('v'))
  return { keyspace, model, names }
}

describe('a table that loses its keys', () => {
  it('loses its pages and its directory', () => {
    const { keyspace, model, names } = filled(60_000)
    const pages = sumOfRoots(keyspace.generation, ROOT_PAGES)
    const depths = sumOfRoots(keyspace.generation, ROOT_DEPTH)
    for (const [i, name] of names.entries()) if (i % 20 !== 0) model.delete(0, name)
    model.checkAll()
    // 3,000 keys in 64 shards: one page each, two where the halves are uneven.
    expect(sumOfRoots(keyspace.generation, ROOT_PAGES)).toBeLessThan(pages / 8)
    expect(sumOfRoots(keyspace.generation, ROOT_DEPTH)).toBeLessThan(depths / 2)
    for (const name of names) if (model.databases[0]!.has(name)) model.delete(0, name)
    expect(model.checkAll()).toMatchObject({ keys: 0 })
    expect(sumOfRoots(keyspace.generation, ROOT_PAGES)).toBeLessThanOrEqual(SHARD_COUNT)
    expect(keyspace.usedBytes).toBeLessThan(SHARD_COUNT * 2048)
  })

  it('neither merges nor splits when a few keys come and go', () => {
    const { keyspace, model, names } = filled(60_000)
    for (const [i, name] of names.entries()) if (i % 3 !== 0) model.delete(0, name)
    const pages = sumOfRoots(keyspace.generation, ROOT_PAGES)
    const few = names.slice(0, 300)
    for (let round = 0; round < 20; round++) {
      for (const name of few) model.put(0, name, 0, Buffer.from('v'))
      for (const [i, name] of few.entries()) if (i % 3 !== 0) model.delete(0, name)
      if (round > 0) expect(Math.abs(sumOfRoots(keyspace.generation, ROOT_PAGES) - pages)).toBeLessThan(8)
    }
    model.checkAll()
  })

  it('is scanned whole meanwhile: what is there throughout is met once', () => {
    const { keyspace, model, names } = filled(40_000)
    const kept = new Set(names.filter((_, i) => i % 10 === 0))
    const gone = names.filter((name) => !kept.has(name))
    const seen = new Map<string, number>()
    let cursor = 0
    do {
      cursor = keyspace.scan(0, cursor, 100, (entry) => {
        const name = entry.keyToBuffer().toString()
        seen.set(name, (seen.get(name) ?? 0) + 1)
      })
      for (let i = 0; i < 200; i++) {
        const name = gone.pop()
        if (name !== undefined) model.delete(0, name)
      }
    } while (cursor !== 0)
    for (const name of kept) expect(seen.get(name)).toBe(1)
  })

  it('gives overflow pages back', () => {
    const seed = new SeededRandom(21).bytes(16)
    const keys = collidingKeys(seed, 500, new SeededRandom(22)).map((key) => key.toString('latin1'))
    const model = new KeyspaceModel(new Keyspace({ databaseCount: 1, hashSeed: seed }))
    for (const key of keys) model.put(0, key, 0, Buffer.from('v'))
    expect(model.checkAll().overflowPages).toBe(4)
    for (const key of keys.slice(0, 480)) model.delete(0, key)
    expect(model.checkAll().overflowPages).toBeLessThanOrEqual(1)
    for (const key of keys.slice(480)) model.delete(0, key)
    const { keys: left, overflowPages, depthMax } = model.checkAll()
    expect([left, overflowPages]).toEqual([0, 0])
    // A directory of two entries is not halved for one page: its block would be no shorter.
    expect(depthMax).toBeLessThanOrEqual(1)
  })

  it('may be that of a hash', () => {
    const runner = new CommandRunner([hashCommands, scanCommands])
    const { keyspace } = runner
    for (let i = 0; i < 20_000; i++) runner.run('HSET', 'h', `field:${i}`, 'value')
    const full = keyspace.usedBytes
    for (let i = 0; i < 20_000; i++) if (i % 100 !== 0) runner.run('HDEL', 'h', `field:${i}`)
    checkKeyspace(keyspace)
    // 200 records of some 40 bytes, and no more than some pages of 1 KiB.
    expect(keyspace.usedBytes).toBeLessThan(full / 50)
    const again = new CommandRunner([hashCommands, scanCommands])
    for (let i = 0; i < 20_000; i += 100) again.run('HSET', 'h', `field:${i}`, 'value')
    expect(datasetDigest(keyspace)).toBe(datasetDigest(again.keyspace))
  })
})
