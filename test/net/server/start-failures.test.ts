/** A start that cannot succeed: one clear line, exit code 1, no stack trace, nothing left behind. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { UNDERSTUDY_BIN } from '../../support/understudy-server.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

it.each([
  ['a log file in a directory that is not there', ['--logfile', 'none/here.log'], /^Can't open the log file: ENOENT/m],
  ['a command to rename that does not exist', ['--rename-command', 'nosuch', ''], /Cannot start: No such command/],
  ['a command renamed to one there is', ['--rename-command', 'get', 'set'], /Cannot start: There are two commands/],
  ['more databases than memory holds', ['--databases', '2147483647'], /Cannot start: .*databases/],
  ['a directive that nobody knows', ['--replicoaf', 'a 1'], /the nearest known name is 'replicaof'/],
])('%s', async (_what, args, expected) => {
  const pidFile = join(directory, 'pid')
  const port = String(await freePort())
  const all = [UNDERSTUDY_BIN, '--port', port, '--bind', '127.0.0.1', '--dir', directory, '--pidfile', pidFile, ...args]
  const { code, text } = await new Promise<{ code: unknown; text: string }>((resolve) => {
    execFile(process.execPath, all, { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, text: stdout + stderr }),
    )
  })
  expect(text).toMatch(expected)
  expect(text).not.toMatch(/^ {4}at /m)
  expect(code).toBe(1)
  expect(existsSync(pidFile)).toBe(false)
})
