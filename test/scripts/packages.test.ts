/** What `pnpm pack` makes of the packages is all that an application needs, outside of this repository, too. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadConfig, parseArguments } from '@understudy/net'
import { afterAll, beforeAll, expect, it } from 'vitest'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NAMES = ['core', 'net', 'rdb-worker']

/** Threads that serve, save and load, and the process that duplicates descriptors. */
const APPLICATION = `
  import { connect } from 'node:net'
  import { randomBytes } from 'node:crypto'
  import { writeFile } from 'node:fs/promises'
  import { KeyspaceReader } from '@understudy/core'
  import { loadConfig, parseArguments, ServerLog, UnderstudyServer } from '@understudy/net'
  import { RdbLoaderPool } from '@understudy/rdb-worker'

  const fail = () => process.exit(2)
  const command = parseArguments(['--port', '0', '--unixsocket', 'socket', '--io-threads', '2', '--save', ''])
  const logger = new ServerLog({ level: 'warning' })
  const server = new UnderstudyServer({ config: loadConfig(command), logger, version: '1', onShutdown: fail, onPanic: fail })
  await server.start()
  const client = connect('socket')
  client.write('SET a 1\\r\\n')
  await new Promise((resolve) => client.once('data', resolve))
  client.destroy()
  const reader = new KeyspaceReader(server.readers.attach())
  await writeFile('a.rdb', server.snapshot())
  const pool = new RdbLoaderPool()
  const { keyCount } = await pool.loadFile('a.rdb', { databaseCount: 16, hashSeed: randomBytes(16), verifyChecksum: true })
  console.log(reader.get('a'), keyCount)
  reader.close()
  await pool.close()
  await server.stop()
`

let directory: string
beforeAll(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'understudy-packages-')))
  const pack = ['-y', 'pnpm@12', '-r', '--filter', './packages/*', 'pack', '--pack-destination', directory]
  await run('npx', pack, { cwd: ROOT })
  for (const name of NAMES) {
    const target = join(directory, 'node_modules/@understudy', name)
    await mkdir(target, { recursive: true })
    await run('tar', ['-xzf', `understudy-${name}-0.1.0.tgz`, '-C', target, '--strip-components=1'], { cwd: directory })
  }
  await symlink(await realpath(join(ROOT, 'packages/net/node_modules/pino')), join(directory, 'node_modules/pino'))
  const piscina = join(ROOT, 'packages/rdb-worker/node_modules/piscina')
  await symlink(await realpath(piscina), join(directory, 'node_modules/piscina'))
}, 60_000)
afterAll(() => rm(directory, { recursive: true }))

it.each(NAMES)('%s has its licence, its doors and versions that a registry knows', async (name) => {
  const packed = join(directory, 'node_modules/@understudy', name)
  expect(await readdir(packed)).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist', 'package.json']))
  const text = await readFile(join(packed, 'package.json'), 'utf8')
  expect(text).not.toMatch(/workspace:|catalog:|prepack/)
  const { exports } = JSON.parse(text) as { exports: Record<string, Record<string, string>> }
  for (const file of Object.values(exports).flatMap((door) => Object.values(door))) {
    expect(existsSync(join(packed, file)), file).toBe(true)
  }
})

it('they serve, save and load', async () => {
  await writeFile(join(directory, 'application.mjs'), APPLICATION)
  const { stdout } = await run(process.execPath, ['application.mjs'], { cwd: directory, timeout: 25_000 })
  expect(stdout).toBe('1 1\n')
})

it.each(NAMES)('npm does not pack %s, which nobody could install', async (name) => {
  // As from within a command of pnpm, which leaves its name.
  const env = { ...process.env, npm_config_user_agent: 'pnpm/12' }
  const packing = run('npm', ['pack', '--dry-run'], { cwd: join(ROOT, 'packages', name), env })
  await expect(packing).rejects.toMatchObject({ stderr: expect.stringMatching(/are packed by pnpm/) })
})

it('what READMEs and examples start as writing no file writes none', async () => {
  for (const file of ['packages/net/README.md', 'examples/reader-thread.mjs']) {
    const [, list] = /writingNoFile = \[(.*)\]/.exec(await readFile(join(ROOT, file), 'utf8')) ?? []
    const args = (list ?? '').split(',').map((word) => word.trim().slice(1, -1))
    const command = parseArguments(args)
    if (command.kind !== 'run') throw new Error('not a command to run')
    const config = loadConfig(command)
    expect([config.get('save'), config.get('repl-diskless-load')]).toEqual([[], 'swapdb'])
  }
})
