/**
 * Random commands about streams for differential tests: few keys, groups and consumers, IDs close together, and some
 * arguments that are wrong or at an edge.
 */
import type { Argument } from './raw-client.ts'
import type { SeededRandom } from './seeded-random.ts'

export const STREAM_KEYS: readonly string[] = ['s', 's2', 'big', 'tiny', 'none', 'text']
/** Holds a string at the beginning of each round. */
export const NO_STREAM_KEY = 'text'
const GROUPS = ['g', 'g2', 'h', '', 'absent']
const CONSUMERS = ['c', 'c2', 'alice', '', '17']
const BAD_IDS = ['', 'x', '1-', '-1', '1-x', '--', '(', '1-1-1', '18446744073709551616', '*-1', '1 -1']
const NUMBERS = ['0', '1', '2', '5', '10', '100', '-1', 'x', '', '9223372036854775807', '9223372036854775808', '01']

export class StreamCommands {
  readonly #random: SeededRandom
  /** IDs are drawn around this time, which moves on. */
  #ms = 1000

  constructor(random: SeededRandom) {
    this.#random = random
  }

  next(): Argument[] {
    const random = this.#random
    this.#ms += random.int(0, 2)
    const kind = random.int(0, 99)
    if (kind < 34) return this.#add()
    if (kind < 39) return ['XDEL', this.key(), ...this.#several(() => this.#someId())]
    if (kind < 43) return ['XTRIM', this.key(), ...this.#trim()]
    if (kind < 51) return this.#range()
    if (kind < 55) {
      const words = ['XREAD', ...this.#count(), 'STREAMS', ...this.#streams(['$', '>'])]
      // XREAD knows + since 7.4 only.
      return words.map((word) => (word === '+' ? '$' : word))
    }
    if (kind < 66) return this.#readGroup()
    if (kind < 71) return ['XACK', this.key(), this.#group(), ...this.#several(() => this.#someId())]
    if (kind < 77) return this.#claim()
    if (kind < 81) return this.#autoClaim()
    if (kind < 87) return this.#pending()
    if (kind < 94) return this.#groupCommand()
    if (kind < 95) return ['XLEN', this.key()]
    if (kind < 96) return this.#setId()
    return this.#info()
  }

  key(): string {
    const random = this.#random
    return random.chance(0.75) ? 's' : random.pick(STREAM_KEYS)
  }

  #group(): string {
    return this.#random.chance(0.6) ? 'g' : this.#random.pick(GROUPS)
  }

  #consumer(): string {
    return this.#random.pick(CONSUMERS)
  }

  #several<T>(make: () => T): T[] {
    return Array.from({ length: this.#random.pick([1, 1, 1, 2, 3, 8]) }, make)
  }

  #number(): string {
    return this.#random.chance(0.7) ? String(this.#random.int(0, 30)) : this.#random.pick(NUMBERS)
  }

  /** An ID that is likely to be there, or at an edge. */
  #someId(): string {
    const random = this.#random
    const kind = random.int(0, 99)
    if (kind < 80) return `${Math.max(1, this.#ms - random.int(0, 40))}-${random.int(0, 2)}`
    if (kind < 86) return String(this.#ms - random.int(0, 60))
    if (kind < 94) {
      return random.pick([
        '0',
        '0-0',
        '0-1',
        '-',
        '+',
        '18446744073709551615-18446744073709551615',
        '(5',
        '999999999999',
      ])
    }
    return random.pick(BAD_IDS)
  }

  #text(): Argument {
    const random = this.#random
    switch (random.int(0, 11)) {
      case 0:
        return random.pick([
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
          '-32769',
          '8388608',
        ])
      case 1:
        return random.pick([
          '2147483647',
          '2147483648',
          '9223372036854775807',
          '9223372036854775808',
          '-0',
          '007',
          ' 1',
        ])
      case 2:
        return 'v'.repeat(random.pick([0, 1, 63, 64, 65, 124, 125, 126, 127, 130, 4095, 4096]))
      case 3:
        return Buffer.from(Array.from({ length: random.int(0, 20) }, () => random.int(0, 255)))
      case 4:
        return random.chance(0.05) ? 'w'.repeat(random.pick([16_000, 16_378, 16_380, 17_000, 70_000])) : 'short'
      default:
        return `value-${random.int(0, 1000)}`
    }
  }

  #add(): Argument[] {
    const random = this.#random
    const key = this.key()
    const id = random.chance(0.9)
      ? random.pick([`${this.#ms}-*`, `${this.#ms + 1}`, `${this.#ms}-${random.int(0, 4)}`, `${this.#ms + 1}-0`])
      : random.pick([...BAD_IDS, '0-0', '0-*', '0-1', '-', '+'])
    const options: Argument[] = []
    if (random.chance(0.05)) options.push('NOMKSTREAM')
    if (random.chance(0.2)) options.push(...this.#trim())
    if (random.chance(0.03)) options.push('nomkstream')
    const pairs = random.chance(0.75)
      ? ['name', this.#text(), 'n', this.#text()]
      : Array.from({ length: random.pick([1, 2, 2, 3, 4, 6, 8]) }, () => this.#text())
    return ['XADD', key, ...options, id, ...pairs]
  }

  #trim(): Argument[] {
    const random = this.#random
    const how = random.pick([[], ['~'], ['~'], ['=']])
    const limit = random.chance(0.15) ? [random.pick(['LIMIT', 'limit']), this.#number()] : []
    const trim = random.chance(0.6)
      ? [random.pick(['MAXLEN', 'maxlen']), ...how, random.chance(0.9) ? String(random.int(5, 150)) : this.#number()]
      : ['MINID', ...how, random.chance(0.9) ? `${Math.max(0, this.#ms - random.int(0, 150))}` : this.#someId()]
    const all = random.chance(0.9) ? [...trim, ...limit] : [...limit, ...trim]
    return random.chance(0.03) ? [...all, 'MAXLEN', '5'] : all
  }

  #rangeEdge(): string {
    const id = this.#random.pick(['-', '+', this.#someId(), this.#someId(), this.#someId()])
    return this.#random.chance(0.2) ? `(${id}` : id
  }

  #count(): Argument[] {
    return this.#random.chance(0.5) ? ['COUNT', this.#number()] : []
  }

  #range(): Argument[] {
    const random = this.#random
    const extra = random.chance(0.03) ? ['x'] : []
    return [
      random.pick(['XRANGE', 'XREVRANGE']),
      this.key(),
      this.#rangeEdge(),
      this.#rangeEdge(),
      ...this.#count(),
      ...extra,
    ]
  }

  #streams(special: readonly string[]): Argument[] {
    const random = this.#random
    const count = random.pick([1, 1, 1, 2, 3])
    const keys = Array.from({ length: count }, () => this.key())
    const ids = keys.map(() => (random.chance(0.3) ? random.pick(special) : this.#someId()))
    return random.chance(0.03) ? [...keys, ...ids.slice(1)] : [...keys, ...ids]
  }

  #readGroup(): Argument[] {
    const random = this.#random
    const noAck = random.chance(0.15) ? ['NOACK'] : []
    const streams = random.chance(0.8) ? ['s', '>'] : this.#streams(['>', '>', '0', '$'])
    return ['XREADGROUP', 'GROUP', this.#group(), this.#consumer(), ...this.#count(), ...noAck, 'STREAMS', ...streams]
  }

  #claim(): Argument[] {
    const random = this.#random
    const options: Argument[] = []
    // Times in the past are the same on both sides.
    if (random.chance(0.6)) options.push('TIME', String(1_600_000_000_000 + random.int(0, 100_000)))
    if (random.chance(0.2)) options.push('RETRYCOUNT', this.#number())
    if (random.chance(0.5)) options.push('FORCE')
    if (random.chance(0.3)) options.push('JUSTID')
    if (random.chance(0.2)) options.push('LASTID', this.#someId())
    if (random.chance(0.1)) options.push('IDLE', this.#number())
    if (random.chance(0.02)) options.push('x')
    const idle = random.pick(['0', '0', '0', '100000000', 'x', '-5'])
    return [
      'XCLAIM',
      this.key(),
      this.#group(),
      this.#consumer(),
      idle,
      ...this.#several(() => this.#someId()),
      ...options,
    ]
  }

  #autoClaim(): Argument[] {
    const random = this.#random
    const options: Argument[] = this.#count()
    if (random.chance(0.3)) options.push('JUSTID')
    if (random.chance(0.02)) options.push('x')
    const idle = random.pick(['0', '0', '100000000', 'x'])
    return ['XAUTOCLAIM', this.key(), this.#group(), this.#consumer(), idle, this.#rangeEdge(), ...options]
  }

  #pending(): Argument[] {
    const random = this.#random
    if (random.chance(0.3)) return ['XPENDING', this.key(), this.#group()]
    const idle = random.chance(0.3) ? ['IDLE', random.pick(['0', '100000000', 'x'])] : []
    const consumer = random.chance(0.4) ? [this.#consumer()] : []
    const range = random.chance(0.6) ? ['-', '+'] : [this.#rangeEdge(), this.#rangeEdge()]
    const all = [...idle, ...range, this.#number(), ...consumer]
    return ['XPENDING', this.key(), this.#group(), ...(random.chance(0.05) ? all.slice(1) : all)]
  }

  #groupCommand(): Argument[] {
    const random = this.#random
    const key = this.key()
    const group = this.#group()
    const id = random.chance(0.4) ? random.pick(['0', '$', '$', '-', '+']) : this.#someId()
    // Not the greatest number: counted on, it becomes one that the primary's replicas refuse.
    const count = random.chance(0.8) ? String(random.int(0, 50)) : random.pick(['-1', '-2', 'x', '9007199254740993'])
    const read = random.chance(0.3) ? ['ENTRIESREAD', count] : []
    switch (random.int(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return ['XGROUP', 'CREATE', key, group, id, ...(random.chance(0.3) ? ['MKSTREAM'] : []), ...read]
      case 4:
      case 5:
        return ['XGROUP', 'SETID', key, group, id, ...read]
      case 6:
        return ['XGROUP', 'DESTROY', key, random.chance(0.5) ? 'g2' : group]
      case 7:
        return ['XGROUP', 'CREATECONSUMER', key, group, this.#consumer()]
      case 8:
        return ['XGROUP', 'DELCONSUMER', key, group, this.#consumer()]
      default:
        return random.pick<Argument[]>([
          ['XGROUP', 'HELP'],
          ['XGROUP', 'nope', key, group],
          ['XGROUP', 'CREATE', key],
          ['XGROUP', 'CREATE', key, group, id, 'x'],
          ['XINFO', 'HELP'],
        ])
    }
  }

  #setId(): Argument[] {
    const random = this.#random
    const options: Argument[] = []
    if (random.chance(0.4))
      options.push('ENTRIESADDED', random.chance(0.5) ? String(random.int(0, 2000)) : this.#number())
    if (random.chance(0.4)) options.push('MAXDELETEDID', this.#someId())
    const id = random.chance(0.5) ? `${this.#ms + random.int(0, 3)}-5` : this.#someId()
    return ['XSETID', this.key(), id, ...options]
  }

  #info(): Argument[] {
    const random = this.#random
    const key = this.key()
    return random.pick<Argument[]>([
      ['XINFO', 'STREAM', key],
      ['XINFO', 'STREAM', key, 'FULL'],
      ['XINFO', 'STREAM', key, 'FULL', 'COUNT', this.#number()],
      ['XINFO', 'STREAM', key, 'x'],
      ['XINFO', 'GROUPS', key],
      ['XINFO', 'CONSUMERS', key, this.#group()],
    ])
  }
}
