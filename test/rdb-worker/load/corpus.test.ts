/**
 * Every file of the corpus through loader threads into a keyspace: whole, byte by byte, in random pieces and from the file, with
 * 1, 2 and 4 threads, has the content that `scan/corpus.test.ts` holds against real servers, or is refused at the same byte.
 */
import { fileURLToPath } from 'node:url'
import type { RdbError, RdbLoadResult } from '@understudy/core/internal'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { afterAll, describe, expect, it } from 'vitest'
import { adopt, keyspaceDigest } from '../../support/keyspace-digest.ts'
import { corpus, corpusBytes, corpusPath } from '../../support/rdb-corpus.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cuttings } from '../../support/short-reads.ts'

const hashSeed = new SeededRandom(71).bytes(16)
const options = { databaseCount: 16, hashSeed, verifyChecksum: true }

function outcome(run: () => { digest: string; keyCount: number; modules: Record<string, number> }): object {
  try {
    return run()
  } catch (error) {
    return refusal(error)
  }
}

function refusal(error: unknown): object {
  const { name, code, byteOffset, opcode, key } = error as RdbError
  return { name, code, byteOffset, opcode, key }
}

async function loaded(pending: Promise<RdbLoadResult>): Promise<object> {
  return pending.then(
    ({ generation, keyCount, summary }) => ({
      digest: keyspaceDigest(adopt(generation, hashSeed)),
      keyCount,
      modules: summary.skippedModules,
    }),
    refusal,
  )
}

describe.each([1, 2, 4])('the corpus, loaded by %i threads', (threads) => {
  const pool = new RdbLoaderPool({ threads, parallelBytesMin: 0, awaitInserters: true })
  afterAll(() => pool.close())

  it.each(corpus().map(({ file }) => file))('%s', async (file) => {
    const bytes = corpusBytes(file)
    const expected = outcome(() => {
      const { sink, keyCount, summary } = scanBytes(bytes)
      return { digest: sink.digest(), keyCount, modules: summary.skippedModules }
    })
    expect(await loaded(pool.loadFile(fileURLToPath(corpusPath(file)), options)), 'from the file').toEqual(expected)
    for (const { name, pieces } of cuttings(bytes, { seed: 72, rounds: 1 })) {
      expect(await loaded(loadIterable(pool, pieces, options)), name).toEqual(expected)
    }
  })
})
