import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findRedis } from '../../scripts/redis-server.mjs'
import { freePort } from './free-port.ts'
import { RawClient } from './raw-client.ts'
import { redisBinaries, startRedisServer } from './redis-server.ts'
import type { TestServer } from './test-server.ts'
import { waitFor } from './wait-for.ts'

const run = promisify(execFile)

/** False once the process is gone; a zombie that only waits to be noticed is gone too. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    const { stdout } = await run('ps', ['-o', 'stat=', '-p', String(pid)])
    return !stdout.trim().startsWith('Z') && stdout.trim() !== ''
  } catch {
    return false
  }
}

describe('startRedisServer', () => {
  let server: TestServer
  afterEach(async () => {
    await server.kill()
  })

  it('starts a server that answers every client, and leaves no process and no directory behind', async () => {
    server = await startRedisServer({ directives: { maxmemory: '100mb', save: ['900', '1'] } })
    expect(await server.call('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', '104857600'])
    expect(await server.call('CONFIG', 'GET', 'save')).toEqual(['save', '900 1'])
    expect(await server.call('SET', 'k', 'v')).toBe('OK')
    expect(await server.client().get('k')).toBe('v')
    expect(await server.cli(['GET', 'k'])).toBe('v\n')
    expect(await server.cli([], 'SET k w\nGET k\n')).toBe('OK\nw\n')
    const info = await server.info()
    const { product, version } = await redisBinaries()
    expect(info).toMatchObject({ role: 'master', [`${product.toLowerCase()}_version`]: version })
    expect(Number(info['process_id'])).toBe(server.pid)
    const { directory, pid } = server
    expect(existsSync(directory)).toBe(true)
    await server.stop()
    await server.stop()
    expect(await isAlive(pid)).toBe(false)
    expect(existsSync(directory)).toBe(false)
  })

  it('passes a config file, a password and several values of a directive', async () => {
    server = await startRedisServer({ config: 'requirepass secret word\nmaxclients 77\n'.replace(' word', '') })
    await expect(server.call('GET', 'k')).rejects.toThrow('NOAUTH')
    await server.stop()
    server = await startRedisServer({
      directives: { requirepass: 'secret', 'client-output-buffer-limit': ['replica', '1mb', '0', '0'] },
    })
    expect(await server.call('CONFIG', 'GET', 'client-output-buffer-limit')).toEqual([
      'client-output-buffer-limit',
      expect.stringContaining('slave 1048576 0 0'),
    ])
    expect(await server.client().ping()).toBe('PONG')
    expect(await server.cli(['PING'])).toBe('PONG\n')
  })

  it('keeps a directory that was given, so that a server can start again with its data', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
    try {
      server = await startRedisServer({ directory })
      await server.call('SET', 'kept', 1)
      await server.call('SAVE')
      await server.stop()
      server = await startRedisServer({ directory, port: server.port })
      expect(await server.call('GET', 'kept')).toBe('1')
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('pauses and resumes, and stops a paused server in order', async () => {
    server = await startRedisServer()
    const client = await server.raw()
    const impatient = new RawClient((await server.raw()).socket, 100)
    server.pause()
    client.send('PING\r\n')
    await expect(impatient.call('PING')).rejects.toThrow('waited 100 ms for a reply; received 0 bytes')
    expect(client.received()).toHaveLength(0)
    server.resume()
    expect(await client.readReply()).toBe('PONG')
    server.pause()
    await server.stop()
  })
})

describe('a server that does not start', () => {
  it('is gone, and the error shows its last lines', async () => {
    await expect(startRedisServer({ directives: { 'no-such-directive': 1 } })).rejects.toThrow(
      /redis-server on port \d+ ended \(exit code 1\)[^]*no-such-directive/,
    )
  })

  it('finds a given port taken', async () => {
    const port = await freePort()
    const other = createServer().listen(port, '127.0.0.1')
    await once(other, 'listening')
    await expect(startRedisServer({ port })).rejects.toThrow('Address already in use')
    other.close()
  })
})

describe('a test process that dies', () => {
  it.each(['SIGKILL', 'SIGTERM', 'process.exit()'] as const)(
    'by %s takes its server and its directory along',
    async (how) => {
      const { server } = await redisBinaries()
      const port = await freePort()
      const module = fileURLToPath(new URL('../../scripts/server-process.mjs', import.meta.url))
      const script = `
      import { mkdtempSync } from 'node:fs'
      import { ServerProcess } from ${JSON.stringify(module)}
      const ownedDirectory = mkdtempSync(${JSON.stringify(join(tmpdir(), 'understudy-test-'))})
      const server = await ServerProcess.start({
        name: 'left alone', command: ${JSON.stringify(server)}, ready: /Ready to accept/, ownedDirectory,
        args: ['--port', '${port}', '--bind', '127.0.0.1', '--save', '', '--dir', ownedDirectory],
      })
      console.log(server.pid + ' ' + ownedDirectory)
      ${how === 'process.exit()' ? 'process.exit()' : ''}
    `
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(child, 'exit')
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const [pid, directory] = line.toString().trim().split(' ')
      if (how !== 'process.exit()') {
        expect(await isAlive(Number(pid))).toBe(true)
        child.kill(how)
      }
      await exited
      await waitFor('the server to be gone', async () => !(await isAlive(Number(pid))))
      await waitFor('its directory to be gone', () => !existsSync(String(directory)))
    },
  )
})

describe('RawClient', () => {
  let server: TestServer
  let client: RawClient
  beforeEach(async () => {
    server = await startRedisServer()
    client = await server.raw()
  })
  afterEach(async () => {
    await server.stop()
  })

  it('shows replies as values, as bytes and as exact text', async () => {
    expect(await client.callExact('SET', 'k', Buffer.from([0xff, 0]))).toBe('+OK\r\n')
    expect(await client.callBinary('GET', 'k')).toEqual(Buffer.from([0xff, 0]))
    expect(await client.callExact('GET', 'none')).toBe('$-1\r\n')
    await expect(client.call('INCR', 'k')).rejects.toMatchObject({
      code: 'ERR',
      message: expect.stringContaining('not an integer'),
    })
    expect(await client.callExact('HELLO', 3)).toMatch(/^%7\r\n/)
    expect(await client.callExact('GET', 'none')).toBe('_\r\n')
    expect(await client.pipeline([['PING'], ['NOPE'], ['ECHO', 'x']])).toEqual([
      'PONG',
      expect.objectContaining({ code: 'ERR' }),
      'x',
    ])
  })

  it('sends anything and reads lines, counts, large replies and the end', async () => {
    client.send('PING\r\n')
    expect(await client.readLine()).toBe('+PONG\r\n')
    client.send('*1\r\n$4\r\nPI')
    client.send('NG\r\n')
    expect(await client.readBytes(3)).toEqual(Buffer.from('+PO'))
    expect(await client.readBytes(4)).toEqual(Buffer.from('NG\r\n'))
    const large = Buffer.alloc(5_000_000, 'x')
    await client.call('SET', 'large', large)
    expect(large.equals((await client.callBinary('GET', 'large')) as Buffer)).toBe(true)
    client.send('*1\r\n$x\r\n')
    expect((await client.readToEnd()).toString()).toBe('-ERR Protocol error: invalid bulk length\r\n')
    await expect(client.call('PING')).rejects.toThrow('the connection ended before a reply')
  })

  it('keeps push messages apart from replies', async () => {
    await client.call('HELLO', 3)
    client.send('*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n')
    expect((await client.readPush()).items).toEqual(['subscribe', 'c', 1])
    await server.call('PUBLISH', 'c', 'hello')
    expect(await client.call('PING')).toBe('PONG')
    expect((await client.readPush()).items).toEqual(['message', 'c', 'hello'])
  })
})

describe('findRedis', () => {
  it('says which later releases there are', async () => {
    await expect(findRedis({ release: 'redis-6', env: {} })).rejects.toThrow(
      "no release 'redis-6'; there is: redis-8, valkey-8",
    )
  })

  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  })
  afterEach(async () => {
    await rm(directory, { recursive: true })
  })

  it('takes REDIS_SERVER with its tools beside it, also under the names of a fork', async () => {
    const real = await redisBinaries()
    await symlink(real.server, join(directory, 'other-server'))
    await writeFile(join(directory, 'other-cli'), '', { mode: 0o755 })
    await writeFile(join(directory, 'redis-benchmark'), '', { mode: 0o755 })
    await writeFile(join(directory, 'valkey-check-rdb'), '', { mode: 0o755 })
    await writeFile(join(directory, 'redis-server'), `#!/bin/sh\nexec '${real.server}' "$@"\n`, { mode: 0o755 })
    await writeFile(join(directory, 'valkey-server'), `#!/bin/sh\nexec '${real.server}' "$@"\n`, { mode: 0o755 })
    await writeFile(join(directory, 'valkey-cli'), '', { mode: 0o755 })
    const found = await findRedis({ env: { REDIS_SERVER: join(directory, 'valkey-server'), PATH: '' } })
    expect(found).toEqual({
      server: join(directory, 'valkey-server'),
      cli: join(directory, 'valkey-cli'),
      benchmark: join(directory, 'redis-benchmark'),
      checkRdb: join(directory, 'valkey-check-rdb'),
      product: real.product,
      version: real.version,
      allocator: real.allocator,
      source: 'REDIS_SERVER',
    })
  })

  it('takes one from PATH', async () => {
    for (const tool of ['server', 'cli', 'benchmark', 'check-rdb']) {
      await writeFile(join(directory, `redis-${tool}`), `#!/bin/sh\necho 'Redis server v=9.1.2 sha=0'\n`, {
        mode: 0o755,
      })
    }
    const found = await findRedis({ env: { PATH: `/nonexistent:${directory}` } })
    expect(found).toMatchObject({ version: '9.1.2', source: 'PATH', cli: join(directory, 'redis-cli') })
  })

  it.each([
    ['Redis server v=7.0.15 sha=0:0 malloc=jemalloc-5.3.0 bits=64', 'Redis', '7.0.15', 'jemalloc-5.3.0'],
    ['Valkey server v=8.1.0 sha=0:0 malloc=libc bits=64', 'Valkey', '8.1.0', 'libc'],
  ])('tells what %s is', async (line, product, version, allocator) => {
    for (const tool of ['server', 'cli', 'benchmark', 'check-rdb'])
      await writeFile(join(directory, `redis-${tool}`), `#!/bin/sh\necho '${line}'\n`, { mode: 0o755 })
    const found = await findRedis({ env: { REDIS_SERVER: join(directory, 'redis-server'), PATH: '' } })
    expect(found).toMatchObject({ product, version, allocator })
  })

  it.each([
    ['is not there', undefined, 'is not an executable file'],
    ['is too old', "#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n", 'is version 6.2.14'],
    ['is something else', '#!/bin/sh\necho hello\n', 'does not look like a redis-server'],
    ['does not run', '#!/bin/sh\nexit 3\n', "--version' failed"],
  ])('says in one line what to do when REDIS_SERVER %s', async (_, text, reason) => {
    const path = join(directory, 'redis-server')
    if (text !== undefined) await writeFile(path, text, { mode: 0o755 })
    const failed = findRedis({ env: { REDIS_SERVER: path, PATH: '' } })
    await expect(failed).rejects.toThrow(reason)
    await expect(failed).rejects.toThrow(/^[^\n]*apt install redis-server[^\n]*REDIS_SERVER[^\n]*$/)
  })

  it('says in one line what to do when there is nothing at all', async () => {
    const script = fileURLToPath(new URL('../../scripts/redis-server.mjs', import.meta.url))
    const code = `
      import { findRedis } from ${JSON.stringify(script)}
      await findRedis({ cacheDirectory: ${JSON.stringify(directory)} }).catch((error) => console.log(error.message))
    `
    // An empty PATH hides apt-get as well.
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { env: { PATH: directory } })
    expect(stdout).toMatch(
      /^redis-server is not on PATH and no package could be unpacked \(apt-get is not available here\): install it [^\n]*\n$/,
    )
  })
})
