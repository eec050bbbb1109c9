import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ServerProcess, type ServerProcessOptions } from '../../scripts/server-process.mjs'

/** A server made of JavaScript: 'ready' is its ready line. */
function script(code: string, more: Partial<ServerProcessOptions> = {}): ServerProcessOptions {
  return { name: 'a script', command: process.execPath, args: ['-e', code], ready: /^ready$/, ...more }
}

const STAY = 'setInterval(() => {}, 1000)'

describe('ServerProcess', () => {
  let server: ServerProcess | undefined
  afterEach(async () => {
    await server?.kill()
    server = undefined
  })

  it('keeps the lines of both outputs, also one without a line end', async () => {
    server = await ServerProcess.start(
      script(`console.log('one'); console.error('two'); console.log('ready'); process.stdout.write('last')`),
    )
    await server.closed
    expect([...server.lines].sort()).toEqual(['last', 'one', 'ready', 'two'])
    expect(server.ended).toEqual({ code: 0, signal: null })
    await server.stop()
  })

  it('finds old lines and waits for new ones, from a mark if asked', async () => {
    server = await ServerProcess.start(
      script(
        `process.on('SIGUSR2', () => console.log('tick 2')); console.log('tick 1'); console.log('ready'); ${STAY}`,
      ),
    )
    const mark = server.mark()
    expect(await server.waitForLine(/tick/)).toBe('tick 1')
    const next = server.waitForLine(/tick/, { fromLine: mark })
    server.signal('SIGUSR2')
    expect(await next).toBe('tick 2')
    await expect(server.waitForLine(/tick 3/, { timeoutMs: 20 })).rejects.toThrow(
      /a script wrote no line that matches \/tick 3\/ within 20 ms[^]*tick 2/,
    )
  })

  it('drops old lines of a chatty server, and marks stay right', async () => {
    server = await ServerProcess.start(
      script(
        `console.log('ready'); for (let i = 0; i < 60000; i++) console.log('line ' + i); console.log('end'); ${STAY}`,
      ),
    )
    await server.waitForLine(/^end$/)
    expect(server.mark()).toBe(60_002)
    expect(server.lines.length).toBeLessThanOrEqual(25_000)
    expect(await server.waitForLine(/line 59999/, { fromLine: 100 })).toBe('line 59999')
    await expect(server.waitForLine(/line 5$/, { timeoutMs: 10 })).rejects.toThrow('no line')
  })

  it('complains about an exit code other than 0 and about a signal', async () => {
    server = await ServerProcess.start(
      script(`process.on('SIGTERM', () => process.exit(3)); console.log('ready'); ${STAY}`),
    )
    await expect(server.stop()).rejects.toThrow('did not end in order (exit code 3)')
    server = await ServerProcess.start(script(`console.log('ready'); ${STAY}`))
    await expect(server.stop()).rejects.toThrow('did not end in order (signal SIGTERM)')
  })

  it('kills one that does not end, says so, and removes its directory', async () => {
    const ownedDirectory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
    server = await ServerProcess.start(
      script(`process.on('SIGTERM', () => {}); console.log('ready'); ${STAY}`, { ownedDirectory }),
    )
    expect(existsSync(ownedDirectory)).toBe(true)
    await expect(server.stop({ timeoutMs: 100 })).rejects.toThrow('was killed because it did not end within 100 ms')
    expect(server.ended).toEqual({ code: null, signal: 'SIGKILL' })
    expect(existsSync(ownedDirectory)).toBe(false)
  })

  it('fails when it is not ready in time, ends before, or cannot be started', async () => {
    await expect(ServerProcess.start(script(STAY, { readyTimeoutMs: 50 }))).rejects.toThrow(
      'no line that matches /^ready$/',
    )
    await expect(ServerProcess.start(script(`console.error('no disk'); process.exit(1)`))).rejects.toThrow(
      /ended \(exit code 1\)[^]*no disk/,
    )
    await expect(ServerProcess.start(script('', { command: '/no/such/file' }))).rejects.toThrow(
      /ended[^]*cannot start \/no\/such\/file/,
    )
  })
})
