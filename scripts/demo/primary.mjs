/** Chooses who plays the primary in the demo: a redis-server if there is one to be had, a second Understudy otherwise. */
import { RedisMissingError } from '../redis-server.mjs'

/** @typedef {import('../redis-server.mjs').RedisBinaries} RedisBinaries */

/** As `--primary` names them. @type {readonly string[]} */
export const PRIMARIES = ['auto', 'redis', 'understudy']

/**
 * @param {string} wanted One of PRIMARIES.
 * @param {() => Promise<RedisBinaries>} find findRedis.
 * @returns {Promise<{ redis: RedisBinaries } | { redis: undefined, because: string }>} `because`: why it is none, for one line.
 * @throws {RedisMissingError} when nothing but a redis-server is wanted.
 */
export async function choosePrimary(wanted, find) {
  if (wanted === 'understudy') return { redis: undefined, because: 'as --primary says' }
  try {
    return { redis: await find() }
  } catch (error) {
    if (wanted === 'redis' || !(error instanceof RedisMissingError)) throw error
    return { redis: undefined, because: `as there is no redis-server: ${error.message}` }
  }
}
