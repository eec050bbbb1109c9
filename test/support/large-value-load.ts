/**
 * Random commands, by seed, that keep a few values of every large form large while they change them everywhere: ends, middle,
 * whole ranges; that rename, copy, expire and delete them; beside many small keys, so that tables split and merge.
 */
import type { CommandRunner } from './command-runner.ts'
import type { SeededRandom } from './seeded-random.ts'

type Words = readonly (string | number | Buffer)[]

const KEYS_PER_FORM = 3
const SMALL_KEYS = 4000
const MEMBERS = 3000

export class LargeValueLoad {
  readonly #runner: CommandRunner
  readonly #random: SeededRandom
  readonly #commands: readonly (() => Words)[]
  #id = 1

  constructor(runner: CommandRunner, random: SeededRandom) {
    this.#runner = runner
    this.#random = random
    this.#commands = [
      ...this.#strings(),
      ...this.#lists(),
      ...this.#hashes(),
      ...this.#sortedSets(),
      ...this.#streams(),
      ...this.#keys(),
    ]
  }

  /** Makes the values and the small keys. */
  fill(): void {
    for (let i = 0; i < SMALL_KEYS / 2; i++) this.#runner.run(...this.#small())
    for (let key = 0; key < KEYS_PER_FORM; key++) {
      this.#runner.run('SET', `s:${key}`, Buffer.alloc(120_000 * (key + 1), key))
      for (let i = 0; i < 60; i++) {
        this.#runner.run('RPUSH', `l:${key}`, ...this.#texts(30))
        this.#runner.run('SADD', `e:${key}`, ...this.#members(30))
        this.#runner.run('ZADD', `z:${key}`, ...this.#scored(30))
        this.#runner.run('HSET', `h:${key}`, ...this.#fields(30))
      }
      for (let i = 0; i < 600; i++) this.#runner.run('XADD', `x:${key}`, `${this.#id++}-1`, 'f', this.#text())
      this.#runner.run('XGROUP', 'CREATE', `x:${key}`, 'g', '0')
      this.#runner.run('XREADGROUP', 'GROUP', 'g', 'c0', 'COUNT', 400, 'STREAMS', `x:${key}`, '>')
    }
  }

  /** Runs so many commands. */
  run(count: number): void {
    for (let i = 0; i < count; i++) this.#runner.run(...this.#pick(this.#commands)())
  }

  #strings(): (() => Words)[] {
    const key = (): string => this.#key('s')
    return [
      () => ['SETRANGE', key(), this.#int(400_000), this.#text()],
      () => ['SETRANGE', key(), this.#int(400_000), Buffer.alloc(this.#int(40_000), 7)],
      () => ['APPEND', key(), this.#text()],
      () => ['SETBIT', key(), this.#int(3_000_000), this.#int(2)],
      () => ['SET', key(), Buffer.alloc(this.#int(60_000), this.#int(255)), 'KEEPTTL'],
      () => ['INCR', this.#smallKey()],
      () => this.#small(),
      () => this.#small(),
      () => this.#small(),
    ]
  }

  #lists(): (() => Words)[] {
    const key = (): string => this.#key('l')
    return [
      () => ['RPUSH', key(), ...this.#texts(8)],
      () => ['LPUSH', key(), ...this.#texts(8)],
      () => ['RPUSH', key(), Buffer.alloc(this.#int(50_000), 3)],
      () => ['LPOP', key(), this.#int(6)],
      () => ['RPOP', key(), this.#int(6)],
      () => ['LSET', key(), this.#int(1500), this.#text()],
      () => ['LINSERT', key(), 'BEFORE', `t${this.#int(MEMBERS)}`, this.#text()],
      () => ['LREM', key(), this.#int(3), `t${this.#int(MEMBERS)}`],
      () => ['LTRIM', key(), this.#int(8), -this.#int(8) - 1],
      () => ['LMOVE', key(), key(), 'LEFT', 'RIGHT'],
    ]
  }

  #hashes(): (() => Words)[] {
    return [
      () => ['HSET', this.#key('h'), ...this.#fields(6)],
      () => ['HSET', this.#key('h'), this.#member(), Buffer.alloc(this.#int(50_000), 5)],
      () => ['HINCRBY', this.#key('h'), `n${this.#int(50)}`, this.#int(9)],
      () => ['HDEL', this.#key('h'), ...this.#members(6)],
      () => ['HPEXPIREAT', this.#key('h'), 4_000_000_000_000 + this.#int(1e6), 'FIELDS', 1, this.#member()],
      () => ['HPERSIST', this.#key('h'), 'FIELDS', 1, this.#member()],
      () => ['SADD', this.#key('e'), ...this.#members(8)],
      () => ['SREM', this.#key('e'), ...this.#members(8)],
      () => ['SMOVE', this.#key('e'), this.#key('e'), this.#member()],
      () => ['SADD', this.#key('e'), Buffer.alloc(9000, this.#int(9))],
    ]
  }

  #sortedSets(): (() => Words)[] {
    const key = (): string => this.#key('z')
    return [
      () => ['ZADD', key(), ...this.#scored(6)],
      () => ['ZADD', key(), ...this.#scored(6)],
      () => ['ZINCRBY', key(), this.#int(100) / 7, this.#member()],
      () => ['ZREM', key(), ...this.#members(6)],
      () => ['ZPOPMIN', key(), this.#int(4)],
      () => ['ZREMRANGEBYRANK', key(), this.#int(900), this.#int(900)],
      () => ['ZREMRANGEBYSCORE', key(), this.#int(1000), this.#int(1000)],
    ]
  }

  #streams(): (() => Words)[] {
    const key = (): string => this.#key('x')
    const id = (): string => `${this.#int(this.#id)}-1`
    return [
      () => ['XADD', key(), `${this.#id++}-1`, 'f', this.#text()],
      () => ['XADD', key(), `${this.#id++}-1`, 'f', this.#text()],
      () => ['XADD', key(), `${this.#id++}-1`, 'other', this.#text(), 'f', Buffer.alloc(this.#int(30_000), 2)],
      () => ['XDEL', key(), id(), id()],
      () => ['XTRIM', key(), 'MAXLEN', this.#int(900) + 300],
      () => ['XREADGROUP', 'GROUP', 'g', `c${this.#int(4)}`, 'COUNT', this.#int(5) + 1, 'STREAMS', key(), '>'],
      () => ['XACK', key(), 'g', id(), id()],
      () => ['XCLAIM', key(), 'g', `c${this.#int(4)}`, 0, id(), 'FORCE'],
      () => ['XGROUP', 'CREATECONSUMER', key(), 'g', `c${this.#int(8)}`],
      () => ['XGROUP', 'DELCONSUMER', key(), 'g', `c${4 + this.#int(4)}`],
      () => ['XGROUP', 'CREATE', key(), `g${this.#int(3)}`, '0'],
      () => ['XGROUP', 'DESTROY', key(), `g${this.#int(3)}`],
      () => ['XSETID', key(), `${this.#id}-9`],
    ]
  }

  #keys(): (() => Words)[] {
    const any = (): string => this.#key(this.#pick(['s', 'l', 'h', 'e', 'z', 'x']))
    return [
      () => ['DEL', this.#smallKey(), this.#smallKey(), this.#smallKey()],
      () => ['DEL', ...Array.from({ length: 20 }, () => this.#smallKey())],
      () => ['PEXPIREAT', this.#smallKey(), 4_000_000_000_000 + this.#int(1e6)],
      () => ['PEXPIREAT', any(), 4_000_000_000_000 + this.#int(1e6)],
      () => ['PERSIST', any()],
      () => (this.#chance(0.2) ? ['RENAME', any(), `r:${this.#int(2)}`] : ['PING']),
      () => (this.#chance(0.2) ? ['COPY', any(), `r:${this.#int(2)}`, 'REPLACE'] : ['PING']),
      () => (this.#chance(0.1) ? ['UNLINK', any()] : ['PING']),
      () => (this.#chance(0.2) ? ['MOVE', any(), 1] : ['PING']),
    ].map((make) => () => {
      const words = make()
      return words[0] === 'PING' ? this.#small() : words
    })
  }

  #small(): Words {
    const key = this.#smallKey()
    return this.#chance(0.2)
      ? ['SET', key, this.#text(), 'PXAT', 4_000_000_000_000 + this.#int(1e6)]
      : ['SET', key, this.#chance(0.3) ? String(this.#int(1e6)) : 'v'.repeat(this.#int(200))]
  }

  #smallKey(): string {
    return `k:${this.#int(SMALL_KEYS)}`
  }

  #key(prefix: string): string {
    return `${prefix}:${this.#int(KEYS_PER_FORM)}`
  }

  #text(): string {
    return this.#chance(0.5) ? `t${this.#int(MEMBERS)}` : 'x'.repeat(this.#int(300))
  }

  #texts(most: number): string[] {
    return Array.from({ length: this.#int(most) + 1 }, () => this.#text())
  }

  #member(): string {
    return `m${this.#int(MEMBERS)}`
  }

  #members(most: number): string[] {
    return Array.from({ length: this.#int(most) + 1 }, () => this.#member())
  }

  #fields(most: number): string[] {
    return this.#members(most).flatMap((field) => [field, this.#text()])
  }

  #scored(most: number): (string | number)[] {
    return this.#members(most).flatMap((member) => [this.#int(5000) / 5, member])
  }

  #int(below: number): number {
    return Math.floor(this.#random.float() * below)
  }

  #chance(probability: number): boolean {
    return this.#random.float() < probability
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#int(choices.length)]!
  }
}
