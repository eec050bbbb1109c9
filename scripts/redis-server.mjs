/**
 * Finds redis-server, redis-cli, redis-benchmark and redis-check-rdb for the tests, the demo and the bench: from
 * REDIS_SERVER, from PATH, or else from the distribution's own packages unpacked into the project's .cache folder. It
 * starts nothing (see server-process.mjs) and changes nothing outside .cache.
 *
 * `node scripts/redis-server.mjs` prints what it finds.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LATER_RELEASES, unpackRedisPackages } from './redis-packages.mjs'

const run = promisify(execFile)

/** Our tests use directives of Redis 7 (enable-debug-command, shutdown-timeout). */
const OLDEST_VERSION = [7, 0]

const WHAT_TO_DO =
  'install it (Debian, Ubuntu: apt install redis-server; macOS: brew install redis) or set REDIS_SERVER to the path of a redis-server 7.0 or newer'

/**
 * @typedef {object} RedisBinaries
 * @property {string} server Absolute path; so are the next two.
 * @property {string} cli
 * @property {string} benchmark
 * @property {string} checkRdb redis-check-rdb.
 * @property {'Redis' | 'Valkey'} product
 * @property {string} version As in '7.0.15'.
 * @property {string} allocator As in 'jemalloc-5.3.0'.
 * @property {'REDIS_SERVER' | 'PATH' | 'packages'} source Where they were found.
 */

/**
 * Is it redis 7.0, whose replies are copied byte for byte?
 *
 * @param {Pick<RedisBinaries, 'product' | 'version'>} binaries
 */
export function isReferenceRelease({ product, version }) {
  return product === 'Redis' && version.startsWith('7.0.')
}

/** No usable redis-server. The message is one line that says what to do. */
export class RedisMissingError extends Error {
  /** @override */
  name = 'RedisMissingError'
}

/** The project's folder for things that can be fetched again. */
export const CACHE_DIRECTORY = fileURLToPath(new URL('../.cache', import.meta.url))

/**
 * Finds the binaries; safe to call from any number of processes at once.
 *
 * @param {object} [options]
 * @param {NodeJS.ProcessEnv} [options.env] REDIS_SERVER and PATH are read from it.
 * @param {string} [options.cacheDirectory]
 * @param {(message: string) => void} [options.log] Told before something slow starts.
 * @param {string | undefined} [options.release] A later one; REDIS_SERVER in `env` is it from then on, so that child processes find it, too.
 * @returns {Promise<RedisBinaries>}
 * @throws {RedisMissingError}
 */
export async function findRedis({ env = process.env, cacheDirectory = CACHE_DIRECTORY, log = () => {}, release } = {}) {
  if (release !== undefined) env['REDIS_SERVER'] = await unpackRelease(release, cacheDirectory, log)
  if (env['REDIS_SERVER']) {
    const server = resolve(env['REDIS_SERVER'])
    if (!isExecutable(server))
      throw new RedisMissingError(`REDIS_SERVER is '${server}', which is not an executable file: ${WHAT_TO_DO}`)
    return describe(server, 'REDIS_SERVER', env)
  }
  const onPath = findOnPath('redis-server', env)
  let reason = 'redis-server is not on PATH'
  if (onPath !== undefined) {
    try {
      return await describe(onPath, 'PATH', env)
    } catch (error) {
      reason = messageOf(error)
    }
  }
  try {
    const directory = await unpackRedisPackages(join(cacheDirectory, 'redis'), log)
    return await describe(join(directory, 'redis-server'), 'packages', env)
  } catch (error) {
    throw new RedisMissingError(`${reason} and no package could be unpacked (${messageOf(error)}): ${WHAT_TO_DO}`, {
      cause: error,
    })
  }
}

/** For `--release`: what may be named, as `Arguments` takes it. */
export const RELEASE_OPTION = {
  value: 'NAME',
  about: `beside a later release, which is fetched: ${Object.keys(LATER_RELEASES).join(', ')}`,
}

/**
 * @param {string} name
 * @param {string} cacheDirectory
 * @param {(message: string) => void} log
 * @returns {Promise<string>} The path of the server.
 */
async function unpackRelease(name, cacheDirectory, log) {
  const release = LATER_RELEASES[name]
  if (release === undefined) {
    throw new RedisMissingError(`no release '${name}'; there is: ${Object.keys(LATER_RELEASES).join(', ')}`)
  }
  try {
    const directory = await unpackRedisPackages(join(cacheDirectory, name), log, release)
    return join(directory, release.tools.at(-1) ?? '')
  } catch (error) {
    throw new RedisMissingError(`${name} could not be unpacked (${messageOf(error)})`, { cause: error })
  }
}

/**
 * @param {string} server
 * @param {RedisBinaries['source']} source
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<RedisBinaries>}
 */
async function describe(server, source, env) {
  let told
  try {
    // "Redis server v=7.0.15 sha=… malloc=jemalloc-5.3.0 bits=64 …", "Valkey server v=8.1.0 sha=… malloc=…"
    told = (await run(server, ['--version'])).stdout
  } catch (error) {
    throw new RedisMissingError(`'${server} --version' failed (${messageOf(error)}): ${WHAT_TO_DO}`, { cause: error })
  }
  const version = /\bv=(\d+\.\d+\.\d+)/.exec(told)?.[1]
  if (version === undefined) throw new RedisMissingError(`'${server}' does not look like a redis-server: ${WHAT_TO_DO}`)
  if (!isNewEnough(version)) throw new RedisMissingError(`'${server}' is version ${version}: ${WHAT_TO_DO}`)
  return {
    server,
    cli: findBeside(server, 'cli', env),
    benchmark: findBeside(server, 'benchmark', env),
    checkRdb: findBeside(server, 'check-rdb', env),
    product: told.startsWith('Valkey') ? 'Valkey' : 'Redis',
    version,
    allocator: /\bmalloc=(\S+)/.exec(told)?.[1] ?? 'an unknown allocator',
    source,
  }
}

/**
 * redis-server → redis-cli, valkey-server → valkey-cli; then redis-cli on PATH.
 *
 * @param {string} server
 * @param {'cli' | 'benchmark' | 'check-rdb'} tool
 * @param {NodeJS.ProcessEnv} env
 */
function findBeside(server, tool, env) {
  const ownName = basename(server).replace(/server$/, tool)
  for (const name of new Set([ownName, `redis-${tool}`])) {
    const beside = join(dirname(server), name)
    if (beside !== server && isExecutable(beside)) return beside
  }
  const onPath = findOnPath(`redis-${tool}`, env)
  if (onPath !== undefined) return onPath
  throw new RedisMissingError(`redis-${tool} is neither beside '${server}' nor on PATH: ${WHAT_TO_DO}`)
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
function findOnPath(name, env) {
  for (const directory of (env['PATH'] ?? '').split(delimiter)) {
    if (directory !== '' && isExecutable(join(directory, name))) return resolve(directory, name)
  }
  return undefined
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** @param {string} version */
function isNewEnough(version) {
  const parts = version.split('.').map(Number)
  for (const [index, oldest] of OLDEST_VERSION.entries()) {
    const part = parts[index] ?? 0
    if (part !== oldest) return part > oldest
  }
  return true
}

/**
 * The first line of a message, so that what we print stays one line.
 *
 * @param {unknown} error
 */
function messageOf(error) {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]?.trim() ?? ''
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(JSON.stringify(await findRedis({ log: (message) => console.error(message) }), undefined, 2))
  } catch (error) {
    if (!(error instanceof RedisMissingError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
