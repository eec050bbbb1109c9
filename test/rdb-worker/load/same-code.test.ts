import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
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
      const source = join(ROOT, 'packages', name)
      const { files }: { files: string[] } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
      for (const part of ['package.json', ...files.filter((each) => !each.startsWith('!'))]) {
        cpSync(join(source, part), join(target, part), { recursive: true })
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

  /** In whichever of the package's files it is. */
  function change(from: RegExp, to: string): void {
    const dist = join(modules(), '@understudy/core/dist')
    let changed = 0
    for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
      const text = readFileSync(join(dist, file), 'utf8')
      const other = text.replaceAll(from, to)
      if (other === text) continue
      writeFileSync(join(dist, file), other)
      changed++
    }
    expect(changed, `files with ${String(from)}`).toBeGreaterThan(0)
  }

  it('loads as long as they are the same', async () => {
    expect(await load(() => {})).toBeGreaterThan(0)
  })

  // As the bundler writes it, with the constants' values.
  it.each([
    ['the hash of keys', /(?<=>>> 16, )2246822507/g, '2246822519'],
    ['which keys are inline', /(?<=keyStart <= |keyLength > )8192/g, '4096'],
    ['how a record is written', /(?<=accessBits << )14/g, '13'],
  ])('refuses with other code: %s', async (_what, from, to) => {
    await expect(load(() => change(from, to))).rejects.toMatchObject({
      code: 'RDB_WORKER_FAILED',
      message: expect.stringContaining("the program's files were changed while it runs"),
    })
  })

  it('has one fingerprint for one code', () => {
    expect(memoryFingerprint()).toMatch(/^[0-9a-f]{8}$/)
    expect(memoryFingerprint()).toBe(memoryFingerprint())
  })
})
