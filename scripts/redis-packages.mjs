/**
 * Fetches the Debian or Ubuntu packages redis-server and redis-tools, with the libraries this machine lacks, and unpacks
 * them into a folder of the project. It installs nothing: apt's lists and archives are kept in a folder of our own, no
 * lock of the system is taken, no hook of the system runs, and it works without being root.
 *
 * What comes out, relocatable as a whole:
 *
 *   <target>/unpacked/root/usr/bin/redis-server …     as in the packages
 *   <target>/unpacked/bin/redis-server …              wrappers: set LD_LIBRARY_PATH, then exec (same pid)
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

const PACKAGES = ['redis-server', 'redis-tools']
const TOOLS = ['redis-cli', 'redis-benchmark', 'redis-check-rdb', 'redis-server']
/** apt-get is given this long for one step; a mirror that hangs must not hang the tests for ever. */
const STEP_TIMEOUT_MS = 240_000
/** Longer than all steps together. After that another process's lock is taken for abandoned. */
const LOCK_PATIENCE_MS = 600_000

/**
 * @param {string} target Folder of ours, created when missing.
 * @param {(message: string) => void} log
 * @returns {Promise<string>} The folder with the wrappers.
 */
export async function unpackRedisPackages(target, log) {
  const wrappers = join(target, 'unpacked', 'bin')
  if (isComplete(target)) return wrappers
  await requireApt()
  await mkdir(target, { recursive: true })
  const unlock = await lock(join(target, 'lock'), () => isComplete(target))
  try {
    // What was unpacked by an older version of this file may lack a wrapper.
    if (existsSync(join(target, 'unpacked'))) await writeWrappers(join(target, 'unpacked'))
    else await unpackInto(target, log)
  } finally {
    await unlock()
  }
  return wrappers
}

/**
 * The wrappers are the last thing made in `unpacked`.
 *
 * @param {string} target
 */
function isComplete(target) {
  return TOOLS.every((tool) => existsSync(join(target, 'unpacked', 'bin', tool)))
}

async function requireApt() {
  for (const tool of ['apt-get', 'dpkg-deb']) {
    try {
      await run(tool, ['--version'])
    } catch (error) {
      throw new Error(`${tool} is not available here`, { cause: error })
    }
  }
}

/**
 * @param {string} target
 * @param {(message: string) => void} log
 */
async function unpackInto(target, log) {
  const work = join(target, `work-${process.pid}-${randomBytes(4).toString('hex')}`)
  const made = join(work, 'unpacked')
  try {
    await mkdir(made, { recursive: true })
    log('No redis-server on PATH: unpacking the distribution’s packages into .cache/redis …')
    const archives = await download(work, log)
    for (const archive of archives) await run('dpkg-deb', ['-x', archive, join(made, 'root')])
    await writeWrappers(made)
    await rename(made, join(target, 'unpacked')).catch((/** @type {unknown} */ error) => {
      // Somebody who did not see our lock was faster; theirs is as good as ours.
      if (!isComplete(target)) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/**
 * First with the machine's own package lists; if they are missing or out of date, with fresh lists of our own.
 *
 * @param {string} work
 * @param {(message: string) => void} log
 * @returns {Promise<string[]>} Paths of the .deb files.
 */
async function download(work, log) {
  const archives = join(work, 'archives')
  await mkdir(archives, { recursive: true })
  try {
    return await downloadWith(await aptConfig(work, false), archives)
  } catch {
    log('The package lists of this machine are missing or out of date: fetching fresh ones into .cache/redis …')
    const config = await aptConfig(work, true)
    // One unreachable source of many makes `update` fail though ours is there: what counts is the download below.
    const updated = await apt(config, ['-qq', 'update']).catch((/** @type {unknown} */ error) => error)
    try {
      return await downloadWith(config, archives)
    } catch (error) {
      throw updated instanceof Error ? updated : error
    }
  }
}

/**
 * @param {string} config
 * @param {string} archives
 */
async function downloadWith(config, archives) {
  // apt itself says which packages this machine lacks. 'Inst name (version …' is a new package; 'Inst name [old] (…' would
  // be an upgrade of one that is there, and is left alone: a second libc beside the system's would not work.
  const plan = await apt(config, ['-s', '-qq', '--no-install-recommends', 'install', ...PACKAGES])
  const missing = Array.from(plan.matchAll(/^Inst (\S+) \(/gm), ([, name = '']) => name)
  const wanted = new Set([...PACKAGES, ...missing])
  await apt(config, ['-qq', 'download', ...wanted], archives)
  const files = (await readdir(archives)).filter((name) => name.endsWith('.deb'))
  for (const name of PACKAGES) {
    if (!files.some((file) => file.startsWith(`${name}_`))) throw new Error(`apt-get did not download ${name}`)
  }
  return files.map((file) => join(archives, file))
}

/**
 * Writes a configuration that is read after the system's (so proxies and mirrors stay) and keeps apt inside `work`.
 *
 * @param {string} work
 * @param {boolean} ownLists
 */
async function aptConfig(work, ownLists) {
  const cache = join(work, 'apt-cache')
  const lists = join(work, 'apt-lists')
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  await mkdir(join(lists, 'partial'), { recursive: true })
  const lines = [
    `Dir::Cache "${cache}/";`,
    'Dir::Log "/dev/null";',
    'Debug::NoLocking "true";',
    // Otherwise root's apt warns that its user _apt cannot write into our folder.
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "30";',
    'Acquire::https::Timeout "30";',
    // Hooks of container images delete archives and caches of the system.
    ...['Pre-Invoke', 'Post-Invoke', 'Post-Invoke-Success'].map((hook) => `#clear APT::Update::${hook};`),
  ]
  if (ownLists) lines.push(`Dir::State::lists "${lists}/";`)
  const path = join(work, `apt-${ownLists ? 'own' : 'system'}.conf`)
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/**
 * Runs apt-get silently; its output is returned, or told in the error.
 *
 * @param {string} config
 * @param {string[]} args
 * @param {string} [cwd]
 */
async function apt(config, args, cwd) {
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
  try {
    const { stdout } = await run('apt-get', ['-c', config, ...args], {
      cwd,
      env,
      timeout: STEP_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    const { stderr = '' } = /** @type {{ stderr?: string }} */ (error)
    const told = stderr.split('\n').find((line) => line.startsWith('E: '))
    const step = args.find((arg) => !arg.startsWith('-'))
    throw new Error(`apt-get ${step}: ${told?.slice(3) ?? 'failed or took too long'}`, { cause: error })
  }
}

/** @param {string} made */
async function writeWrappers(made) {
  const directories = await libraryDirectories(join(made, 'root'))
  const path = directories.map((directory) => `$root/${directory}`).join(':')
  await mkdir(join(made, 'bin'), { recursive: true })
  for (const tool of TOOLS) {
    if (existsSync(join(made, 'bin', tool))) continue
    const text = [
      '#!/bin/sh',
      `root="\${0%/*}/../root"`,
      `LD_LIBRARY_PATH="${path}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
      'export LD_LIBRARY_PATH',
      `exec "$root/usr/bin/${tool}" "$@"`,
      '',
    ].join('\n')
    await writeFile(join(made, 'bin', tool), text, { mode: 0o755 })
    try {
      await run(join(made, 'bin', tool), ['--version'])
    } catch (error) {
      const { stderr = '' } = /** @type {{ stderr?: string }} */ (error)
      throw new Error(`the unpacked ${tool} does not run: ${stderr.trim().split('\n', 1)[0]}`, { cause: error })
    }
  }
}

/**
 * Folders below `root` that hold shared libraries, relative to it: usr/lib/x86_64-linux-gnu and the like.
 *
 * @param {string} root
 */
async function libraryDirectories(root) {
  const found = new Set()
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isDirectory() && /\.so(\.|$)/.test(entry.name)) found.add(entry.parentPath.slice(root.length + 1))
  }
  return [...found]
}

/**
 * Waits for `path` to be ours, or for `done()`. The lock only saves work: the rename at the end is what makes concurrent
 * callers safe. A lock whose process is gone is taken over.
 *
 * @param {string} path
 * @param {() => boolean} done
 * @returns {Promise<() => Promise<void>>} Releases it.
 */
async function lock(path, done) {
  const deadline = Date.now() + LOCK_PATIENCE_MS
  while (!done()) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(String(process.pid))
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    }
    if (Date.now() > deadline || (await isAbandoned(path))) await rm(path, { force: true })
    else await sleep(200)
  }
  return async () => {}
}

/** @param {string} path */
async function isAbandoned(path) {
  try {
    const pid = Number(await readFile(path, 'utf8'))
    // Empty: its owner is between open and write.
    if (pid > 0) process.kill(pid, 0)
    return false
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH'
  }
}
