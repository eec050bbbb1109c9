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
import { buildSets } from './set-commands.mjs'

const COMMANDS_AT_ONCE = 200_000
const FILL_TIMEOUT_MS = 300_000
const OK_BYTES = '+OK\r\n'.length
export const RDB_NAME = 'dump.rdb'

/**
 * @param {object} options
 * @param {import('./contenders.mjs').Contenders} options.contenders
 * @param {import('./dataset.mjs').Dataset} options.dataset
 * @param {number} options.count
 * @param {string} options.redisVersion
 * @param {(line: string) => void} options.log
 * @returns {Promise<string>} Path of the file: to be linked, not changed.
 */
export async function rdbFile({ contenders, dataset, count, redisVersion, log }) {
  const directory = join(CACHE_DIRECTORY, 'bench')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${count}-${dataset.keys}-${dataset.seed}-${redisVersion}.rdb`)
  if (existsSync(path)) return path
  log(`filling a redis-server with ${count} strings for the RDB file`)
  const temporary = contenders.directory()
  await contenders.with('redis', { directory: temporary, directives: ['--dbfilename', RDB_NAME] }, async (redis) => {
    await within(fill(redis.port, dataset, count), FILL_TIMEOUT_MS, 'the end of the filling')
    await checkContents(redis, { dataset, count })
    await redis.call('SAVE')
    copyFileSync(join(temporary, RDB_NAME), `${path}.${process.pid}`)
    renameSync(`${path}.${process.pid}`, path)
  })
  log(`wrote ${path}, ${(statSync(path).size / 2 ** 20).toFixed(0)} MiB`)
  return path
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
 * @param {import('./dataset.mjs').Dataset} dataset
 * @param {number} count
 */
async function fill(port, dataset, count) {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const replies = { bytes: 0, failure: '', wake: () => {} }
  socket.on('data', (chunk) => {
    // Replies are '+OK' only; an error begins with '-'.
    if (chunk.includes(45)) replies.failure = `refused a SET: ${chunk.toString('latin1').slice(0, 200)}`
    replies.bytes += chunk.length
    replies.wake()
  })
  socket.on('close', () => {
    replies.failure ||= 'closed the connection'
    replies.wake()
  })
  let expectedBytes = 0
  for (let from = 0; from < count; from += COMMANDS_AT_ONCE) {
    const to = Math.min(count, from + COMMANDS_AT_ONCE)
    expectedBytes += (to - from) * OK_BYTES
    for (const buffer of buildSets(dataset, from, to, 0)) socket.write(buffer)
    while (replies.bytes < expectedBytes) {
      if (replies.failure !== '') throw new Error(`redis-server, while it was filled, ${replies.failure}`)
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
