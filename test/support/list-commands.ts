/**
 * Random commands of the list family for differential tests: few keys, so that they meet each other, elements near every
 * bound of an encoding or a node, and many arguments that are wrong or at an edge.
 */
import type { SeededRandom } from './seeded-random.ts'

export type ListCommand = readonly (string | Buffer)[]

export const LIST_KEYS: readonly string[] = ['a', 'b', 'c', 'text', `long:${'k'.repeat(9000)}`]
/** Holds a string at the beginning of each round. */
export const TEXT_KEY = 'text'

const INTEGERS: readonly string[] = [
  '0',
  '1',
  '-1',
  '2',
  '-2',
  '3',
  '5',
  '-5',
  '10',
  '-10',
  '100',
  '-100',
  '500',
  '5000',
  '-5000',
  '2147483647',
  '2147483648',
  '-2147483649',
  '9007199254740993',
  '9223372036854775807',
  '-9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '',
  '+1',
  '01',
  '-0',
  ' 1',
  '1.0',
  'x',
]
const NUMBERS: readonly string[] = [
  '0',
  '1',
  '127',
  '128',
  '-1',
  '4095',
  '4096',
  '-4096',
  '-4097',
  '32767',
  '32768',
  '-32768',
  '-32769',
  '8388607',
  '8388608',
  '-8388608',
  '-8388609',
  '2147483647',
  '2147483648',
  '-2147483648',
  '-2147483649',
  '9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '007',
  '-0',
  '+5',
  '1e3',
  '3.5',
  ' 4',
  '-',
  '',
]
const SHORT_LENGTHS = [0, 1, 2, 5, 10, 62, 63, 64, 65, 100, 127, 128]
const LONG_LENGTHS = [
  1000, 2000, 4087, 4095, 4096, 4097, 8170, 8180, 8185, 8192, 8200, 16_300, 16_365, 16_371, 16_378, 16_384, 20_000,
]
const HUGE_LENGTHS = [70_000, 300_000, 1_048_576]

export class ListCommands {
  readonly #random: SeededRandom
  /** Elements used before, so that LREM, LINSERT and LPOS find some. */
  readonly #used: Buffer[] = []
  #longShare = 0.03

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** A new round: what share of the elements is long? */
  begin(): void {
    this.#used.length = 0
    this.#longShare = this.#random.pick([0, 0.01, 0.05, 0.3])
  }

  element(): Buffer {
    const random = this.#random
    if (this.#used.length > 0 && random.chance(0.4)) return random.pick(this.#used)
    const element = this.#newElement()
    if (this.#used.length < 30) this.#used.push(element)
    else this.#used[random.int(0, 29)] = element
    return element
  }

  #newElement(): Buffer {
    const random = this.#random
    if (random.chance(0.4)) return Buffer.from(random.pick(NUMBERS))
    if (random.chance(this.#longShare)) {
      const length = random.chance(0.05) ? random.pick(HUGE_LENGTHS) : random.pick(LONG_LENGTHS)
      return Buffer.alloc(length, random.bytes(7))
    }
    return random.bytes(random.pick(SHORT_LENGTHS))
  }

  key(): string {
    return this.#random.chance(0.04) ? TEXT_KEY : this.#random.pick(LIST_KEYS)
  }

  next(): ListCommand {
    const random = this.#random
    const key = this.key()
    const integer = (): string => (random.chance(0.7) ? String(random.int(-60, 60)) : random.pick(INTEGERS))
    const end = (): string => random.pick(['LEFT', 'RIGHT', 'left', 'Right', 'LEFT', 'RIGHT', 'x'])
    const elements = (max: number): Buffer[] => Array.from({ length: random.int(1, max) }, () => this.element())
    switch (random.int(0, 25)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return [random.pick(['LPUSH', 'RPUSH']), key, ...elements(random.chance(0.1) ? 200 : 8)]
      case 5:
        return [random.pick(['LPUSHX', 'RPUSHX']), key, ...elements(4)]
      case 6:
      case 7:
        return [random.pick(['LPOP', 'RPOP']), key, ...(random.chance(0.5) ? [] : [integer()])]
      case 8:
        return ['LLEN', key]
      case 9:
      case 10:
        return ['LRANGE', key, integer(), integer()]
      case 11:
        return ['LINDEX', key, integer()]
      case 12:
        return ['LSET', key, integer(), this.element()]
      case 13:
      case 14:
        return ['LINSERT', key, random.pick(['BEFORE', 'AFTER', 'before', 'x']), this.element(), this.element()]
      case 15:
        return ['LREM', key, random.chance(0.5) ? '0' : integer(), this.element()]
      case 16:
        return random.chance(0.6) ? ['LLEN', key] : ['LTRIM', key, integer(), integer()]
      case 17:
      case 18:
        return ['LPOS', key, this.element(), ...this.#positionOptions(integer)]
      case 19:
        return ['LMOVE', key, this.key(), end(), end()]
      case 20:
        return ['RPOPLPUSH', key, this.key()]
      case 21:
        return this.#several('LMPOP', [], end, integer)
      case 22:
        return this.#several('BLMPOP', [this.#timeout()], end, integer)
      case 23:
        return [random.pick(['BLPOP', 'BRPOP']), key, ...(random.chance(0.4) ? [this.key()] : []), this.#timeout()]
      case 24:
        return random.chance(0.5)
          ? ['BLMOVE', key, this.key(), end(), end(), this.#timeout()]
          : ['BRPOPLPUSH', key, this.key(), this.#timeout()]
      default:
        return ['OBJECT', 'ENCODING', key]
    }
  }

  #timeout(): string {
    return this.#random.pick(['0.01', '0', '1', '0.001', '-1', 'x', '', '1e-3', '9e15', '-2.5'])
  }

  #several(name: string, before: readonly string[], end: () => string, integer: () => string): ListCommand {
    const random = this.#random
    const keys = Array.from({ length: random.int(1, 3) }, () => this.key())
    const told = random.chance(0.9) ? String(keys.length) : random.pick(['0', '-1', 'x', '4', '1'])
    const options = random.pick([[], [], ['COUNT', integer()], ['COUNT'], ['x'], ['COUNT', '2', 'COUNT', '2']])
    return [name, ...before, told, ...keys, end(), ...options]
  }

  #positionOptions(integer: () => string): string[] {
    const random = this.#random
    const options: string[] = []
    for (let left = random.pick([0, 1, 1, 2, 3]); left > 0; left--) {
      options.push(random.pick(['RANK', 'COUNT', 'MAXLEN', 'rank', 'Count', 'x']))
      if (random.chance(0.95)) options.push(random.chance(0.8) ? String(random.int(-3, 6)) : integer())
    }
    return options
  }
}

/** Names of the commands that wait when they find nothing. */
export const BLOCKING_COMMANDS: ReadonlySet<string> = new Set(['BLPOP', 'BRPOP', 'BLMOVE', 'BRPOPLPUSH', 'BLMPOP'])
