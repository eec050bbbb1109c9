/** The executable as the README starts it: a launcher that asks for huge pages, and for no compaction that nobody needs. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { TestServer } from '../support/test-server.ts'

const LAUNCHER = fileURLToPath(new URL('../../packages/net/bin/understudy', import.meta.url))
const KEYS = 200_000

it('the launcher is replaced by the server, whose dataset is in huge pages where there are any', async () => {
  const server = await TestServer.start(
    { name: 'launched', command: LAUNCHER, leadingArgs: [], defaults: { bind: '127.0.0.1', save: '' } },
    { env: { ...process.env, UNDERSTUDY_NODE: process.execPath, GLIBC_TUNABLES: 'glibc.malloc.check=0' } },
  )
  try {
    expect((await server.info('server'))['process_id']).toBe(String(server.pid))
    expect((await server.info('memory'))['mem_huge_pages_asked_for']).toBe('1')
    const args = readFileSync(`/proc/${server.pid}/cmdline`, 'latin1').split('\0')
    expect(args).toEqual(expect.arrayContaining(['--no-memory-reducer', '--no-parallel-scavenge']))
    const value = 'v'.repeat(200)
    for (let first = 0; first < KEYS; first += 1000) {
      await server.call('MSET', ...Array.from({ length: 1000 }, (_, i) => [`key:${first + i}`, value]).flat())
    }
    expect(await server.call('DBSIZE')).toBe(KEYS)
    expect(await server.call('GET', `key:${KEYS - 1}`)).toBe(value)
    if (hasHugePages()) expect(hugePageBytes(server.pid)).toBeGreaterThan(16 << 20)
    await server.call('FLUSHALL')
  } finally {
    await server.stop()
  }
})

/** For those who ask: the system's policy is not 'never', and the C library is one that can ask. */
function hasHugePages(): boolean {
  try {
    const policy = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8')
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
    return !policy.includes('[never]') && Number(header.glibcVersionRuntime?.split('.')[1]) >= 35
  } catch {
    return false
  }
}

function hugePageBytes(pid: number): number {
  const kibibytes = /AnonHugePages:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}
