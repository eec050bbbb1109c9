/**
 * Arguments for random commands: keys from a small pool per type, so that commands meet; values, numbers, times and ids
 * mostly ordinary, and often enough at an edge or wrong. Everything follows from one seeded random.
 */
import type { SeededRandom } from '../support/seeded-random.ts'

export type Word = string | Buffer

export const POOLS = {
  string: ['s:0', 's:1', 's:2', 's:3', 's:4', 's:5'],
  bitmap: ['b:0', 'b:1', 'b:2', 'b:3'],
  hll: ['p:0', 'p:1', 'p:2', 'p:3'],
  hash: ['h:0', 'h:1', 'h:2', 'h:3', 'h:4'],
  set: ['e:0', 'e:1', 'e:2', 'e:3', 'e:4'],
  zset: ['z:0', 'z:1', 'z:2', 'z:3', 'z:4'],
  geo: ['g:0', 'g:1', 'g:2'],
  list: ['l:0', 'l:1', 'l:2', 'l:3', 'l:4'],
  stream: ['x:0', 'x:1', 'x:2', 'x:3'],
} as const satisfies Record<string, readonly string[]>

export type Pool = keyof typeof POOLS
const POOL_NAMES = Object.keys(POOLS) as Pool[]

/**
 * Sorted sets of one score: what a range by name is among different scores depends, in Redis, on the levels that its skip
 * list has drawn. Only commands that keep to the one score name these keys.
 */
const LEX_KEYS = ['y:0', 'y:1', 'y:2']

const ODD_KEYS: readonly Word[] = [
  '',
  'k*y',
  'h[ae]llo',
  Buffer.from([0, 255, 13, 10, 128]),
  `L${'o'.repeat(9000)}`,
  'w:1',
  'w:e1',
]

/** Every key that commands name on purpose. */
export const ALL_KEYS: readonly Word[] = [
  ...POOL_NAMES.flatMap((pool): Word[] => [...POOLS[pool]]),
  ...ODD_KEYS,
  ...LEX_KEYS,
]

export const DATABASES = 4

/** Longest string a client may make in these tests (proto-max-bulk-len has this as its least value). */
export const STRING_BYTES_MAX = 1024 * 1024

const EDGE_INTEGERS: readonly string[] = [
  '127',
  '128',
  '-128',
  '-129',
  '255',
  '256',
  '4095',
  '4096',
  '-4096',
  '-4097',
  '8191',
  '32767',
  '32768',
  '-32769',
  '65535',
  '8388607',
  '8388608',
  '-8388609',
  '2147483647',
  '2147483648',
  '-2147483648',
  '-2147483649',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '-9007199254740993',
  '9223372036854775806',
  '9223372036854775807',
  '-9223372036854775807',
  '-9223372036854775808',
]
const BEYOND_INTEGERS: readonly string[] = [
  '9223372036854775808',
  '-9223372036854775809',
  '18446744073709551615',
  '18446744073709551616',
  '99999999999999999999999',
]
const BAD_NUMBERS: readonly Word[] = [
  '',
  '+1',
  '01',
  '-0',
  ' 1',
  '1 ',
  '1.0',
  'x',
  '0x10',
  '1e3',
  '--1',
  '-',
  Buffer.from('1\0'),
  'NaN',
]
const EDGE_FLOATS: readonly string[] = [
  '0',
  '-0',
  '0.1',
  '.5',
  '5.',
  '-.25e1',
  '3.0e3',
  '1e-17',
  '1e-7',
  '123456789012345680000',
  '1e17',
  '1e21',
  '1e22',
  '1e300',
  '1e308',
  '1.7976931348623157e308',
  '5e-324',
  '4.9406564584124654e-324',
  '2.2250738585072014e-308',
  '3.14159265358979323846264338327950288',
  '9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
  '18446744073709551616',
  '0x1p3',
  '0x1',
  '+7',
  '00012.50',
  'inf',
  '-inf',
  '+inf',
  'Infinity',
]
const BAD_FLOATS: readonly Word[] = [
  'nan',
  '-nan',
  'x',
  '',
  ' 1',
  '1 ',
  '1e',
  '1.2.3',
  '0x',
  '1e400x',
  '--1',
  Buffer.from('1\0'),
]

/** Longest relative time is far below the first absolute one. */
const TTL_FIRST_SECONDS = 10_000
const TTL_STEP_SECONDS = 100
const TTL_STEPS = 20_000
const INSTANT_FIRST_SECONDS = 4_000_000_000

export class Draw {
  readonly random: SeededRandom
  /** Rises, so that most ids of streams do. */
  streamMs = 0
  readonly #usedTtls = new Set<number>()

  constructor(random: SeededRandom) {
    this.random = random
  }

  chance(probability: number): boolean {
    return this.random.chance(probability)
  }

  int(low: number, high: number): number {
    return this.random.int(low, high)
  }

  pick<T>(items: readonly T[]): T {
    return this.random.pick(items)
  }

  pool(): Pool {
    return this.random.pick(POOL_NAMES)
  }

  /** Mostly a key of that type; sometimes of another, an odd one, or none that exists. */
  key(pool: Pool): Word {
    const kind = this.random.float()
    if (kind < 0.9) return this.random.pick<string>(POOLS[pool])
    if (kind < 0.95) return this.random.pick<string>(POOLS[this.pool()])
    if (kind < 0.975) return this.random.pick(ODD_KEYS)
    return 'never'
  }

  lexKey(): Word {
    return this.chance(0.95) ? this.pick(LEX_KEYS) : 'never:y'
  }

  /** An int64 as text, mostly small. */
  integer(low = -20, high = 60): Word {
    const kind = this.random.float()
    if (kind < 0.8) return String(this.int(low, high))
    if (kind < 0.93) return this.pick(EDGE_INTEGERS)
    if (kind < 0.96) return this.pick(BEYOND_INTEGERS)
    return this.pick(BAD_NUMBERS)
  }

  /** An int64 that is right. */
  goodInteger(): string {
    return this.chance(0.8) ? String(this.int(-300, 300)) : this.pick(EDGE_INTEGERS)
  }

  float(): Word {
    const kind = this.random.float()
    if (kind < 0.4) return String(this.int(-20, 60))
    if (kind < 0.7) return String(this.int(-8000, 8000) / this.pick([2, 4, 8, 10, 3, 1000]))
    if (kind < 0.75) return String((this.random.float() - 0.5) * 10 ** this.int(-12, 22))
    if (kind < 0.94) return this.pick(EDGE_FLOATS)
    return this.pick(BAD_FLOATS)
  }

  /** A string value: mostly short, sometimes a number, now and then longer than a block. */
  value(): Word {
    const kind = this.random.float()
    if (kind < 0.2) return this.goodInteger()
    if (kind < 0.27) return this.pick(EDGE_FLOATS)
    if (kind < 0.37) return this.random.bytes(this.int(0, 12))
    if (kind < 0.42) return this.random.text(this.int(30, 60))
    if (kind < 0.45) return ''
    if (kind < 0.47) return this.random.text(this.pick([43, 44, 45, 63, 64, 65, 127, 128, 253, 254, 255, 256]))
    if (kind < 0.48) return Buffer.alloc(this.int(4000, 40_000), this.pick([0, 0xff, 0x61]))
    if (kind < 0.482) return this.random.bytes(this.int(15_000, 70_000))
    return this.random.text(this.int(0, 20), 'abcd')
  }

  /** An element, field or member: from a small vocabulary, so that removals meet insertions. */
  element(): Word {
    const kind = this.random.float()
    if (kind < 0.5) return `e${this.int(0, 40)}`
    if (kind < 0.75) return String(this.int(-5, 120))
    if (kind < 0.8) return this.pick(EDGE_INTEGERS)
    if (kind < 0.84) return this.pick(['', ' ', '-', '+', '01', '-0', '1.5', 'E1', 'nan'])
    if (kind < 0.88) {
      const length = this.pick([1, 7, 8, 9, 62, 63, 64, 65, 66])
      return this.pick(['a', 'b', '1', '\xff']).repeat(length).slice(0, length)
    }
    if (kind < 0.93) return this.random.bytes(this.int(1, 5))
    if (kind < 0.935) return 'q'.repeat(this.pick([250, 4090, 4095, 4096, 8100, 8192, 17_000]))
    return this.random.text(this.int(1, 3), 'abc')
  }

  /** How many of something repeated: mostly few, now and then across every threshold. */
  howMany(low: number, high: number): number {
    if (high < 10 || !this.chance(0.06)) return this.int(low, Math.max(low, Math.min(high, 4)))
    return this.int(low, high)
  }

  /** Seconds from now; no two of one generator are near each other, so that GT and LT have one answer. */
  ttlSeconds(): number {
    if (this.#usedTtls.size > TTL_STEPS / 2) this.#usedTtls.clear()
    for (;;) {
      const step = this.int(0, TTL_STEPS - 1)
      if (this.#usedTtls.has(step)) continue
      this.#usedTtls.add(step)
      return TTL_FIRST_SECONDS + step * TTL_STEP_SECONDS
    }
  }

  /** A relative time in the unit: over an hour, in the past, or wrong. */
  duration(unitMs: 1 | 1000, canBePast: boolean): Word {
    const kind = this.random.float()
    if (kind < 0.75) return String((this.ttlSeconds() * 1000) / unitMs)
    if (kind < 0.85 && canBePast) return this.pick(['-1', '0', '-5000', '-100000', '-1600000000'])
    if (kind < 0.93) return this.pick(['0', '-1', '9223372036854775807', '-9223372036854775808', '9223372036854776'])
    return this.pick([...BEYOND_INTEGERS, ...BAD_NUMBERS])
  }

  /** An absolute time in the unit: few, so that they meet; some past. */
  instant(unitMs: 1 | 1000): Word {
    const kind = this.random.float()
    const ofUnit = (seconds: number, ms: number): string =>
      unitMs === 1000 ? String(seconds) : String(seconds * 1000 + ms)
    if (kind < 0.7) return ofUnit(INSTANT_FIRST_SECONDS + this.int(0, 5) * 1000, this.pick([0, 1, 499, 500, 999]))
    if (kind < 0.85) return this.pick([ofUnit(1_600_000_000, 7), '1', '1000'])
    if (kind < 0.92)
      return this.pick(['0', '-1', '-5000', '9223372036854775807', '9223372036854775', '9223372036854776'])
    return this.pick([...BEYOND_INTEGERS, ...BAD_NUMBERS])
  }

  pattern(): Word {
    return this.pick<Word>([
      '*',
      's:*',
      '?:1',
      '[s-z]:[0-2]',
      'h\\[*',
      '*y',
      '',
      'k\\*y',
      '[^a]*',
      'e[0-9]',
      'e1*',
      'L*',
      '\\',
      '[a',
      '*e*1*',
      '[z-a]*',
    ])
  }

  database(): Word {
    return this.chance(0.9) ? String(this.int(0, DATABASES - 1)) : this.pick([String(DATABASES), '-1', 'x', '', '1.0'])
  }

  /** The id of a new entry. */
  newStreamId(): Word {
    const kind = this.random.float()
    if (kind < 0.03) return '*'
    if (kind < 0.6) return `${(this.streamMs += this.int(0, 2))}-${this.int(0, 3)}`
    if (kind < 0.75) return `${(this.streamMs += this.int(0, 1))}-*`
    if (kind < 0.85) return `${(this.streamMs += this.int(1, 3))}`
    return this.streamId()
  }

  streamId(): Word {
    const kind = this.random.float()
    const near = Math.max(0, this.streamMs - this.int(0, 60))
    if (kind < 0.6) return `${near}-${this.int(0, 3)}`
    if (kind < 0.75) return String(near)
    if (kind < 0.85) return this.pick(['0', '0-0', '0-1'])
    if (kind < 0.875) {
      return this.pick(['18446744073709551615', '18446744073709551614-18446744073709551615', '9223372036854775808-1'])
    }
    return this.pick<Word>(['', '-', '+', '$', '>', '1-', '-1', '1-1-1', 'x', '1-x', '18446744073709551616', '01-01'])
  }

  /** One end of an XRANGE. */
  streamBound(open: '-' | '+'): Word {
    const kind = this.random.float()
    if (kind < 0.4) return open
    if (kind < 0.55) return `(${this.streamId().toString()}`
    if (kind < 0.6) return this.pick(['-', '+', '(-', '(18446744073709551615-18446744073709551615', '(0-0', '('])
    return this.streamId()
  }

  scoreBound(): Word {
    const kind = this.random.float()
    if (kind < 0.2) return this.pick(['-inf', '+inf', '(-inf', '(+inf', 'inf'])
    const score = this.float()
    return kind < 0.4 && typeof score === 'string' ? `(${score}` : score
  }

  lexBound(): Word {
    const kind = this.random.float()
    if (kind < 0.25) return this.pick(['-', '+'])
    if (kind < 0.92) {
      const element = Buffer.from(this.element())
      return Buffer.concat([Buffer.from(this.pick(['[', '('])), element])
    }
    return this.pick(['', 'a', '[', '(', '-x', '+1', '*'])
  }
}
