import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { escapeControls, formatLine, formatTime, ServerLog, writePidFile } from '@understudy/net/internal'
import { afterAll, describe, expect, it } from 'vitest'

const directory = mkdtempSync(join(tmpdir(), 'understudy-log-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const LINE =
  /^\d+:[MSCX] \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2}\.\d{3} [.\-*#] .*$/

describe('a log line', () => {
  it('has the format of Redis', () => {
    const at = new Date(2026, 10, 5, 3, 4, 9, 7).getTime()
    expect(formatTime(at)).toBe('05 Nov 2026 03:04:09.007')
    expect(formatLine(12, 'S', at, 30, 'x')).toBe('12:S 05 Nov 2026 03:04:09.007 * x\n')
  })

  it('stays one line and says nothing to a terminal', () => {
    expect(escapeControls('a\r\nb\t\x1b[31m\x00\x7f\u009b\u2028ä€')).toBe(
      'a\\r\\nb\\t\\x1b[31m\\x00\\x7f\\x9b\\u2028ä€',
    )
  })

  it('is cut when it is long', () => {
    expect(formatLine(1, 'M', 0, 40, 'x'.repeat(100_000)).length).toBeLessThan(4200)
  })
})

describe('ServerLog', () => {
  it('filters by level, at run time, and marks levels and roles', () => {
    const file = join(directory, 'a.log')
    const log = new ServerLog({ file, pid: 7, role: 'M', wallMs: () => 0 })
    const all = (): void => {
      log.debug('d')
      log.verbose('v')
      log.notice('n "quoted" %s {}')
      log.warning('w')
    }
    all()
    log.setLevel('debug')
    log.setRole('S')
    expect(log.level).toBe('debug')
    all()
    log.setLevel('warning')
    all()
    const lines = readFileSync(file, 'utf8').split('\n')
    expect(lines.pop()).toBe('')
    for (const line of lines) expect(line).toMatch(LINE)
    expect(lines.map((line) => line.replace(/ .*\.\d{3}/, ''))).toEqual([
      '7:M * n "quoted" %s {}',
      '7:M # w',
      '7:S . d',
      '7:S - v',
      '7:S * n "quoted" %s {}',
      '7:S # w',
      '7:S # w',
    ])
    log.close()
  })

  it('follows a rotated file, by itself and at once when told', () => {
    const file = join(directory, 'b.log')
    let now = 10_000
    const log = new ServerLog({ file, wallMs: () => now })
    log.notice('one')
    renameSync(file, `${file}.1`)
    now += 5000
    log.notice('two')
    renameSync(file, `${file}.2`)
    log.target.reopen()
    log.notice('three')
    expect(readFileSync(`${file}.1`, 'utf8')).toMatch(/one\n$/)
    expect(readFileSync(`${file}.2`, 'utf8')).toMatch(/ two\n$/)
    expect(readFileSync(file, 'utf8')).toMatch(/ three\n$/)
    log.close()
  })

  it('says when the file cannot be opened', () => {
    expect(() => new ServerLog({ file: join(directory, 'no', 'x.log') })).toThrow(/ENOENT/)
  })

  it('has every line out before a crash, also through a pipe that is read slowly', async () => {
    const script = `
      import { ServerLog } from '@understudy/net/internal'
      const log = new ServerLog({ level: 'debug' })
      for (let i = 0; i < 3000; i++) log.notice('line ' + i + ' ' + 'x'.repeat(100))
      process.kill(process.pid, 'SIGKILL')`
    const run = promisify(execFile)
    const stdout = await run(process.execPath, ['--input-type=module', '-e', script], { maxBuffer: 1e7 }).then(
      (result) => result.stdout,
      (error: { stdout: string }) => error.stdout,
    )
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3000)
    for (const line of lines) expect(line).toMatch(LINE)
  })
})

describe('the pid file', () => {
  it('holds the pid and goes away at the end', () => {
    const path = join(directory, 'pid')
    const failures: string[] = []
    const pidFile = writePidFile(path, (message) => failures.push(message))
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`)
    pidFile!.remove()
    expect(() => readFileSync(path)).toThrow(/ENOENT/)
    pidFile!.remove()
    expect(failures).toEqual([])
  })

  it('is left alone when a successor wrote it, and its failure is only told', () => {
    const path = join(directory, 'pid2')
    const first = writePidFile(path, () => {})
    writePidFile(path, () => {}, 12345)
    first!.remove()
    expect(readFileSync(path, 'utf8')).toBe('12345\n')
    const failures: string[] = []
    expect(writePidFile(join(directory, 'no', 'pid'), (message) => failures.push(message))).toBeUndefined()
    expect(failures[0]).toMatch(/^Failed to write PID file '.*': No such file or directory$/)
  })
})
