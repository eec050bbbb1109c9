/**
 * Compares the two servers when no more writes come: offsets, keys per database, DEBUG DIGEST (which covers keys, values
 * and whether there is a TTL), and type, TTL and digest of sampled keys, so that a difference can be named.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { info } from './figures.mjs'

/** @typedef {import('ioredis').Redis} Redis */

const SAMPLES = 2000
const SAMPLES_PER_CALL = 200
/** Of a key that is compared. */
const SAMPLED_TTL_MS_MIN = 60_000
const NAMED_KEYS = [
  'big:string',
  'big:list',
  'big:hash',
  'big:set',
  'big:zset',
  'clock',
  'visitors:today',
  'visitors:unique',
]
const CATCH_UP_MS_MAX = 15_000
const DIFFERENCES_SHOWN_MAX = 10

/**
 * @typedef {object} Verification
 * @property {string[]} differences Empty: the same.
 * @property {number} offset
 * @property {number} keys
 * @property {number} sampled
 * @property {string} digest
 */

/**
 * @param {Redis} primary A connection with database 0 selected, as is the next.
 * @param {Redis} replica
 * @returns {Promise<Verification>}
 */
export async function verify(primary, replica) {
  // Otherwise the primary goes on expiring keys, and what was equal is not for a moment.
  await primary.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
  const deadline = performance.now() + CATCH_UP_MS_MAX
  for (;;) {
    const offset = await sameOffset(primary, replica, deadline)
    if (offset === undefined) {
      const differences = ['the offsets did not become equal']
      return { differences, offset: 0, keys: 0, sampled: 0, digest: '' }
    }
    const verification = await compare(primary, replica, offset)
    // A PING of the primary in between changes no data, but nothing else may have come either.
    if (verification.differences.length === 0 || performance.now() > deadline) return verification
    if ((await sameOffset(primary, replica, deadline)) === offset) return verification
  }
}

/**
 * @param {Redis} primary
 * @param {Redis} replica
 * @param {number} deadline
 * @returns {Promise<number | undefined>}
 */
async function sameOffset(primary, replica, deadline) {
  while (performance.now() < deadline) {
    const offset = Number((await info(primary))['master_repl_offset'])
    if (Number((await info(replica))['slave_repl_offset']) === offset) return offset
    await sleep(20)
  }
  return undefined
}

/**
 * @param {Redis} primary
 * @param {Redis} replica
 * @param {number} offset
 * @returns {Promise<Verification>}
 */
async function compare(primary, replica, offset) {
  const differences = []
  const [theirs, ours] = await Promise.all([info(primary), info(replica)])
  let keys = 0
  for (let db = 0; db < 16; db++) {
    const [their = '0', our = '0'] = [theirs, ours].map(
      (fields) => /keys=(\d+),expires=\d+/.exec(fields[`db${db}`] ?? '')?.[0],
    )
    if (their !== our) differences.push(`database ${db}: the primary has ${their}, Understudy ${our}`)
    keys += Number(/\d+/.exec(our)?.[0])
  }
  const [theirDigest, ourDigest] = await Promise.all(
    [primary, replica].map(async (client) => String(await client.call('DEBUG', 'DIGEST'))),
  )
  if (theirDigest !== ourDigest)
    differences.push(`DEBUG DIGEST: the primary says ${theirDigest}, Understudy ${ourDigest}`)
  const names = await sampleKeys(primary)
  for (let from = 0; from < names.length; from += SAMPLES_PER_CALL) {
    const some = names.slice(from, from + SAMPLES_PER_CALL)
    const [their = [], our = []] = await Promise.all([primary, replica].map((client) => describe(client, some)))
    for (const [index, name] of some.entries()) {
      if (their[index] !== our[index])
        differences.push(`${name}: the primary has ${their[index]}, Understudy ${our[index]}`)
    }
  }
  const shown = differences.slice(0, DIFFERENCES_SHOWN_MAX)
  if (differences.length > shown.length) shown.push(`and ${differences.length - shown.length} more`)
  return { differences: shown, offset, keys, sampled: names.length, digest: ourDigest ?? '' }
}

/**
 * Random keys, and those that hold something big. Not those that are about to expire: looking at an expired key makes the
 * primary delete it, and the DEL is still on its way when the other side is asked.
 *
 * @param {Redis} client
 */
async function sampleKeys(client) {
  const names = new Set(NAMED_KEYS)
  const random = client.pipeline()
  for (let i = 0; i < SAMPLES; i++) random.randomkey()
  for (const name of await resultsOf(random)) if (typeof name === 'string') names.add(name)
  const all = [...names]
  const ttls = client.pipeline()
  for (const name of all) ttls.pttl(name)
  const left = await resultsOf(ttls)
  return all.filter((_, i) => Number(left[i]) < 0 || Number(left[i]) > SAMPLED_TTL_MS_MIN)
}

/**
 * @param {ReturnType<Redis['pipeline']>} pipeline
 * @returns {Promise<unknown[]>}
 * @throws the first error that was answered.
 */
async function resultsOf(pipeline) {
  return ((await pipeline.exec()) ?? []).map(([error, result]) => {
    if (error) throw error
    return result
  })
}

/**
 * Type, expiry time and digest of the value of each key, as a text.
 *
 * @param {Redis} client
 * @param {string[]} names
 */
async function describe(client, names) {
  const pipeline = client.pipeline()
  for (const name of names) pipeline.type(name).call('PEXPIRETIME', name)
  pipeline.call('DEBUG', 'DIGEST-VALUE', ...names)
  const results = await resultsOf(pipeline)
  const digests = /** @type {unknown[]} */ (results.at(-1))
  return names.map(
    (_, i) => `${String(results[i * 2])} expiring ${String(results[i * 2 + 1])} with digest ${String(digests[i])}`,
  )
}
