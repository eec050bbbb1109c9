/**
 * The RDB file that is loaded: a redis-server is filled through a pipeline and writes it with SAVE, so it is what a real
 * primary writes. Kept in the cache folder by everything that decides its bytes.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE_DIRECTORY } from '../../scripts/redis-server.mjs'
import { checkContents } from './contents.mjs'
import { fill } from './fill.mjs'
import { setsInTurn } from './set-commands.mjs'

export const RDB_NAME = 'dump.rdb'

/**
 * @typedef {object} RdbContents
 * @property {string} name Different for different contents.
 * @property {Iterable<Buffer>} commands Whole commands in each.
 * @property {(redis: import('./contenders.mjs').Contender) => Promise<void>} check Throws when they have made something else.
 */

/**
 * @param {import('./run.mjs').Run} run
 * @param {RdbContents} contents
 * @returns {Promise<string>} Path of the file: to be linked, not changed.
 */
export async function rdbFile({ contenders, redis: { product, version }, log }, { name, commands, check }) {
  const directory = join(CACHE_DIRECTORY, 'bench')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${name}-${product}-${version}.rdb`)
  if (existsSync(path)) return path
  log(`filling a redis-server for the RDB file ${name}`)
  const temporary = contenders.directory()
  await contenders.with('redis', { directory: temporary, directives: ['--dbfilename', RDB_NAME] }, async (redis) => {
    // The client's own greeting may be refused: an older server does not know CLIENT SETINFO.
    const before = Number(await redis.info('total_error_replies'))
    await fill(redis.port, commands)
    const failures = Number(await redis.info('total_error_replies')) - before
    if (failures > 0) throw new Error(`redis-server refused ${failures} commands`)
    await check(redis)
    await redis.call('SAVE')
    copyFileSync(join(temporary, RDB_NAME), `${path}.${process.pid}`)
    renameSync(`${path}.${process.pid}`, path)
  })
  log(`wrote ${path}, ${(statSync(path).size / 2 ** 20).toFixed(0)} MiB`)
  return path
}

/**
 * The file of the first `count` records of a dataset.
 *
 * @param {import('./run.mjs').Run} run
 * @param {import('./dataset.mjs').Dataset} dataset
 * @param {number} count
 */
export async function stringsFile(run, dataset, count) {
  return await rdbFile(run, {
    name: `${count}-${dataset.keys}-${dataset.seed}`,
    commands: setsInTurn(dataset, count),
    check: async (redis) => await checkContents(redis, { dataset, count }),
  })
}

/**
 * A directory for a server that shall load the file at its start.
 *
 * @param {import('./contenders.mjs').Contenders} contenders
 * @param {string} path
 */
export function directoryWith(contenders, path) {
  const directory = contenders.directory()
  linkOrCopy(path, join(directory, RDB_NAME))
  return directory
}

/**
 * Reads a file once, so that both servers find it in the system's cache.
 *
 * @param {string} path
 */
export function warm(path) {
  readFileSync(path)
}

/**
 * @param {string} from
 * @param {string} to
 */
function linkOrCopy(from, to) {
  try {
    linkSync(from, to)
  } catch {
    // Another file system.
    copyFileSync(from, to)
  }
}
