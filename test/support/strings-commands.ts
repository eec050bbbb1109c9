/**
 * Random commands of the string, bitmap and HyperLogLog families for differential tests: few keys, so that they meet each
 * other, and many arguments that are wrong or at an edge.
 */
import type { SeededRandom } from './seeded-random.ts'

export type Command = readonly (string | Buffer)[]

/** One key is long enough to be kept apart from its record. */
const LONG_KEY = `long:${'k'.repeat(9000)}`
export const DIFFERENTIAL_KEYS: readonly string[] = ['a', 'b', 'c', 'n', 'f', 'h', 'h2', 'h3', 'list', LONG_KEY]
/** Holds a list at the beginning of each round. */
export const LIST_KEY = 'list'
/** Longest string a client may make in these tests (proto-max-bulk-len has this as its least value). */
export const DIFFERENTIAL_STRING_BYTES_MAX = 1024 * 1024

const NUMBERS: readonly string[] = [
  '0',
  '1',
  '-1',
  '2',
  '7',
  '8',
  '9',
  '-8',
  '10',
  '63',
  '64',
  '99',
  '100',
  '1000',
  '2147483647',
  '2147483648',
  '-2147483649',
  '4294967296',
  '999999999',
  '1000000000',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '-9007199254740993',
  '9223372036854775806',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775807',
  '-9223372036854775808',
  '-9223372036854775809',
  '18446744073709551616',
]
const BAD_NUMBERS: readonly string[] = ['', '+1', '01', '-0', ' 1', '1 ', '1.0', 'x', '0x10', '1e3', '--1', '-']
const FLOATS: readonly string[] = [
  '0',
  '-0',
  '1.5',
  '.5',
  '5.',
  '-.25e1',
  '3.0e3',
  '1e-17',
  '1e-18',
  '4.9e-18',
  '5e-18',
  '1e17',
  '1e308',
  '1e4000',
  '9e4931',
  '1.2e4932',
  '1e-4950',
  '1e-4951',
  '3.6e-4951',
  '1e-5000',
  '1e9999999999',
  'inf',
  '-Infinity',
  'nan',
  '0x1p3',
  '0x.8p-1',
  '0x1',
  '0x',
  '1e',
  '1e+',
  '1d',
  ' 1',
  '1 ',
  '+7',
  '00012.50',
  '0.1',
  '0.2',
  '3.14159265358979323846264338327950288',
  '18446744073709551615',
  '18446744073709551616.5',
  '9223372036854775807',
]

/** A random command of any of the families. */
export function randomCommand(random: SeededRandom): Command {
  const kind = random.float()
  if (kind < 0.42) return stringCommand(random)
  if (kind < 0.58) return numberCommand(random)
  if (kind < 0.82) return bitCommand(random)
  return hyperloglogCommand(random)
}

/** A key; mostly the short ones. */
function key(random: SeededRandom): string {
  return random.chance(0.02) ? LONG_KEY : random.pick(DIFFERENTIAL_KEYS.slice(0, -1))
}

function integer(random: SeededRandom): string {
  if (random.chance(0.04)) return random.pick(BAD_NUMBERS)
  if (random.chance(0.3)) return random.pick(NUMBERS)
  return String(random.int(-20, 60))
}

/** A value: mostly short, sometimes a number, now and then longer than a block. */
function value(random: SeededRandom): string | Buffer {
  const kind = random.float()
  if (kind < 0.2) return integer(random)
  if (kind < 0.25) return random.pick(FLOATS)
  if (kind < 0.35) return random.bytes(random.int(0, 12))
  if (kind < 0.4) return random.text(random.int(30, 60))
  if (kind < 0.42) return ''
  if (kind < 0.43) return Buffer.alloc(random.int(15_000, 70_000), random.pick([0, 0xff, 0x61]))
  if (kind < 0.433) return random.bytes(random.int(15_000, 40_000))
  return random.text(random.int(0, 20), 'abcd')
}

/** Times far away from now on either side, so that the moment of execution does not matter. */
function expiry(random: SeededRandom): string[] {
  const option = random.pick(['EX', 'PX', 'EXAT', 'PXAT', 'ex', 'pxat'])
  if (random.chance(0.1)) return [option, longEnough(integer(random))]
  if (random.chance(0.05)) return [option]
  const seconds = random.int(2_000_000_000, 9_000_000_000)
  switch (option.toUpperCase()) {
    case 'EX':
      return [option, String(random.int(100_000, 200_000))]
    case 'PX':
      return [option, String(random.int(100_000_000, 200_000_000))]
    case 'EXAT':
      return [option, String(random.chance(0.1) ? random.int(1, 1_000_000) : seconds)]
    default:
      return [option, String(random.chance(0.1) ? random.int(1, 1_000_000_000) : seconds * 1000)]
  }
}

function stringCommand(random: SeededRandom): Command {
  switch (random.int(0, 20)) {
    case 0:
    case 1:
      return ['SET', key(random), value(random)]
    case 2:
    case 3: {
      const options: string[] = []
      for (let i = random.int(1, 3); i > 0; i--) {
        if (random.chance(0.3)) options.push(...expiry(random))
        else options.push(random.pick(['NX', 'XX', 'GET', 'KEEPTTL', 'get', 'nx', 'xX', 'keepttl', 'PERSIST', 'NOT']))
      }
      return ['SET', key(random), value(random), ...options]
    }
    case 4:
      return ['GET', key(random)]
    case 5:
      return ['SETNX', key(random), value(random)]
    case 6: {
      const seconds = random.chance(0.3) ? integer(random) : String(random.int(100_000, 200_000))
      return ['SETEX', key(random), longEnough(seconds), value(random)]
    }
    case 7: {
      const milliseconds = random.chance(0.3) ? integer(random) : String(random.int(100_000_000, 200_000_000))
      return ['PSETEX', key(random), longEnough(milliseconds), value(random)]
    }
    case 8:
      return ['GETSET', key(random), value(random)]
    case 9:
      return ['GETDEL', key(random)]
    case 10: {
      if (random.chance(0.2)) return ['GETEX', key(random)]
      const more = random.chance(0.1) ? expiry(random) : []
      const option = random.chance(0.7) ? expiry(random) : [random.pick(['PERSIST', 'persist', 'KEEPTTL', 'NX'])]
      return ['GETEX', key(random), ...option, ...more]
    }
    case 11:
      return ['MGET', ...many(random, () => [key(random)])]
    case 12:
      return ['MSET', ...many(random, () => (random.chance(0.05) ? [key(random)] : [key(random), value(random)]))]
    case 13:
      return ['MSETNX', ...many(random, () => [key(random), value(random)])]
    case 14:
    case 15:
      return ['APPEND', key(random), value(random)]
    case 16:
      return ['STRLEN', key(random)]
    case 17:
      return ['SETRANGE', key(random), offset(random), value(random)]
    case 18:
      return [random.pick(['GETRANGE', 'SUBSTR']), key(random), integer(random), integer(random)]
    default: {
      const options: string[] = []
      for (let i = random.int(0, 3); i > 0; i--) {
        const option = random.pick(['LEN', 'IDX', 'WITHMATCHLEN', 'MINMATCHLEN', 'idx', 'withmatchlen', 'nope'])
        options.push(option)
        if (option === 'MINMATCHLEN' && random.chance(0.9)) options.push(integer(random))
      }
      return ['LCS', key(random), key(random), ...options]
    }
  }
}

/** A short time, or a moment soon, would make the result depend on when it is looked at. */
function longEnough(milliseconds: string): string {
  const value = Number(milliseconds)
  return value > 0 && value < 100_000_000 ? '100000000' : milliseconds
}

/** A byte offset that may lie beyond the end, rarely far beyond. */
function offset(random: SeededRandom): string {
  if (random.chance(0.02))
    return String(random.int(DIFFERENTIAL_STRING_BYTES_MAX - 3, DIFFERENTIAL_STRING_BYTES_MAX + 3))
  if (random.chance(0.05)) return String(random.int(10_000, 80_000))
  return random.chance(0.15) ? integer(random) : String(random.int(0, 50))
}

function many(random: SeededRandom, make: () => (string | Buffer)[]): (string | Buffer)[] {
  const out: (string | Buffer)[] = []
  for (let i = random.int(1, 4); i > 0; i--) out.push(...make())
  return out
}

function numberCommand(random: SeededRandom): Command {
  const where = random.chance(0.7) ? random.pick(['n', 'f']) : key(random)
  switch (random.int(0, 8)) {
    case 0:
      return ['INCR', where]
    case 1:
      return ['DECR', where]
    case 2:
      return ['INCRBY', where, integer(random)]
    case 3:
      return ['DECRBY', where, integer(random)]
    case 4:
      return ['SET', where, random.chance(0.5) ? integer(random) : randomFloat(random)]
    default:
      return ['INCRBYFLOAT', where, randomFloat(random)]
  }
}

function randomFloat(random: SeededRandom): string {
  const kind = random.float()
  if (kind < 0.2) return random.pick(FLOATS)
  if (kind < 0.3) return integer(random)
  const sign = random.pick(['', '-', '+'])
  const whole = random.text(random.int(0, random.chance(0.05) ? 40 : 6), '0123456789')
  const fraction = random.text(random.int(0, random.chance(0.1) ? 40 : 8), '0123456789')
  const point = fraction === '' && random.chance(0.7) ? '' : '.'
  const exponent = random.chance(0.3) ? `e${random.int(-25, random.chance(0.02) ? 4932 : 25)}` : ''
  return `${sign}${whole}${point}${fraction}${exponent}`
}

function bitCommand(random: SeededRandom): Command {
  const where = key(random)
  switch (random.int(0, 9)) {
    case 0:
      return ['SETBIT', where, bitOffset(random), random.chance(0.95) ? random.pick(['0', '1']) : integer(random)]
    case 1:
      return ['GETBIT', where, bitOffset(random)]
    case 2:
    case 3: {
      const unit = random.chance(0.6) ? [random.pick(['BIT', 'BYTE', 'bit', 'byte', 'bite'])] : []
      const range = random.chance(0.95) ? [integer(random), integer(random), ...unit] : [integer(random)]
      return ['BITCOUNT', where, ...(random.chance(0.2) ? [] : range)]
    }
    case 4:
    case 5: {
      const bit = random.chance(0.97) ? random.pick(['0', '1']) : integer(random)
      const range: string[] = []
      const count = random.int(0, 3)
      if (count > 0) range.push(integer(random))
      if (count > 1) range.push(integer(random))
      if (count > 2) range.push(random.pick(['BIT', 'BYTE', 'bit', 'byte', 'bite']))
      return ['BITPOS', where, bit, ...range]
    }
    case 6: {
      const operation = random.pick(['AND', 'OR', 'XOR', 'NOT', 'and', 'not', 'NAND', 'DIFF'])
      const sources =
        operation.toUpperCase() === 'NOT' && random.chance(0.9) ? [key(random)] : many(random, () => [key(random)])
      return ['BITOP', operation, where, ...sources]
    }
    default:
      return bitField(random, where)
  }
}

function bitOffset(random: SeededRandom): string {
  if (random.chance(0.02)) return String(DIFFERENTIAL_STRING_BYTES_MAX * 8 - random.int(-2, 2))
  if (random.chance(0.05)) return String(random.int(100_000, 500_000))
  return random.chance(0.1) ? integer(random) : String(random.int(0, 200))
}

function bitField(random: SeededRandom, where: string): Command {
  const command = ['BITFIELD', where]
  const readOnly = random.chance(0.2)
  if (readOnly) command[0] = 'BITFIELD_RO'
  for (let i = random.int(0, 4); i > 0; i--) {
    const type = random.chance(0.97)
      ? `${random.pick(['i', 'u'])}${random.int(1, random.chance(0.03) ? 66 : 63)}`
      : random.pick(['i64', 'u64', 'I8', 'x8', 'i', '', 'i08', 'u-1'])
    const at = random.chance(0.4) ? `#${random.int(0, 20)}` : bitOffset(random)
    const kind = readOnly && random.chance(0.95) ? 0 : random.int(0, 6)
    if (kind === 0) command.push('GET', type, at)
    else if (kind < 3) command.push('SET', type, at, integer(random))
    else if (kind < 6)
      command.push('incrby', type, at, random.chance(0.7) ? String(random.int(-300, 300)) : integer(random))
    else command.push('OVERFLOW', random.pick(['WRAP', 'SAT', 'FAIL', 'sat', 'fail', 'none']))
  }
  return command
}

function hyperloglogCommand(random: SeededRandom): Command {
  const where = random.chance(0.9) ? random.pick(['h', 'h2', 'h3']) : key(random)
  switch (random.int(0, 9)) {
    case 0:
    case 1:
      return ['PFCOUNT', where]
    case 2:
      return ['PFCOUNT', where, ...many(random, () => [random.pick(['h', 'h2', 'h3'])])]
    case 3:
      return [
        'PFMERGE',
        where,
        ...many(random, () => [random.chance(0.97) ? random.pick(['h', 'h2', 'h3']) : key(random)]),
      ]
    case 4:
      return [
        'PFDEBUG',
        random.pick(random.chance(0.95) ? ['DECODE', 'ENCODING', 'decode'] : ['TODENSE', 'GETREG', 'nope']),
        where,
      ]
    case 5:
      return random.chance(0.2) ? ['DEL', where] : damage(random, where)
    default: {
      const count = random.chance(0.1) ? random.int(100, 900) : random.int(0, 20)
      const range = random.pick([50, 1000, 1_000_000])
      return ['PFADD', where, ...Array.from({ length: count }, () => element(random, range))]
    }
  }
}

function element(random: SeededRandom, range: number): string | Buffer {
  return random.chance(0.9) ? String(random.int(0, range)) : random.bytes(random.int(0, 40))
}

/** Overwrites a few bytes of what may be a HyperLogLog: headers and runs that are not valid must be refused alike. */
function damage(random: SeededRandom, where: string): Command {
  if (random.chance(0.7)) return ['STRLEN', where]
  return ['SETRANGE', where, String(random.int(0, 60)), random.bytes(random.int(1, 2))]
}
