/**
 * Are the right data in a server? The number of keys and a seeded sample of values, against what the dataset says they
 * must be; where both sides can, also DEBUG DIGEST of everything. A benchmark of wrong contents is worth nothing, so a
 * difference ends the run.
 */
import { isDeepStrictEqual } from 'node:util'
import { randomNumbers } from './dataset.mjs'

const SAMPLES = 2000
const SHOWN_CHARACTERS = 300
const NO_DIGEST = '0'.repeat(40)

/** @typedef {import('./contenders.mjs').Contender} Contender */

/**
 * @param {Contender} contender
 * @param {object} expected
 * @param {import('./dataset.mjs').Dataset} expected.dataset
 * @param {number} expected.count
 * @param {number} [expected.round]
 * @throws when a key is missing or a value differs.
 */
export async function checkContents(contender, { dataset, count, round = 0 }) {
  const { name } = contender
  await checkKeyCount(contender, count)
  const random = randomNumbers(dataset.seed ^ count)
  const indexes = Array.from({ length: SAMPLES }, (_, i) =>
    i === 0 ? 0 : i === 1 ? count - 1 : Math.floor(random() * count),
  )
  const values = await contender.getMany(indexes.map((index) => dataset.key(index)))
  for (const [i, index] of indexes.entries()) {
    const expected = dataset.value(index, round)
    const value = values[i]
    if (value === undefined || value === null || !value.equals(expected)) {
      const shown = value === undefined || value === null ? 'is missing' : `is ${value.toString('hex')}`
      throw new Error(
        `${name}: the value of '${dataset.key(index).toString('latin1')}' ${shown}; ${expected.toString('hex')} is right`,
      )
    }
  }
}

/**
 * @param {Contender} contender
 * @param {number} count
 * @throws when there are more or fewer keys.
 */
export async function checkKeyCount(contender, count) {
  const size = Number(await contender.call('DBSIZE'))
  if (size !== count) throw new Error(`${contender.name} holds ${size} keys; there should be ${count}`)
}

/**
 * @param {Contender} contender
 * @param {readonly { words: readonly string[], reply: unknown }[]} expected Strings as Buffers.
 * @throws when a reply is another one.
 */
export async function checkReplies(contender, expected) {
  const replies = await Promise.all(expected.map(({ words: [name = '', ...args] }) => contender.call(name, ...args)))
  for (const [i, { words, reply }] of expected.entries()) {
    if (isDeepStrictEqual(replies[i], reply)) continue
    throw new Error(`${contender.name} answers ${words.join(' ')} with ${shown(replies[i])}; ${shown(reply)} is right`)
  }
}

/** A reply in a message, its beginning if it is long. @param {unknown} reply */
export function shown(reply) {
  const text = written(reply)
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)} …` : text
}

/** @param {unknown} reply @returns {string} */
function written(reply) {
  if (Array.isArray(reply)) return `[${reply.map(written).join(', ')}]`
  return Buffer.isBuffer(reply) ? JSON.stringify(reply.toString('latin1')) : String(reply)
}

/**
 * DEBUG DIGEST of both.
 *
 * @param {Contender} ours
 * @param {Contender} theirs
 * @returns {Promise<string>} What was found, for the report.
 * @throws when they differ.
 */
export async function compareDigests(ours, theirs) {
  const [our, their] = await Promise.all([digest(ours), digest(theirs)])
  if (our === undefined || their === undefined) return 'not available'
  if (our !== their || our === NO_DIGEST) throw new Error(`DEBUG DIGEST differs: ours ${our}, theirs ${their}`)
  return `equal (${our})`
}

/** @param {Contender} contender */
async function digest(contender) {
  try {
    return String(await contender.call('DEBUG', 'DIGEST'))
  } catch (error) {
    if (error instanceof Error && /unknown|not allowed|not available/i.test(error.message)) return undefined
    throw error
  }
}
