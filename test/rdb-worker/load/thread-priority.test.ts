import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { RdbLoaderPool } from '@understudy/rdb-worker'
import { expect, it } from 'vitest'
import { RdbBuilder } from '../../support/rdb-builder.ts'

/** Threads of this process that run as by `nice -n 5`, as Linux tells (proc(5): `stat`, the 19th field). */
function niceThreads(): number {
  return readdirSync('/proc/self/task').filter((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[16]) === getPriority() + 5
  }).length
}

it.each([
  [true, 2],
  [false, 0],
])('loaders leave the processors to whoever serves old data (%s)', async (givesWay, expected) => {
  const before = niceThreads()
  const pool = new RdbLoaderPool({ threads: 2, parallelBytesMin: 0, awaitInserters: true })
  try {
    const bytes = new RdbBuilder().selectDb(0).text('key', 'value').end()
    const framing = { kind: 'length', byteLength: bytes.length } as const
    const load = pool.load({ framing, databaseCount: 16, hashSeed: Buffer.alloc(16), verifyChecksum: true, givesWay })
    // All but the last byte: its threads are waiting for that.
    load.writable()!.set(bytes.subarray(0, -1))
    load.produced(bytes.length - 1)
    await expect.poll(() => load.progress().loadedBytes, { timeout: 20_000 }).toBeGreaterThan(0)
    expect(niceThreads() - before).toBe(expected)
    load.writable()!.set(bytes.subarray(-1))
    load.produced(1)
    expect((await load.result).keyCount).toBe(1)
  } finally {
    await pool.close()
  }
})
