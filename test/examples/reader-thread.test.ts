import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { startRedisServer } from '../support/redis-server.ts'

const run = promisify(execFile)
const EXAMPLE = fileURLToPath(new URL('../../examples/reader-thread.mjs', import.meta.url))

it('examples/reader-thread.mjs reads what a live primary holds', async () => {
  const primary = await startRedisServer()
  const cwd = await mkdtemp(join(tmpdir(), 'understudy-example-'))
  try {
    await primary.call('MSET', 'a', '1', 'b', 'two')
    const { stdout } = await run(process.execPath, [EXAMPLE, '127.0.0.1', String(primary.port), 'a', 'b', 'none'], {
      cwd,
      timeout: 25_000,
    })
    expect(stdout).toMatch(/values: \[ '1', 'two', undefined \]/)
    expect(Number(/reads: (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(1000)
  } finally {
    await primary.stop()
    await rm(cwd, { recursive: true, force: true })
  }
})
