/** What `understudy check` says of every file of the corpus, and of files that are none. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { RdbError } from '@understudy/core/internal'
import { parseArguments, runCheck } from '@understudy/net/internal'
import { describe, expect, it, onTestFinished } from 'vitest'
import { corpus, corpusBytes, corpusPath } from '../../support/rdb-corpus.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { UNDERSTUDY_BIN } from '../../support/understudy-server.ts'

function path(file: string): string {
  return fileURLToPath(corpusPath(file))
}

function check(files: readonly string[], json: boolean): { code: number; out: string; err: string } {
  const written = { out: '', err: '' }
  const code = runCheck(
    { kind: 'check', files, json },
    {
      stdout: { write: (text) => (written.out += text) },
      stderr: { isTTY: true, columns: 200, write: (text) => (written.err += text) },
    },
  )
  return { code, ...written }
}

function refusal(file: string): RdbError | undefined {
  try {
    scanBytes(corpusBytes(file), { databaseCount: 2 ** 31 })
    return undefined
  } catch (error) {
    return error as RdbError
  }
}

describe('understudy check', () => {
  it.each(corpus())('$file', ({ file, keysInFile, bytes, checksum, opcodes }) => {
    const { code, out } = check([path(file)], true)
    const report = JSON.parse(out) as Record<string, unknown> & { aux: object; skippedModules: Record<string, number> }
    const fault = refusal(file)
    expect(code).toBe(fault === undefined ? 0 : 1)
    expect(report).toMatchObject({ file: path(file), ok: fault === undefined, fileBytes: bytes })
    if (fault !== undefined) {
      const { code: faultCode, message, byteOffset, key } = fault
      expect(report['error']).toEqual({ code: faultCode, message, byteOffset, ...(key === undefined ? {} : { key }) })
      return
    }
    const skipped = Object.values(report.skippedModules).reduce((sum, count) => sum + count, 0)
    expect(Number(report['keys']) + Number(report['emptyKeysDropped']) + skipped).toBe(keysInFile)
    expect(report['checksum']).toBe(checksum === 'present' ? 'right' : 'none')
    expect(report['functionLibraries']).toBe(opcodes['FUNCTION2'] ?? 0)
  })

  it('tells people the version, facts, databases, types, modules, checksum', () => {
    const { code, out, err } = check([path('librdb/function2.rdb'), path('librdb/module_aux_v12.rdb')], false)
    expect(code).toBe(0)
    expect(out.split('\n').map((line) => line.trim())).toEqual(
      expect.arrayContaining([
        'version     REDIS 12',
        'aux         redis-ver = 255.255.255',
        'database 0  10 keys, 0 with a TTL (announced: 10, 0)',
        'type        STRING: 10',
        'functions   2 libraries',
        'module      test__rdb: 1 keys that cannot be held here, to be skipped',
        'module      2 sections that belong to no key, to be skipped',
        'checksum    right',
        'OK',
      ]),
    )
    // On a terminal a bar, that is wiped.
    expect(err).toContain('function2.rdb [')
    expect(err.endsWith('\r\u001b[K')).toBe(true)
  })

  it('names the byte and the key of the first error, and goes on with the next file', () => {
    const ok = path('hdt/intset_32.rdb')
    const { code, out } = check([path('librdb/redis_ent_opcode_ram_lru.rdb'), '/nowhere/dump.rdb', ok], false)
    expect(code).toBe(1)
    expect(out).toMatch(/BAD {9}RDB_BAD_TYPE: unknown value type 107 \(at byte 280/)
    expect(out).toMatch(/version {5}REDIS/)
    expect(out).toMatch(/BAD {9}FILE_FAILED: cannot read \/nowhere\/dump\.rdb: no such file/)
    expect(out.endsWith('OK\n')).toBe(true)
  })

  it('says of each file that cannot be read why, waits for none, and goes on with the next', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'check-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const loop = join(directory, 'loop')
    const pipe = join(directory, 'pipe')
    await symlink(loop, loop)
    await promisify(execFile)('mkfifo', [pipe])
    const { code, out } = check([loop, join(loop, 'dump.rdb'), pipe, directory, path('hdt/intset_32.rdb')], false)
    expect(code).toBe(1)
    expect(out.match(/BAD {9}FILE_FAILED: .*/g)).toEqual([
      `BAD         FILE_FAILED: cannot read ${loop}: the system refused it (ELOOP)`,
      `BAD         FILE_FAILED: cannot read ${join(loop, 'dump.rdb')}: the system refused it (ELOOP)`,
      `BAD         FILE_FAILED: cannot read ${pipe}: not a file`,
      `BAD         FILE_FAILED: cannot read ${directory}: not a file`,
    ])
    expect(out.endsWith('OK\n')).toBe(true)
  })

  it('counts bytes behind the end of a snapshot as a fault, with their number and place', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'check-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const good = corpusBytes('librdb/function2.rdb')
    for (const [name, behind] of [
      ['junk', Buffer.from('JUNKJUNK')],
      ['twice', good],
    ] as const) {
      const file = join(directory, name)
      await writeFile(file, Buffer.concat([good, behind]))
      const message = `${behind.length} bytes stand behind the end of the snapshot, and no load reads them (at byte ${good.length})`
      const { code, out } = check([file], false)
      expect(code).toBe(1)
      expect(out).toContain(`  BAD         RDB_TRAILING_BYTES: ${message}\n`)
      const report = JSON.parse(check([file], true).out) as object
      const error = { code: 'RDB_TRAILING_BYTES', message, byteOffset: good.length }
      const { length } = good
      expect(report).toMatchObject({ ok: false, fileBytes: length + behind.length, snapshotBytes: length, error })
      // What stands before them was read and compared all the same.
      expect(report).toMatchObject({ checksum: 'right' })
    }
  })

  it('is a command of the executable', async () => {
    const run = promisify(execFile)
    const good = path('redis/encodings.rdb')
    const { stdout } = await run(process.execPath, [UNDERSTUDY_BIN, 'check', good])
    expect(stdout).toContain('OK')
    const bad = run(process.execPath, [UNDERSTUDY_BIN, 'check', '--json', good, path('librdb/future_v19.rdb')])
    const failed = (await bad.catch((error: unknown) => error)) as { code: number; stdout: string }
    expect(failed.code).toBe(1)
    const lines = failed.stdout.trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { ok: boolean }).ok)).toEqual([true, false])
  })

  it.each([
    [['check', path('redis/encodings.rdb')], 0],
    [['check', path('librdb/future_v19.rdb')], 1],
    [['--help'], 0],
  ])('%j goes on when nobody reads what it tells', async (args, code) => {
    const child = spawn(process.execPath, [UNDERSTUDY_BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    expect(await once(child, 'close')).toEqual([code, null])
    expect(errors).toBe('')
  })

  it('says how it is used', () => {
    expect(parseArguments(['check', '--json', 'a', 'b'])).toEqual({ kind: 'check', files: ['a', 'b'], json: true })
    expect(parseArguments(['check', '--help'])).toEqual({ kind: 'help' })
    expect(() => parseArguments(['check'])).toThrow(/no file is named\nUsage: understudy check/)
    expect(() => parseArguments(['check', '--all', 'a'])).toThrow(/no option --all/)
  })
})
