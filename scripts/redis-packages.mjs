/**
 * Fetches the Debian or Ubuntu packages redis-server and redis-tools, with the libraries this machine lacks, and unpacks
 * them into a folder of the project. It installs nothing: apt's lists and archives are kept in a folder of our own, no
 * lock of the system is taken, no hook of the system runs, and it works without being root.
 *
 * What comes out, relocatable as a whole:
 *
 *   <target>/unpacked/root/usr/bin/redis-server …     as in the packages
 *   <target>/unpacked/bin/redis-server …              wrappers: set LD_LIBRARY_PATH, then exec (same pid)
 *
 * A later release is one of a later Debian. Its packages come with all that they need, the C library too, and the wrappers start them
 * with its loader.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * @typedef {object} Release
 * @property {readonly string[]} packages
 * @property {readonly string[]} tools Programs that get a wrapper; the server is the last.
 * @property {string} [suite] Of Debian; left out: this machine's own.
 */

const REDIS_TOOLS = ['redis-cli', 'redis-benchmark', 'redis-check-rdb', 'redis-server']
const VALKEY_TOOLS = REDIS_TOOLS.map((tool) => tool.replace('redis', 'valkey'))

/** @type {Release} */
const OWN_RELEASE = { packages: ['redis-server', 'redis-tools'], tools: REDIS_TOOLS }

/** By the name that `--release` takes. @type {Readonly<Record<string, Release>>} */
export const LATER_RELEASES = {
  'redis-8': { packages: ['redis-server', 'redis-tools'], tools: REDIS_TOOLS, suite: 'trixie' },
  'valkey-8': { packages: ['valkey-server', 'valkey-tools'], tools: VALKEY_TOOLS, suite: 'trixie' },
}

/** Debian's own keys. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** apt-get is given this long for one step; a mirror that hangs must not hang the tests for ever. */
const STEP_TIMEOUT_MS = 240_000
/** Longer than all steps together. After that another process's lock is taken for abandoned. */
const LOCK_PATIENCE_MS = 600_000

/**
 * @param {string} target Folder of ours, created when missing.
 * @param {(message: string) => void} log
 * @param {Release} [release]
 * @returns {Promise<string>} The folder with the wrappers.
 */
export async function unpackRedisPackages(target, log, release = OWN_RELEASE) {
  const wrappers = join(target, 'unpacked', 'bin')
  const isDone = () => isComplete(target, release)
  if (isDone()) return wrappers
  await requireApt()
  await mkdir(target, { recursive: true })
  const unlock = await lock(join(target, 'lock'), isDone)
  try {
    // What was unpacked by an older version of this file may lack a wrapper.
    if (existsSync(join(target, 'unpacked'))) await writeWrappers(join(target, 'unpacked'), release)
    else await unpackInto(target, log, release)
  } finally {
    await unlock()
  }
  return wrappers
}

/**
 * The wrappers are the last thing made in `unpacked`.
 *
 * @param {string} target
 * @param {Release} release
 */
function isComplete(target, { tools }) {
  return tools.every((tool) => existsSync(join(target, 'unpacked', 'bin', tool)))
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
 * @param {Release} release
 */
async function unpackInto(target, log, release) {
  const work = join(target, `work-${process.pid}-${randomBytes(4).toString('hex')}`)
  const made = join(work, 'unpacked')
  try {
    await mkdir(made, { recursive: true })
    log(
      release.suite === undefined
        ? 'No redis-server on PATH: unpacking the distribution’s packages into .cache/redis …'
        : `Unpacking ${release.packages.join(' and ')} of Debian ${release.suite} into .cache …`,
    )
    const archives = release.suite === undefined ? await download(work, log) : await downloadOfSuite(work, release)
    for (const archive of archives) await run('dpkg-deb', ['-x', archive, join(made, 'root')])
    await writeWrappers(made, release)
    await rename(made, join(target, 'unpacked')).catch((/** @type {unknown} */ error) => {
      // Somebody who did not see our lock was faster; theirs is as good as ours.
      if (!isComplete(target, release)) throw error
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
    return await downloadWith(await aptConfig(work, 'system'), archives, OWN_RELEASE)
  } catch {
    log('The package lists of this machine are missing or out of date: fetching fresh ones into .cache/redis …')
    const config = await aptConfig(work, 'own')
    // One unreachable source of many makes `update` fail though ours is there: what counts is the download below.
    const updated = await apt(config, ['-qq', 'update']).catch((/** @type {unknown} */ error) => error)
    try {
      return await downloadWith(config, archives, OWN_RELEASE)
    } catch (error) {
      throw updated instanceof Error ? updated : error
    }
  }
}

/**
 * From the mirror that this Debian uses, as for a machine on which nothing is installed.
 *
 * @param {string} work
 * @param {Release} release
 * @returns {Promise<string[]>} Paths of the .deb files.
 */
async function downloadOfSuite(work, release) {
  const archives = join(work, 'archives')
  await mkdir(archives, { recursive: true })
  // A codename as in VERSION_CODENAME=bookworm; Ubuntu's packages would not go with Debian's.
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const [, codename] = /^ID=debian$/m.test(system) ? (/^VERSION_CODENAME=(\w+)$/m.exec(system) ?? []) : []
  const format = ['indextargets', '--format', '$(RELEASE) $(COMPONENT) $(REPO_URI)', 'Created-By: Packages']
  const targets = await apt(await aptConfig(work, 'system'), format)
  const [, mirror] = new RegExp(`^${codename} main (\\S+)$`, 'm').exec(targets) ?? []
  if (mirror === undefined) throw new Error(`Debian ${release.suite} can be had on a Debian only`)
  const config = await aptConfig(work, 'suite')
  await writeFile(join(work, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${release.suite} main\n`)
  await writeFile(join(work, 'status'), '')
  const places = [
    `Dir::Etc::sourcelist "${join(work, 'sources.list')}";`,
    'Dir::Etc::sourceparts "/dev/null";',
    `Dir::State::status "${join(work, 'status')}";`,
  ]
  await writeFile(config, places.join('\n'), { flag: 'a' })
  await apt(config, ['-qq', 'update'])
  return downloadWith(config, archives, release)
}

/**
 * @param {string} config
 * @param {string} archives
 * @param {Release} release
 */
async function downloadWith(config, archives, { packages }) {
  // apt itself says which packages this machine lacks. 'Inst name (version …' is a new package; 'Inst name [old] (…' would
  // be an upgrade of one that is there, and is left alone: a second libc beside the system's would not work.
  const plan = await apt(config, ['-s', '-qq', '--no-install-recommends', 'install', ...packages])
  const missing = Array.from(plan.matchAll(/^Inst (\S+) \(/gm), ([, name = '']) => name)
  const wanted = new Set([...packages, ...missing])
  await apt(config, ['-qq', 'download', ...wanted], archives)
  const files = (await readdir(archives)).filter((name) => name.endsWith('.deb'))
  for (const name of packages) {
    if (!files.some((file) => file.startsWith(`${name}_`))) throw new Error(`apt-get did not download ${name}`)
  }
  return files.map((file) => join(archives, file))
}

/**
 * Writes a configuration that is read after the system's (so proxies and mirrors stay) and keeps apt inside `work`.
 *
 * @param {string} work
 * @param {'system' | 'own' | 'suite'} kind Of the package lists: the system's, fresh ones, those of another suite.
 */
async function aptConfig(work, kind) {
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
  if (kind !== 'system') lines.push(`Dir::State::lists "${lists}/";`)
  const path = join(work, `apt-${kind}.conf`)
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

/**
 * @param {string} made
 * @param {Release} release
 */
async function writeWrappers(made, { tools, suite }) {
  const root = join(made, 'root')
  const directories = await libraryDirectories(root)
  const path = directories.map((directory) => `$root/${directory}`).join(':')
  const loader = suite === undefined ? undefined : await findLoader(root)
  await mkdir(join(made, 'bin'), { recursive: true })
  for (const tool of tools) {
    if (existsSync(join(made, 'bin', tool))) continue
    const start =
      loader === undefined
        ? [
            `LD_LIBRARY_PATH="${path}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
            'export LD_LIBRARY_PATH',
            `exec "$root/usr/bin/${tool}" "$@"`,
          ]
        : // One program goes by several names, and acts by the one that it is given.
          [`exec "$root/${loader}" --library-path "${path}" --argv0 ${tool} "$root/usr/bin/${tool}" "$@"`]
    const text = ['#!/bin/sh', `root="\${0%/*}/../root"`, ...start, ''].join('\n')
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
 * The dynamic loader of an unpacked C library, relative to `root`.
 *
 * @param {string} root
 */
async function findLoader(root) {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    // A link to it may be absolute.
    if (entry.isFile() && /^ld-linux.*\.so\.\d+$/.test(entry.name))
      return join(entry.parentPath, entry.name).slice(root.length + 1)
  }
  throw new Error('the C library has no loader')
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
