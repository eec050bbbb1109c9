/**
 * Every reply is compared byte for byte. This file lists all that is not, each with its reason; nothing else excuses a
 * difference.
 *
 *   comparisons   replies that may differ, and what must hold of them all the same
 *   translations  commands whose outcome is random or the moment's: the second server is made to do what the first did
 *   preceding     what is put before a command to know what may be drawn, or to make its reply certain
 *   following     what is put behind a command that leaves something uncertain, to have the same on both sides again
 *   isExcusedFact what may differ in the facts about a key that are compared after each batch
 *   isOfOneRelease what is not tried on releases other than the one whose replies are copied
 *   UNTESTED      rows of the command table that no grammar makes
 */
import type { Word } from './draw.ts'
import { integerOf, isError, membersOf, stringOf } from './replies.ts'

export interface Compared {
  readonly words: readonly Word[]
  readonly expected: Buffer
  readonly actual: Buffer
  /** The reply before, equal on both sides as far as its own comparison asks. */
  readonly before: Buffer | undefined
}

type Comparison = (compared: Compared) => boolean

interface Exception {
  readonly commands: readonly string[]
  readonly when?: (words: readonly Word[]) => boolean
  readonly reason: string
  readonly isEqual: Comparison
}

/** Between the moments at which the two servers run a command. */
const LATER_MS = 60_000
const TIME_LABELS = new Set(['idle', 'inactive', 'seen-time', 'active-time'])
const GEO_RADIUS = ['GEORADIUS', 'GEORADIUS_RO', 'GEORADIUSBYMEMBER', 'GEORADIUSBYMEMBER_RO', 'GEOSEARCH']

const EXCEPTIONS: readonly Exception[] = [
  {
    commands: ['KEYS', 'SMEMBERS', 'SUNION', 'SINTER', 'SDIFF', 'HKEYS', 'HVALS'],
    reason: 'the order is that of a hash table, which is seeded by chance',
    isEqual: sameMembers(1),
  },
  {
    commands: ['HGETALL'],
    reason: 'the order is that of a hash table, which is seeded by chance',
    isEqual: sameMembers(2),
  },
  {
    commands: ['SORT', 'SORT_RO'],
    when: (words) => has(words, 'BY'),
    reason:
      'BY a constant leaves a set in the order of its hash table; BY with ALPHA leaves elements of equal weight in the order in which a quicksort had them',
    isEqual: (compared) =>
      has(compared.words, 'LIMIT') || has(compared.words, 'GET') ? sameCount(compared) : sameMembers(1)(compared),
  },
  {
    commands: ['SORT', 'SORT_RO'],
    when: (words) => has(words, 'ALPHA') && !has(words, 'BY'),
    reason:
      'ALPHA compares up to a zero byte, and members of a set that are equal so far come in the order of its hash table',
    isEqual: (compared) =>
      sameUpToZero(compared) &&
      (has(compared.words, 'LIMIT') || has(compared.words, 'GET') || sameMembers(1)(compared)),
  },
  {
    commands: ['EXPIRE', 'PEXPIRE', 'EXPIREAT', 'PEXPIREAT'],
    when: (words) => ['GT', 'LT'].some((option) => has(words, option)) && Number(words[2]) > 2 ** 43,
    reason: 'times beyond 2^53 ms are kept rounded, so that two of them may be equal here',
    isEqual: ({ expected, actual }) => [expected, actual].every((reply) => [0, 1].includes(integerOf(reply) ?? -1)),
  },
  {
    commands: ['SRANDMEMBER', 'HRANDFIELD', 'ZRANDMEMBER', 'RANDOMKEY'],
    reason: 'drawn at random',
    isEqual: sameDraw,
  },
  {
    commands: ['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME'],
    reason: 'relative times to live were counted from two moments; times beyond 2^53 ms are kept rounded',
    isEqual: ({ expected, actual }) => near(expected, actual, LATER_MS),
  },
  {
    commands: ['OBJECT IDLETIME'],
    reason:
      'counted from the last access in steps of ten seconds, up to 182 hours; a small integer is one shared object in Redis, with one time for all keys',
    isEqual: ({ expected, actual }) =>
      integerOf(actual)! >= 0 && (integerOf(actual)! <= integerOf(expected)! + 60 || integerOf(expected)! > 600_000),
  },
  {
    commands: ['OBJECT REFCOUNT'],
    reason: 'Redis shares small integers in some places and copies them in others, and counts what MULTI has queued',
    isEqual: ({ expected, actual }) => integerOf(expected)! > 0 && integerOf(actual)! > 0,
  },
  {
    commands: ['MEMORY USAGE'],
    reason: 'the memory is laid out differently',
    isEqual: ({ expected, actual }) => integerOf(expected)! > 0 && integerOf(actual)! > 0,
  },
  {
    commands: ['DBSIZE'],
    reason:
      'Redis removes an expired key when it is read; here it is hidden until it is written, and counted until then',
    isEqual: ({ expected, actual }) => near(expected, actual, 100),
  },
  {
    commands: ['XPENDING', 'XINFO STREAM', 'XINFO CONSUMERS', 'XINFO GROUPS'],
    reason: 'idle times and times of delivery are of two moments; the radix tree behind a stream is a detail of Redis',
    isEqual: ({ words, expected, actual }) => sameButTimes(expected, actual, rowOf(words) === 'XPENDING'),
  },
  {
    commands: GEO_RADIUS,
    reason: 'matches that are equally far, or not sorted at all, come in the order in which areas were searched',
    isEqual: (compared) => (has(compared.words, 'ANY') ? sameCount(compared) : sameMembers(1)(compared)),
  },
]

const EXCEPTIONS_BY_ROW = new Map<string, Exception[]>()
for (const exception of EXCEPTIONS) {
  for (const command of exception.commands) {
    const list = EXCEPTIONS_BY_ROW.get(command)
    if (list === undefined) EXCEPTIONS_BY_ROW.set(command, [exception])
    else list.push(exception)
  }
}

/** Is a reply that differs excused? */
export function isExcused(compared: Compared): boolean {
  if (compared.expected.length === 0 || compared.actual.length === 0) return false
  if (isError(compared.expected) || isError(compared.actual)) return false
  return (EXCEPTIONS_BY_ROW.get(rowOf(compared.words)) ?? []).some(
    ({ when, isEqual }) => (when === undefined || when(compared.words)) && isEqual(compared),
  )
}

/** Encodings of later releases, and what is told here instead, as redis 7.0 would. */
const LATER_ENCODINGS: Readonly<Record<string, readonly string[]>> = {
  '+list\r\n $8\r\nlistpack\r\n': ['$9\r\nquicklist\r\n'],
  '+set\r\n $8\r\nlistpack\r\n': ['$9\r\nhashtable\r\n'],
  // Made by a command with more members than an intset may have, though most of them are the same.
  '+set\r\n $9\r\nhashtable\r\n': ['$6\r\nintset\r\n'],
  // Made by a command with more pairs than a listpack may have, though fields repeat.
  '+hash\r\n $9\r\nhashtable\r\n': ['$8\r\nlistpack\r\n'],
  // A hash keeps it when its last field with a time to live has lost that; times to live are compared by themselves.
  '+hash\r\n $10\r\nlistpackex\r\n': ['$8\r\nlistpack\r\n'],
  // Valkey counts the key and the time to live as well.
  '+string\r\n $3\r\nraw\r\n': ['$6\r\nembstr\r\n'],
  '+string\r\n $6\r\nembstr\r\n': ['$3\r\nraw\r\n'],
}

/**
 * Where later releases do as neither redis 7.0 nor each other, and nobody needs it: left out when the reference is one of them. Commands
 * of a group go with it.
 */
export function isOfOneRelease(words: readonly Word[]): boolean {
  const row = rowOf(words)
  // Whether a score loses its sign depends on whether it has been in a listpack on the way.
  if (words.some((word) => /^-0(\.0*)?$/.test(word.toString()))) return true
  // An offset below zero is one from the other end where the elements are in a skiplist, and none that there is in a listpack.
  if (row === 'ZRANGESTORE') {
    return words.some((word, i) => String(words[i - 1]).toUpperCase() === 'LIMIT' && word.toString().startsWith('-'))
  }
  // Beyond the end of time: refused, deleted, kept; Valkey 8.1 crashes.
  return row.startsWith('RESTORE') && Number(words[2]) > Number.MAX_SAFE_INTEGER
}

/** How the second server comes to hold what the first does: by the same commands, or as a replica, of a later release maybe. */
export type Relation = 'same commands' | 'replica' | 'replica of a later release'

/** @param type the reply to TYPE */
export function isExcusedFact(
  fact: string,
  type: Buffer,
  expected: Buffer,
  actual: Buffer,
  relation: Relation,
): boolean {
  if (expected.equals(actual)) return true
  if (fact === 'OBJECT ENCODING' && relation === 'replica of a later release') {
    return LATER_ENCODINGS[`${type.toString()} ${expected.toString()}`]?.includes(actual.toString()) === true
  }
  // A relative time to live is counted from two moments; beyond 2^53 ms it is kept rounded.
  return fact === 'PEXPIRETIME' && near(expected, actual, relation === 'same commands' ? LATER_MS : 0)
}

/** What the second server gets for a command of the first, and how to see from its replies what the command's own was. */
export interface Translation {
  readonly commands: readonly (readonly Word[])[]
  /** Undefined when it is right; else what is compared. */
  judge(replies: readonly Buffer[]): { expected: Buffer; actual: Buffer; excused: boolean }
}

const COPY = 'fuzz:copy'

/** @param reply Of the first server. */
export function translate(words: readonly Word[], reply: Buffer): Translation | undefined {
  if (isError(reply)) return undefined
  const row = rowOf(words)
  if (row === 'SPOP') return translatePop(words, reply)
  if (row === 'XADD') return translateAdd(words, reply)
  return undefined
}

/** Members are drawn at random: a copy is drawn from, and the members that the first server drew are removed. */
function translatePop(words: readonly Word[], reply: Buffer): Translation | undefined {
  const popped = (membersOf(reply) ?? [reply]).map(stringOf).filter((member) => member !== undefined)
  if (popped.length === 0) return undefined
  const key = words[1]!
  return {
    commands: [
      ['SMEMBERS', key],
      ['COPY', key, COPY, 'REPLACE'],
      ['SPOP', COPY, ...words.slice(2)],
      ['SCARD', COPY],
      ['DEL', COPY],
      ['SREM', key, ...popped],
    ],
    judge([before, , actual, left, , removed]) {
      const excused =
        sameDraw({ words, expected: reply, actual: actual!, before }) &&
        integerOf(removed!) === popped.length &&
        integerOf(left!) === membersOf(before!)!.length - popped.length
      return { expected: reply, actual: actual!, excused }
    },
  }
}

/** `*` is the time: the second server gets the id that the first one made, and makes one of its own in a copy. */
function translateAdd(words: readonly Word[], reply: Buffer): Translation | undefined {
  let at = 2
  for (; at < words.length; at++) {
    const word = words[at]!.toString().toUpperCase()
    if (word === 'LIMIT') at++
    else if (word === 'MAXLEN' || word === 'MINID') at += ['=', '~'].includes(words[at + 1]?.toString() ?? '') ? 2 : 1
    else if (word !== 'NOMKSTREAM') break
  }
  const id = stringOf(reply)
  if (words[at]?.toString() !== '*' || id === undefined) return undefined
  const [key] = words.slice(1)
  return {
    commands: [
      ['COPY', key!, COPY, 'REPLACE'],
      [words[0]!, COPY, ...words.slice(2)],
      ['DEL', COPY],
      words.map((word, i) => (i === at ? id : word)),
    ],
    judge([, own, , actual]) {
      const [ms, sequence] = String(stringOf(own!) ?? '').split('-')
      const fits = own![0] !== 0x2d ? sequence !== undefined && Number(ms) > 0 : has(words, 'NOMKSTREAM')
      return { expected: reply, actual: fits ? actual! : own!, excused: false }
    },
  }
}

/** What shows what a random draw draws from, or makes a reply certain. */
export function preceding(words: readonly Word[]): readonly Word[] | undefined {
  const key = words[1]
  switch (rowOf(words)) {
    case 'SORT':
    case 'SORT_RO':
      // Redis takes an ERANGE for its own that a number in an earlier command has left behind; this one clears it.
      return ['INCRBYFLOAT', 'fuzz:errno', 'x']
    case 'MEMORY USAGE':
      // It shows an expired key that nobody has met; which those are differs (see DBSIZE).
      return words[2] === undefined ? undefined : ['EXISTS', words[2]]
    case 'RANDOMKEY':
      return ['KEYS', '*']
    case 'SRANDMEMBER':
      return key === undefined ? undefined : ['SMEMBERS', key]
    case 'HRANDFIELD':
      return key === undefined ? undefined : ['HGETALL', key]
    case 'ZRANDMEMBER':
      return key === undefined ? undefined : ['ZRANGE', key, '0', '-1', 'WITHSCORES']
    default:
      return undefined
  }
}

/** What is put behind a command that leaves something which is not the same on both sides. */
export function following(words: readonly Word[]): readonly (readonly Word[])[] {
  const row = rowOf(words)
  const key = words[1]
  // SPOP with a count may build the set anew from what is left, with an encoding that depends on what it drew: the set is
  // made anew on both sides.
  if (row === 'SPOP' && words.length > 2) return [['SUNIONSTORE', key!, key!]]
  // Distances come of sin(), cos() and asin(), whose last bit is not the same in V8 and in glibc: what STOREDIST stored is
  // compared by name and order, and removed.
  if (row.startsWith('GEO') && has(words, 'STOREDIST')) {
    const targets =
      row === 'GEOSEARCHSTORE'
        ? [key!]
        : words.filter((_, i) => ['STORE', 'STOREDIST'].includes(String(words[i - 1] ?? '').toUpperCase()))
    return targets.flatMap((target) => [
      ['ZRANGE', target, '0', '-1'],
      ['DEL', target],
    ])
  }
  return []
}

/** Commands that are walked to their end on both sides when they begin at cursor 0: where a cursor stands is no one's business. */
export function isIteration(words: readonly Word[]): boolean {
  const row = rowOf(words)
  const cursor = row === 'SCAN' ? words[1] : ['SSCAN', 'HSCAN', 'ZSCAN'].includes(row) ? words[2] : undefined
  // The empty string is 0, too, and C's strings end at a NUL.
  return cursor !== undefined && ['', '0'].includes(cursor.toString('latin1').split('\0')[0]!)
}

/** DUMP's bytes depend on how memory is laid out: each server must take the other's. */
export function isDump(words: readonly Word[]): boolean {
  return words.length === 2 && rowOf(words) === 'DUMP'
}

/** Rows of the command table that no grammar makes. */
export const UNTESTED: Readonly<Record<string, string>> = {
  PFSELFTEST: 'changes nothing and takes a second in Redis',
  'MEMORY DOCTOR': 'prose about the process',
  'MEMORY MALLOC-STATS': 'prose about the allocator',
  'MEMORY PURGE': 'an order to the allocator',
  'MEMORY STATS': 'figures about the process',
  'MEMORY HELP': 'lists subcommands of its own',
  'FUNCTION LOAD': 'libraries are not data: test/core/commands/function.test.ts',
  'FUNCTION DELETE': 'as FUNCTION LOAD',
  'FUNCTION DUMP': 'as FUNCTION LOAD',
  'FUNCTION RESTORE': 'as FUNCTION LOAD',
  'FUNCTION KILL': 'as FUNCTION LOAD',
  'FUNCTION FLUSH': 'as FUNCTION LOAD',
  'FUNCTION LIST': 'as FUNCTION LOAD',
  'FUNCTION STATS': 'as FUNCTION LOAD',
  'FUNCTION HELP': 'as FUNCTION LOAD',
}

const CONTAINERS = new Set(['OBJECT', 'MEMORY', 'XGROUP', 'XINFO', 'FUNCTION'])

/** Name of a command's row: 'GET', 'OBJECT ENCODING'. */
export function rowOf(words: readonly Word[]): string {
  const name = String(words[0]).toUpperCase()
  return CONTAINERS.has(name) ? `${name} ${String(words[1] ?? '').toUpperCase()}` : name
}

function has(words: readonly Word[], keyword: string): boolean {
  return words.some((word, i) => i > 0 && word.length === keyword.length && word.toString().toUpperCase() === keyword)
}

/** Equal, member by member, up to the first zero byte of each. */
function sameUpToZero({ expected, actual }: Compared): boolean {
  const texts = (reply: Buffer): string[] | undefined =>
    membersOf(reply)?.map((member) => String(stringOf(member)?.toString('latin1')).split('\0')[0]!)
  const left = texts(expected)
  const right = texts(actual)
  return left !== undefined && left.length === right?.length && left.every((text, i) => text === right[i])
}

function near(expected: Buffer, actual: Buffer, within: number): boolean {
  const left = integerOf(expected)
  const right = integerOf(actual)
  if (left === undefined || right === undefined) return false
  if (left < 0 || right < 0) return left === right
  return Math.abs(left - right) <= Math.max(within, left * 2 ** -50)
}

function sameCount({ expected, actual }: Compared): boolean {
  return membersOf(expected) !== undefined && membersOf(expected)?.length === membersOf(actual)?.length
}

/** Equal as multisets of groups of `size`. */
function sameMembers(size: number): Comparison {
  return ({ expected, actual }) => {
    const left = membersOf(expected)
    const right = membersOf(actual)
    if (left === undefined || right === undefined || expected[0] !== actual[0] || left.length !== right.length)
      return false
    const leftGroups = groups(left, size).toSorted()
    const rightGroups = groups(right, size).toSorted()
    return leftGroups.every((group, i) => group === rightGroups[i])
  }
}

function groups(members: readonly Buffer[], size: number): string[] {
  const out: string[] = []
  for (let i = 0; i < members.length; i += size) {
    out.push(
      members
        .slice(i, i + size)
        .map((member) => member.toString('latin1'))
        .join(''),
    )
  }
  return out
}

/** As many as expected, from what there is, each once unless a negative count allows more. */
function sameDraw({ words, expected, actual, before }: Compared): boolean {
  const source = before === undefined ? undefined : membersOf(before)
  if (source === undefined) return false
  const drawn = membersOf(actual)
  const isPaired = ['HRANDFIELD', 'ZRANDMEMBER'].includes(rowOf(words))
  const sourcePairs = isPaired ? pairsOf(source.flatMap((member) => membersOf(member) ?? [member])) : []
  const names = isPaired ? sourcePairs.map(([name]) => name!) : source
  const there = new Set(names.map((member) => member.toString('latin1')))
  if (drawn === undefined) return membersOf(expected) === undefined && there.has(actual.toString('latin1'))
  const wanted = membersOf(expected)
  if (wanted === undefined || wanted.length !== drawn.length || expected[0] !== actual[0]) return false
  const withValues = isPaired && words.length > 3
  let units: Buffer[][]
  if (!withValues) units = drawn.map((member) => [member])
  else if (drawn.every((member) => membersOf(member) !== undefined)) units = drawn.map((member) => membersOf(member)!)
  else units = pairsOf(drawn)
  const pairs = new Set(sourcePairs.map(joined))
  const fits = units.every((unit) => (withValues ? pairs.has(joined(unit)) : there.has(joined(unit))))
  const mayRepeat = Number(words[2]) < 0
  return fits && (mayRepeat || new Set(units.map(joined)).size === units.length)
}

function pairsOf(members: readonly Buffer[]): Buffer[][] {
  const out: Buffer[][] = []
  for (let i = 0; i < members.length; i += 2) out.push(members.slice(i, i + 2))
  return out
}

function joined(parts: readonly Buffer[]): string {
  return parts.map((one) => one.toString('latin1')).join('')
}

/** Equal but for times: behind a label that names one, of today, or the third of an entry that XPENDING lists. */
function sameButTimes(expected: Buffer, actual: Buffer, isPending: boolean): boolean {
  if (expected.equals(actual)) return true
  const left = membersOf(expected)
  const right = membersOf(actual)
  if (left === undefined || right === undefined || left.length !== right.length || expected[0] !== actual[0])
    return false
  return left.every((member, i) => {
    const other = right[i]!
    if (member.equals(other)) return true
    const label = i > 0 ? String(stringOf(left[i - 1]!) ?? '') : ''
    if (label.startsWith('radix-tree-')) return integerOf(member) !== undefined && integerOf(other) !== undefined
    const a = integerOf(member)
    const b = integerOf(other)
    if (a === undefined || b === undefined) return sameButTimes(member, other, isPending)
    if (Math.abs(a - b) > LATER_MS) return false
    return TIME_LABELS.has(label) || a > 1e12 || (isPending && i === 2 && left.length === 4)
  })
}
