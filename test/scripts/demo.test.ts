/** The demo as a user runs it, small: output into a pipe, ended by itself and by ^C, equal data, nothing left running. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'

const DEMO = fileURLToPath(new URL('../../scripts/demo.mjs', import.meta.url))

function startDemo(args: readonly string[]): { output: () => string; ended: Promise<number>; interrupt: () => void } {
  const child = spawn(process.execPath, [DEMO, '--no-build', '--keys', '3000', '--writes', '1000', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (text += part))
  return {
    output: () => text,
    ended: once(child, 'close').then(([code]) => Number(code)),
    interrupt: () => child.kill('SIGINT'),
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

// Each has its own servers, and waits most of the time.
describe.concurrent('demo', () => {
  it(
    'attaches, shows offsets in plain lines, compares and ends by itself with exit code 0',
    { timeout: 60_000 },
    async () => {
      const demo = startDemo(['--for', '2'])
      expect(await demo.ended, demo.output()).toBe(0)
      const output = demo.output()
      expect(output).toMatch(/Synced: [\d,]+ keys/)
      expect(output).toMatch(/offset \d+ of \d+, lag \d+ B/)
      expect(output).toMatch(/^Equal: [\d,]+ keys with DEBUG DIGEST [0-9a-f]{12}/m)
      expect(output, 'no control sequences into a pipe').not.toContain('\u001B')
      const pid = Number(/PID: (\d+), started/.exec(output)?.[1])
      expect(pid).toBeGreaterThan(0)
      expect(isRunning(pid)).toBe(false)
    },
  )

  it('needs no Redis: another Understudy is the primary', { timeout: 60_000 }, async () => {
    const demo = startDemo(['--for', '2', '--primary', 'understudy'])
    expect(await demo.ended, demo.output()).toBe(0)
    const output = demo.output()
    expect(output).toMatch(/^Another Understudy is the primary, on 127\.0\.0\.1:\d+, as --primary says$/m)
    expect(output).toMatch(/Synced: [\d,]+ keys/)
    expect(output).toMatch(/^Equal: [\d,]+ keys with DEBUG DIGEST [0-9a-f]{12}/m)
    expect(output).toMatch(/, none seen half done/)
    // There is no redis-cli, either: what is shown to be typed works without.
    const [, text, port] = /printf '(GET clock.*)' \| nc 127\.0\.0\.1 (\d+)/.exec(output) ?? []
    expect(text).toBe(String.raw`GET clock\r\nQUIT\r\n`)
    expect(Number(port)).toBeGreaterThan(0)
  })

  it('compares and ends in order after ^C', { timeout: 60_000 }, async () => {
    const demo = startDemo([])
    await waitFor('live figures', () => /^offset \d+ of/m.test(demo.output()), { timeoutMs: 40_000 })
    demo.interrupt()
    expect(await demo.ended, demo.output()).toBe(0)
    expect(demo.output()).toMatch(/^Equal: /m)
  })

  it('says what is wrong with an option, in one line', { timeout: 20_000 }, async () => {
    const demo = startDemo(['--for', 'ever'])
    expect(await demo.ended).toBe(1)
    expect(demo.output()).toBe("--for wants a number of at least 1, not 'ever'\n")
  })
})
