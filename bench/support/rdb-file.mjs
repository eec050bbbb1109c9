/**
 * The RDB file that is loaded: a redis-server is filled through a pipeline and writes it with SAVE, so it is what a real
 * primary writes. Kept in the cache folder by everything that decides its bytes.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { CACHE_DIRECTORY } from '../../scripts/redis-server.mjs'
import { checkContents } from './contents.mjs'
import { within } from './deadline.mjs'
import { setsInTurn } from './set-commands.mjs'

const FILL_TIMEOUT_MS = 300_000
/** The reply to the PING behind each buffer: all before it have been carried out. No other reply ends like it. */
const PONG = '+PONG\r\n'
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
export async function rdbFile({ contenders, redisVersion, log }, { name, commands, check }) {
  const directory = join(CACHE_DIRECTORY, 'bench')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${name}-${redisVersion}.rdb`)
  if (existsSync(path)) return path
  log(`filling a redis-server for the RDB file ${name}`)
  const temporary = contenders.directory()
  await contenders.with('redis', { directory: temporary, directives: ['--dbfilename', RDB_NAME] }, async (redis) => {
    // The client's own greeting may be refused: an older server does not know CLIENT SETINFO.
    const before = Number(await redis.info('total_error_replies'))
    await within(fill(redis.port, commands), FILL_TIMEOUT_MS, 'the end of the filling')
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
 * @param {number} port
 * @param {Iterable<Buffer>} commands
 */
async function fill(port, commands) {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const replies = { tail: '', isClosed: false, wake: () => {} }
  socket.on('data', (chunk) => {
    replies.tail = (replies.tail + chunk.toString('latin1', Math.max(0, chunk.length - PONG.length))).slice(
      -PONG.length,
    )
    replies.wake()
  })
  socket.on('close', () => {
    replies.isClosed = true
    replies.wake()
  })
  for (const buffer of commands) {
    replies.tail = ''
    socket.write(buffer)
    socket.write('PING\r\n')
    while (replies.tail !== PONG) {
      if (replies.isClosed) throw new Error('redis-server closed the connection while it was filled')
      await new Promise((/** @type {(value?: unknown) => void} */ resolve) => (replies.wake = () => resolve()))
    }
  }
  socket.destroy()
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
