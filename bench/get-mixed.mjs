/**
 * A mixed set of reads by redis-benchmark, one command after the other: 50 connections, pipeline 16, random keys. The last row is the whole
 * set: as many requests of each command.
 */
import { checkReplies } from './support/contents.mjs'
import { Dataset, randomNumbers, VALUE_BYTES } from './support/dataset.mjs'
import { stringsFile } from './support/rdb-file.mjs'
import { endSettings, measureRounds, rowOf, startSettings, together } from './support/read-cases.mjs'
import { digits, RANDOM } from './support/redis-benchmark.mjs'

const CONNECTIONS = 50
const PIPELINE = 16
const GOAL = 1
/** Of each collection. */
const ELEMENTS = 100
const ELEMENT_BYTES = 16
const KEYS_AT_ONCE = 200
const MGET_KEYS = 10
/** Shortest header of a reply's bulk string, and its line end. */
const BULK_FRAME_BYTES = 6
/** The element that is asked for by name. */
const NAMED = 42
/** It is in every set: redis-benchmark draws the key and the member apart, so a member with a random number in it is hardly ever there. */
const MEMBER = 'everywhere-a-one'
/** Keys whose replies are compared. */
const SAMPLES = 200

/** @param {number} key @param {number} i */
const element = (key, i) => `${String(i).padStart(4, '0')}-${digits(key)}`.slice(0, ELEMENT_BYTES)

/** What stands beside the strings, and how it is filled. @type {[command: string, prefix: string, args: (key: number) => string[]][]} */
const COLLECTIONS = [
  ['HSET', 'hash', (key) => range((i) => [`field:${i}`, element(key, i)])],
  ['ZADD', 'zset', (key) => range((i) => [String(i * 1.5), element(key, i)])],
  ['RPUSH', 'list', (key) => range((i) => [element(key, i)])],
  ['SADD', 'set', (key) => range((i) => [i === NAMED ? MEMBER : element(key, i)])],
]

/** @typedef {{ dataset: Dataset, key: number }} Asked */

/** What a read of `key` must be answered. @type {[title: string, what: string[], replyBytes: number, reply: (asked: Asked) => unknown][]} */
const READS = [
  ['GET', ['GET', `key:${RANDOM}`], VALUE_BYTES + BULK_FRAME_BYTES, ({ dataset, key }) => dataset.value(key, 0)],
  [
    'HGET',
    ['HGET', `hash:${RANDOM}`, `field:${NAMED}`],
    ELEMENT_BYTES + BULK_FRAME_BYTES,
    ({ key }) => bytes(key, NAMED),
  ],
  [
    'ZRANGE 0 9',
    ['ZRANGE', `zset:${RANDOM}`, '0', '9'],
    10 * (ELEMENT_BYTES + BULK_FRAME_BYTES),
    ({ key }) => firstTen(key),
  ],
  [
    'LRANGE 0 9',
    ['LRANGE', `list:${RANDOM}`, '0', '9'],
    10 * (ELEMENT_BYTES + BULK_FRAME_BYTES),
    ({ key }) => firstTen(key),
  ],
  ['SISMEMBER', ['SISMEMBER', `set:${RANDOM}`, MEMBER], 4, () => 1],
  [
    'MGET of 10',
    ['MGET', ...Array.from({ length: MGET_KEYS }, () => `key:${RANDOM}`)],
    MGET_KEYS * (VALUE_BYTES + BULK_FRAME_BYTES),
    ({ dataset, key }) => Array.from({ length: MGET_KEYS }, () => dataset.value(key, 0)),
  ],
]

/** @param {number} key @param {number} i */
const bytes = (key, i) => Buffer.from(element(key, i), 'latin1')
/** @param {number} key */
const firstTen = (key) => Array.from({ length: 10 }, (_, i) => bytes(key, i))

/**
 * What is asked of sampled keys, with one number for all that redis-benchmark draws, and what must be the reply.
 *
 * @param {Dataset} dataset
 * @param {number} count
 */
export function expectedReplies(dataset, count) {
  const random = randomNumbers(dataset.seed ^ count)
  const keys = Array.from({ length: SAMPLES }, () => Math.floor(random() * count))
  return keys.flatMap((key) =>
    READS.map(([, what, , reply]) => ({
      words: what.map((word) => word.replace(RANDOM, digits(key))),
      reply: reply({ dataset, key }),
    })),
  )
}

/** @param {import('./support/run.mjs').Run} run */
export async function getMixed(run) {
  const { sizes, seed } = run
  const count = sizes.getMixedKeys
  const dataset = new Dataset(seed, { keys: 'numbered' })
  const path = await stringsFile(run, dataset, count)
  const settings = await startSettings(run, path)
  const expected = expectedReplies(dataset, count)
  /** @param {import('./support/contenders.mjs').Contender} contender */
  const check = async (contender) => await checkReplies(contender, expected)
  for (const { contender } of settings) {
    await fill(contender, count)
    await check(contender)
  }
  const rows = []
  const cases = []
  for (const [title, what, replyBytes] of READS) {
    const each = {
      title: `${title}, ${CONNECTIONS} connections, pipeline ${PIPELINE}`,
      connections: CONNECTIONS,
      pipeline: PIPELINE,
      requests: sizes.getMixedRequests,
      what,
      replyBytes,
    }
    const rounds = await measureRounds(run, 'get-mixed', settings, each, count)
    rows.push(rowOf('get-mixed', each, rounds))
    cases.push(rounds)
  }
  const title = `all of these, as many of each, ${CONNECTIONS} connections, pipeline ${PIPELINE}`
  rows.push(rowOf('get-mixed', { title, goal: GOAL }, together(cases)))
  await endSettings(settings, { rows, check, comparesDigests: true })
  return rows
}

/**
 * @param {import('./support/contenders.mjs').Contender} contender
 * @param {number} count
 */
async function fill(contender, count) {
  for (const [command, prefix, argsOf] of COLLECTIONS) {
    for (let key = 0; key < count; key += KEYS_AT_ONCE) {
      const keys = Array.from({ length: Math.min(KEYS_AT_ONCE, count - key) }, (_, i) => key + i)
      await Promise.all(keys.map((each) => contender.call(command, `${prefix}:${digits(each)}`, ...argsOf(each))))
    }
  }
}

/** @param {(i: number) => string[]} one */
function range(one) {
  return Array.from({ length: ELEMENTS }, (_, i) => one(i)).flat()
}
