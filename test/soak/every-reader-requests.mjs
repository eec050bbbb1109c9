/**
 * What the connections of every-reader.soak.ts ask for, and how they judge the replies: by the same invariants as reads-checks.mjs,
 * but in the bytes that came, as they are to read much and to leave the processors to the servers.
 */
import { createHash } from 'node:crypto'
import { BLOBS } from './every-reader-shapes.mjs'
import { ACCOUNTS, BALANCE, SHAPES } from './reads-shapes.mjs'

/** @import { ReplyBytes } from './reply-bytes.mjs' */
/** @import { Shape } from './reads-shapes.mjs' */

/**
 * @typedef {object} Request
 * @property {string} kind
 * @property {string} text As RESP sends it.
 * @property {number} replies How many come.
 * @property {(replies: ReplyBytes) => string | undefined} wrong Moves behind them, and tells what is wrong if anything is.
 */
/** @typedef {(bound: number) => number} Random 0 … bound - 1 */

const COLON = 58
const LETTER_A = 97
const MEMBERS_MAX = Math.max(...SHAPES.map(({ size }) => size))

// Of one reply at a time.
const isMemberSeen = new Uint8Array(MEMBERS_MAX)
const fieldStarts = new Int32Array(2 * MEMBERS_MAX)
const fieldEnds = new Int32Array(2 * MEMBERS_MAX)

/** What is in both databases. @param {Random} random @returns {Request} */
export function shapeRequest(random) {
  const shape = SHAPES[random(SHAPES.length)]
  if (shape === undefined) throw new RangeError('no such shape')
  return requestOf(shape, random)
}

/** @param {Shape} shape @param {Random} random @returns {Request} */
function requestOf({ kind, key, size }, random) {
  switch (kind) {
    case 'accounts':
      return ask(kind, mget(key, ACCOUNTS), (replies) => wrongAccounts(replies))
    case 'hash': {
      if (random(4) === 0) return ask(kind, command('HGETALL', key), (replies) => wrongFields(replies, size))
      const some = random(size)
      if (random(2) === 0) {
        return ask(kind, command('HMGET', key, `a${some}`, `b${some}`), (replies) => {
          replies.array(2)
          return wrongPair(replies)
        })
      }
      return together(kind, [command('HGET', key, `a${some}`), command('HGET', key, `b${some}`)], wrongPair)
    }
    case 'list':
      return ask(kind, command('LRANGE', key, '0', '-1'), (replies) => wrongRotation(replies, size))
    case 'sets':
      return together(kind, [command('SMEMBERS', `${key}:x`), command('SMEMBERS', `${key}:y`)], (replies) =>
        wrongSets(replies, size),
      )
    case 'zset':
      return ask(kind, command('ZRANGE', key, '0', '-1', 'WITHSCORES'), (replies) => wrongScores(replies, size))
    case 'stream':
      return together(kind, [command('XRANGE', key, '-', '+'), command('GET', `${key}:last`)], (replies) =>
        wrongEntries(replies, size),
      )
  }
}

/** What is in database 0 only. @param {Random} random @returns {Request} */
export function otherRequest(random) {
  switch (random(3)) {
    case 0: {
      const keys = Array.from({ length: 10 }, () => `blob:${random(BLOBS)}`)
      return ask('blob', command('MGET', ...keys), (replies) => {
        replies.array(keys.length)
        return keys.map(() => wrongBlob(replies)).find((wrong) => wrong !== undefined)
      })
    }
    case 1:
      return ask('conversion', command('HGETALL', 'conversion'), wrongConversion)
    default:
      return together('fill', [command('GET', `fill:${random(1000)}`), command('DBSIZE')], (replies) => {
        replies.next()
        return replies.nextNumber() > 0 ? undefined : 'an empty database'
      })
  }
}

/** @param {number} db @returns {Request} */
export function selectRequest(db) {
  return ask('select', command('SELECT', String(db)), (replies) => {
    replies.next()
    return undefined
  })
}

/** What one connection sees of the clock never goes back. @param {{ clock: number }} seen @returns {Request} */
export function clockRequest(seen) {
  return ask('clock', GET_CLOCK, (replies) => {
    const before = seen.clock
    seen.clock = replies.nextNumber()
    return seen.clock >= before ? undefined : `went back from ${before} to ${seen.clock}`
  })
}

/** @param {string[]} args */
export function command(...args) {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}

const GET_CLOCK = command('GET', 'clock')
const MULTI = command('MULTI')
const EXEC = command('EXEC')

/** @param {string} kind @param {string} text One command. @param {Request['wrong']} wrong @returns {Request} */
function ask(kind, text, wrong) {
  return { kind, text, replies: 1, wrong }
}

/**
 * MULTI and EXEC around `commands`; `wrong` is given the replies within.
 *
 * @param {string} kind
 * @param {string[]} commands
 * @param {Request['wrong']} wrong
 * @returns {Request}
 */
function together(kind, commands, wrong) {
  return {
    kind,
    text: `${MULTI}${commands.join('')}${EXEC}`,
    replies: commands.length + 2,
    wrong(replies) {
      for (let i = 0; i <= commands.length; i++) replies.next()
      replies.array(commands.length)
      return wrong(replies)
    },
  }
}

/** @param {string} key @param {number} count */
function mget(key, count) {
  return command('MGET', ...Array.from({ length: count }, (_, i) => `${key}:${i}`))
}

/** @param {ReplyBytes} replies */
function wrongAccounts(replies) {
  replies.array(ACCOUNTS)
  let total = 0
  for (let i = 0; i < ACCOUNTS; i++) total += replies.nextNumber()
  return total === ACCOUNTS * BALANCE ? undefined : `accounts sum up to ${total}`
}

/** The next two elements. @param {ReplyBytes} replies */
function wrongPair(replies) {
  replies.next()
  const { start, end, value } = replies
  replies.next()
  return value > 0 && replies.isSame(start, end) ? undefined : `a pair is halved, ${replies.text} is the second`
}

/** @param {ReplyBytes} replies @param {number} size */
function wrongFields(replies, size) {
  replies.array(4 * size)
  fieldStarts.fill(-1, 0, 2 * size)
  for (let i = 0; i < 2 * size; i++) {
    replies.next()
    const at = 2 * replies.trailingNumber + (replies.bytes[replies.start] === LETTER_A ? 0 : 1)
    replies.next()
    fieldStarts[at] = replies.start
    fieldEnds[at] = replies.end
    // The second one of a pair is compared with the first.
    const [start = -1, end = -1] = [fieldStarts[at ^ 1], fieldEnds[at ^ 1]]
    if (start !== -1 && !replies.isSame(start, end)) return `HGETALL: pair ${at >> 1} is halved`
  }
  return fieldStarts.subarray(0, 2 * size).includes(-1) ? 'HGETALL: a field is missing' : undefined
}

/** @param {ReplyBytes} replies @param {number} size */
function wrongRotation(replies, size) {
  replies.array(size)
  for (let i = 0, before = -1; i < size; i++) {
    const element = replies.nextNumber()
    if (before !== -1 && element !== (before + 1) % size) return `behind ${before} stands ${element}`
    before = element
  }
  return undefined
}

/** @param {ReplyBytes} replies @param {number} size */
function wrongSets(replies, size) {
  isMemberSeen.fill(0, 0, size)
  let members = 0
  for (let set = 0; set < 2; set++) {
    replies.next()
    for (let i = replies.value; i > 0; i--, members++) {
      replies.next()
      isMemberSeen[replies.trailingNumber] = 1
    }
  }
  const isWhole = members === size && !isMemberSeen.subarray(0, size).includes(0)
  return isWhole ? undefined : `${members} members in two sets`
}

/** @param {ReplyBytes} replies @param {number} size */
function wrongScores(replies, size) {
  replies.array(2 * size)
  let total = 0
  for (let i = 0, before = -Infinity; i < size; i++) {
    replies.next()
    const score = replies.nextNumber()
    if (score < before) return `out of order at ${i}`
    before = score
    total += score
  }
  return total === size * BALANCE ? undefined : `scores sum up to ${total}`
}

/** Entries with one field whose value is their ID, and the ID of the last one. @param {ReplyBytes} replies @param {number} size */
function wrongEntries(replies, size) {
  replies.array(size)
  let start = 0
  let end = 0
  for (let i = 0; i < size; i++) {
    replies.array(2)
    replies.next()
    start = replies.start
    end = replies.end
    replies.array(2)
    replies.next()
    replies.next()
    if (!replies.isSame(start, end)) return `entry ${i} has ${replies.text}`
  }
  replies.next()
  return replies.isSame(start, end) ? undefined : `does not end with ${replies.text}`
}

/** 'payload:SHA1 of it', or nothing. @param {ReplyBytes} replies */
function wrongBlob(replies) {
  replies.next()
  if (replies.value === -1) return undefined
  const { bytes, start, end } = replies
  const colon = start + bytes.subarray(start, end).lastIndexOf(COLON)
  const isWhole =
    createHash('sha1').update(bytes.subarray(start, colon)).digest('hex') === bytes.toString('latin1', colon + 1, end)
  return isWhole ? undefined : `torn: ${replies.text.slice(0, 100)}`
}

/** All fields hold the same, but for 'size', which counts them. @param {ReplyBytes} replies */
function wrongConversion(replies) {
  replies.next()
  const fields = replies.value / 2
  if (fields === 0) return undefined
  let size = -1
  let start = -1
  let end = -1
  for (let i = 0; i < fields; i++) {
    replies.next()
    const isSize = replies.text === 'size'
    if (isSize) size = replies.nextNumber()
    else replies.next()
    if (isSize) continue
    if (start !== -1 && !replies.isSame(start, end)) return `fields differ: ${replies.text}`
    start = replies.start
    end = replies.end
  }
  return size === fields - 1 ? undefined : `${fields} fields, size ${size}`
}
