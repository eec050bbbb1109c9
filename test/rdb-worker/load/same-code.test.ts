import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { memoryFingerprint } from '@understudy/core/internal'
import type { RdbLoaderPool } from '@understudy/rdb-worker'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../../..')
const FIXTURE = join(ROOT, 'test/fixtures/rdb/rdbtools/redis_50_with_streams.rdb')

/** An installation of its own, so that its files can change while it runs. */
describe('a loader whose files were changed after the program had started', () => {
  let directory: string
  const modules = (): string => join(directory, 'node_modules')

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'understudy-code-'))
    for (const name of ['core', 'rdb-worker']) {
      const target = join(modules(), '@understudy', name)
      mkdirSync(target, { recursive: true })
      for (const part of ['package.json', 'dist']) {
        cpSync(join(ROOT, 'packages', name, part), join(target, part), { recursive: true })
      }
    }
    symlinkSync(realpathSync(join(ROOT, 'packages/rdb-worker/node_modules/piscina')), join(modules(), 'piscina'))
  })

  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  async function load(meanwhile: () => void): Promise<number> {
    const url = pathToFileURL(join(modules(), '@understudy/rdb-worker/dist/index.js')).href
    const { RdbLoaderPool: Pool }: { RdbLoaderPool: typeof RdbLoaderPool } = await import(url)
    const pool = new Pool({ threads: 1 })
    const options = { databaseCount: 16, hashSeed: new Uint8Array(16), verifyChecksum: true }
    try {
      meanwhile()
      return (await pool.loadFile(FIXTURE, options)).keyCount
    } finally {
      await pool.close()
    }
  }

  function change(file: string, from: string, to: string): void {
    const path = join(modules(), '@understudy/core/dist', file)
    const text = readFileSync(path, 'utf8')
    expect(text).toContain(from)
    writeFileSync(path, text.replace(from, to))
  }

  it('loads as long as they are the same', async () => {
    expect(await load(() => {})).toBeGreaterThan(0)
  })

  it.each([
    ['the hash of keys', 'keyspace/key-hash.js', '0x85ebca6b', '0x85ebca77'],
    ['which keys are inline', 'keyspace/record.js', 'INLINE_KEY_BYTES_MAX = 8192', 'INLINE_KEY_BYTES_MAX = 4096'],
    ['how a record is written', 'keyspace/record.js', '(accessBits << VALUE_LENGTH_BITS)', '(accessBits << 13)'],
  ])('refuses with other code: %s', async (_what, file, from, to) => {
    await expect(load(() => change(file, from, to))).rejects.toMatchObject({
      code: 'RDB_WORKER_FAILED',
      message: expect.stringContaining("the program's files were changed while it runs"),
    })
  })

  it('has one fingerprint for one code', () => {
    expect(memoryFingerprint()).toMatch(/^[0-9a-f]{8}$/)
    expect(memoryFingerprint()).toBe(memoryFingerprint())
  })
})
