import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const command = fileURLToPath(new URL('../../scripts/soak.mjs', import.meta.url))
const directory = new URL('.', import.meta.url)

// Each starts vitest anew, and waits for it.
describe.concurrent('the soak command', () => {
  it('finds a slice for every soak', () => {
    const names = readdirSync(directory).filter((name) => name.endsWith('.soak.ts'))
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) {
      expect(existsSync(new URL(name.replace('.soak.ts', '.test.ts'), directory)), `slice of ${name}`).toBe(true)
    }
  })

  it('lists the soaks when it gets no name', async () => {
    const { stdout } = await run(process.execPath, [command])
    expect(stdout).toMatch(/^ {2}reply-encoder$/m)
  })

  it('tells with --help what each of them does', async () => {
    const { stdout } = await run(process.execPath, [command, '--help'])
    const names = readdirSync(directory).filter((name) => name.endsWith('.soak.ts'))
    for (const name of names) {
      const line = new RegExp(`^ {2}${name.replace('.soak.ts', '')} +(.*)$`, 'm').exec(stdout)?.[1]
      const source = readFileSync(new URL(name, directory), 'utf8')
      expect(source.includes(`'${line}',`) || source.includes(`"${line}",`), `${name}: ${line}`).toBe(true)
    }
  })

  it('runs a soak with the given seed and count, and prints both', async () => {
    const { stdout } = await run(process.execPath, [
      command,
      'reply-encoder',
      '--seed',
      '7',
      '--count',
      '25',
      '--no-build',
    ])
    expect(stdout).toContain('soak reply-encoder --seed 7')
    expect(stdout).toMatch(/25 rounds in .* s, \d+ bytes: passed/)
  })

  it('ends after the given time', async () => {
    const { stdout } = await run(process.execPath, [command, 'reply-encoder', '--for', '0.2', '--no-build'])
    const [, rounds, seconds] = /(\d+) rounds in (.*) s, \d+ bytes: passed/.exec(stdout)!
    expect(Number(seconds)).toBeGreaterThanOrEqual(0.2)
    expect(Number(rounds)).toBeLessThan(500_000)
  })

  it('refuses an unknown name, a bad number and an unknown option with one line and exit code 1', async () => {
    for (const [args, line] of [
      [['no-such'], "no soak 'no-such'"],
      [['reply-encoder', '--seed', 'x'], "--seed wants a number of at least 0, not 'x'"],
      [['reply-encoder', '--sed', '1'], "Unknown option '--sed'"],
    ] as const) {
      await expect(run(process.execPath, [command, ...args])).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining(line),
      })
    }
  })
})
