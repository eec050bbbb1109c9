/** The process: what it loads at start, how it ends, what it says when it cannot start. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fillDataset } from '../support/dataset.ts'
import { freePort } from '../support/free-port.ts'
import { UNDERSTUDY_BIN } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'
import { infoIs, later, newDirectory, startNode, startPrimary, startReplica } from './topology.ts'

/** Runs the executable to its end. */
async function runToEnd(args: readonly string[]): Promise<{ code: number; lines: string[] }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [UNDERSTUDY_BIN, ...args], { timeout: 20_000 }, (_, stdout, stderr) => {
      const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
      resolve({ code: child.exitCode ?? -1, lines })
    })
  })
}

/** A dump.rdb of a live server in a new directory, and that server's digest. */
async function savedDataset(keys: number): Promise<{ directory: string; digest: string; size: number }> {
  const directory = await newDirectory()
  const primary = await startPrimary()
  await fillDataset(primary.port, { seed: 3, keys, databases: [0, 7] })
  await primary.call('SAVE')
  await cp(join(primary.directory, 'dump.rdb'), join(directory, 'dump.rdb'))
  const digest = String(await primary.call('DEBUG', 'DIGEST'))
  return { directory, digest, size: Number(await primary.call('DBSIZE')) }
}

const digestOf = async (file: string): Promise<string> =>
  createHash('sha1')
    .update(await readFile(file))
    .digest('hex')

describe('the file at start', () => {
  it('is loaded before it is ready, and served while a primary is not to be reached', async () => {
    const { directory, digest, size } = await savedDataset(5000)
    const node = await startNode({}, { directory })
    expect(await node.call('DBSIZE')).toBe(size)
    expect(await node.call('DEBUG', 'DIGEST')).toBe(digest)
    await node.waitForLine(/DB loaded from disk/)
    await node.stop()
    const replica = await startReplica({ port: await freePort() }, {}, { directory, wait: false })
    expect(await replica.call('DBSIZE')).toBe(size)
    expect(await replica.info()).toMatchObject({ loading: '0', role: 'slave', master_link_status: 'down' })
  })

  it('that is corrupt ends the start: one line with the reason, a code other than 0, the file as it was', async () => {
    const { directory } = await savedDataset(500)
    const file = join(directory, 'dump.rdb')
    const bytes = await readFile(file)
    const args = async (): Promise<string[]> => [
      '--port',
      String(await freePort()),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
    ]
    for (const [damaged, reason] of [
      [flipped(bytes, bytes.length - 3), /CRC error/],
      [bytes.subarray(0, bytes.length / 2), /Unexpected EOF|not complete/],
      [Buffer.from('this is no snapshot at all'), /not a snapshot/i],
      [Buffer.concat([Buffer.from('REDIS9999'), bytes.subarray(9)]), /RDB format version/],
    ] as const) {
      await writeFile(file, damaged)
      const before = await digestOf(file)
      const { code, lines } = await runToEnd(await args())
      expect(code, lines.join('\n')).toBeGreaterThan(0)
      expect(
        lines.filter((line) => reason.test(line)),
        lines.join('\n'),
      ).toHaveLength(1)
      expect(lines.some((line) => /Ready to accept connections/.test(line))).toBe(false)
      expect(
        lines.some((line) => /^\s+at /.test(line)),
        'a stack trace is not for operators',
      ).toBe(false)
      expect(await digestOf(file)).toBe(before)
    }
  })
})

describe('the end', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} ends it at once with code 0, in the middle of a load as well`, async () => {
      const primary = await startPrimary()
      await primary.call('DEBUG', 'POPULATE', '5000', 'key', '50')
      const replica = await startReplica(primary, { 'key-load-delay': 1000 }, { wait: false })
      await infoIs(replica, 'master_sync_in_progress', '1')
      const started = performance.now()
      if (signal === 'SIGTERM') await replica.stop()
      else {
        replica.process.signal('SIGINT')
        await replica.waitForLine(/bye bye/)
      }
      expect(performance.now() - started).toBeLessThan(4000)
      expect(replica.lines.some((line) => /received .*SIG(TERM|INT)|Received SIG(TERM|INT)/i.test(line))).toBe(true)
    })
  }

  it('comes in the middle of the load of a file: nothing is said to have failed, nothing is saved', async () => {
    const { directory } = await savedDataset(2000)
    const file = join(directory, 'dump.rdb')
    const before = await digestOf(file)
    const port = await freePort()
    const directives = { port, bind: '127.0.0.1', dir: directory, 'key-load-delay': 10_000, save: '3600 1' }
    const ended = runToEnd(Object.entries(directives).flatMap(([name, value]) => [`--${name}`, String(value)]))
    await waitFor('the load to begin', async () => /loading:1/.test(await answerOf(port, 'INFO persistence\r\n')))
    await answerOf(port, 'SHUTDOWN\r\n')
    const { code, lines } = await ended
    expect(code, lines.join('\n')).toBe(0)
    expect(lines.filter((line) => /Fatal|Saving/.test(line))).toEqual([])
    expect(lines.some((line) => /bye bye/.test(line))).toBe(true)
    expect(await digestOf(file)).toBe(before)
  })

  it('SHUTDOWN NOSAVE ends it and closes the connection', async () => {
    const node = await startNode()
    const client = await node.raw()
    client.send('SHUTDOWN NOSAVE\r\n')
    expect((await client.readToEnd()).length).toBe(0)
  })

  it('SIGHUP does not: a terminal that is closed is no reason', async () => {
    const node = await startNode()
    await node.call('SET', 'k', 'v')
    node.process.signal('SIGHUP')
    await node.call('SET', 'l', 'w')
    expect(await node.call('MGET', 'k', 'l')).toEqual(['v', 'w'])
  })

  it('SIGSTOP and SIGCONT do no harm', async () => {
    const primary = await startPrimary()
    const replica = await startReplica(primary)
    replica.pause()
    await primary.call('SET', 'k', 'v')
    replica.resume()
    await infoIs(replica, 'db0', 'keys=1,expires=0,avg_ttl=0')
  })
})

describe('what cannot start', () => {
  it('a port that is taken', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    later(() => void server.close())
    const address = server.address() as { port: number }
    const { code, lines } = await runToEnd([
      '--port',
      String(address.port),
      '--bind',
      '127.0.0.1',
      '--dir',
      await newDirectory(),
    ])
    expect(code).toBeGreaterThan(0)
    expect(
      lines.some((line) => line.includes(`Failed listening on port ${address.port}`)),
      lines.join('\n'),
    ).toBe(true)
  })

  it.each([1, 2])(
    'a Unix socket in no directory, with %d threads: it is named, and the reason is the true one',
    async (threads) => {
      const socket = join(await newDirectory(), 'nowhere', 'socket')
      const { code, lines } = await runToEnd(['--port', '0', '--unixsocket', socket, '--io-threads', String(threads)])
      expect(code).toBeGreaterThan(0)
      const line = lines.find((one) => one.includes(socket))
      expect(line, lines.join('\n')).toMatch(/Failed opening Unix socket .*no such file or directory/)
      expect(line).not.toContain('(tcp)')
    },
  )

  it('what is to listen nowhere', async () => {
    const { code, lines } = await runToEnd(['--port', '0', '--dir', await newDirectory()])
    expect(code, lines.join('\n')).toBe(1)
    expect(lines.join('\n')).toMatch(/Configured to not listen anywhere, exiting/)
    expect(lines.join('\n')).not.toMatch(/Ready to accept/)
  })

  it('an address that nothing knows', async () => {
    const port = String(await freePort())
    const { code, lines } = await runToEnd(['--port', port, '--bind', 'nowhere.invalid'])
    expect(code).toBeGreaterThan(0)
    expect(lines.join('\n')).toMatch(new RegExp(`Failed listening on port ${port} .tcp. of nowhere.invalid`))
  })

  it('a directory that does not exist', async () => {
    const { code, lines } = await runToEnd(['--port', String(await freePort()), '--dir', '/nowhere/at/all'])
    expect(code).toBeGreaterThan(0)
    expect(lines.join('\n')).toContain('/nowhere/at/all')
  })
})

/** What a server that nobody waited for sends first for `request`, or '' when it closes the connection. */
async function answerOf(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(request)
  try {
    const [chunk] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [unknown]
    return Buffer.isBuffer(chunk) ? chunk.toString('latin1') : ''
  } finally {
    socket.destroy()
  }
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 0x10
  return copy
}
