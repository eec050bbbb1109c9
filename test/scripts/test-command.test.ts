import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))

describe('test.mjs', () => {
  it('runs the tests and what they start on the Node that --node asks for', async () => {
    const wanted = process.env['UNDERSTUDY_TEST_NODE'] ?? process.versions.node
    expect(`${process.versions.node}.`).toMatch(new RegExp(`^${wanted.replaceAll('.', '\\.')}\\.`))
    for (const command of [process.execPath, 'node']) {
      expect((await run(command, ['--version'])).stdout.trim()).toBe(`v${process.versions.node}`)
    }
  })

  it.each([
    [['--node'], '--node wants a version, as in --node 24'],
    [['--release'], '--release wants a name, as in --release redis-8'],
    [['--release', 'redis-6'], "no release 'redis-6'; there is: redis-8, valkey-8"],
    [['--node', 'twenty'], "--node wants a version as in 24 or 24.1.0, not 'twenty'"],
  ])('refuses %j in one line', async (args, line) => {
    const failed = run(process.execPath, [join(scripts, 'test.mjs'), ...args])
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: `${line}\n` })
  })

  it('refuses to run without a redis-server, in one line', async () => {
    const env = { ...process.env, REDIS_SERVER: '/no/such/redis-server' }
    await expect(run(process.execPath, [join(scripts, 'test.mjs')], { env })).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^REDIS_SERVER is '\/no\/such\/redis-server', which is not [^\n]*install[^\n]*\n$/),
    })
  })
})

describe('--help', () => {
  it.each([
    ['test', '', ['--node VERSION']],
    ['demo', '', ['--for SECONDS', '--primary KIND']],
    ['fuzz', '', ['--minutes N', '--coverage']],
    ['bench', 'mixed-stream', ['--quick', '--pairs N']],
    ['soak', 'link-cuts', ['--seed N', '--for SECONDS']],
  ])('of %s tells what it takes, needs no server, and is no failure', async (name, named, options) => {
    const env = { ...process.env, REDIS_SERVER: '/no/such/redis-server' }
    const { stdout } = await run(process.execPath, [join(scripts, `${name}.mjs`), '--help'], { env })
    expect(stdout).toMatch(new RegExp(`^npx -y pnpm@12 ${name} [^]*\\n\\nOptions:\\n`))
    if (named !== '') expect(stdout).toMatch(new RegExp(`^  ${named} +\\w`, 'm'))
    for (const option of [...options, '--help']) expect(stdout).toMatch(new RegExp(`^  ${option} +\\w`, 'm'))
  })
})

describe('test-counts.mjs', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  })
  afterEach(async () => {
    await rm(directory, { recursive: true })
  })

  const file = (status: string, ...tests: string[]): object => ({
    status,
    assertionResults: tests.map((each) => ({ status: each })),
  })

  it.each([
    ['all passed', [2, 0, 0, 0], [file('passed', 'passed', 'passed')], 0, '2 passed, 0 failed', 0],
    ['some skipped', [1, 0, 1, 1], [file('passed', 'passed')], 0, '1 passed, 0 failed, 2 skipped', 0],
    ['one failed', [1, 1, 0, 0], [file('failed', 'passed', 'failed')], 1, '1 passed, 1 failed', 1],
    ['a file did not load', [1, 0, 0, 0], [file('passed', 'passed'), file('failed')], 1, '1 passed, 1 failed', 1],
    ['the run failed after its tests', [1, 0, 0, 0], [file('passed', 'passed')], 1, '1 passed, 0 failed', 1],
    ['failures hidden by a wrong exit code', [1, 1, 0, 0], [file('failed', 'failed')], 0, '1 passed, 1 failed', 1],
    ['nothing ran', [0, 0, 0, 0], [], 0, '0 passed, 0 failed', 1],
  ])('%s', async (_, [passed, failed, pending, todo], testResults, runCode, line, code) => {
    const path = join(directory, 'report.json')
    const counts = { numPassedTests: passed, numFailedTests: failed, numPendingTests: pending, numTodoTests: todo }
    await writeFile(path, JSON.stringify({ ...counts, testResults }))
    const done = await run(process.execPath, [join(scripts, 'test-counts.mjs'), path, String(runCode)]).then(
      ({ stdout }) => ({ stdout, code: 0 }),
      (error: { stdout: string; code: number }) => ({ stdout: error.stdout, code: error.code }),
    )
    expect(done).toEqual({ stdout: `${line}\n`, code })
  })

  it('fails when there is no report', async () => {
    await expect(
      run(process.execPath, [join(scripts, 'test-counts.mjs'), join(directory, 'none'), '0']),
    ).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('left no report'),
    })
  })
})
