/**
 * A writer that changes strings on a server at a steady rate, with every kind of command a stream can carry for them:
 * SET with its options, counters, APPEND, SETRANGE, bits, HyperLogLogs, TTLs, DEL, RENAME, COPY, MOVE, SWAPDB, FLUSHDB of
 * one small database, MULTI groups, scripts. The same seed writes the same commands.
 *
 * It also writes pairs: two keys of database 0 that are set to the same ever-growing number in one MULTI, so that a
 * reader can tell half a transaction. Keys that it changes are its own, but for those it is told to move about.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CountingClient } from './counting-client.ts'
import type { Argument } from './raw-client.ts'
import { SeededRandom } from './seeded-random.ts'

export interface WriteLoadOptions {
  readonly seed: number
  /** Commands per second it aims at; default 8000. */
  readonly perSecond?: number
  /** Keys of database 0 of any type that RENAME, COPY, MOVE, DEL and PEXPIRE may take. */
  readonly movable?: readonly string[]
  /** Default 500. */
  readonly pairs?: number
}

/** Databases beside 0 that the load writes to. */
export const FLUSHED_DB = 9
export const SWAPPED_DBS = [10, 11] as const

export const pairKeys = (index: number): [string, string] => [`pair:a:${index}`, `pair:b:${index}`]

const TICK_MS = 10
const KEYS = 4000
const SHORT_TTL_MS = 2000
const SCRIPT = `redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCRBY', KEYS[2], 7)
redis.call('APPEND', KEYS[1], ARGV[1]) return redis.call('PEXPIRE', KEYS[2], 7200000)`
const MAY_FAIL = /^ERR (no such key|source and destination objects are the same)/

export class WriteLoad {
  readonly options: WriteLoadOptions
  readonly pairCount: number
  readonly #random: SeededRandom
  readonly #client: CountingClient
  #version = 0
  #renamed = 0
  #isRunning = false
  #loop: Promise<void> = Promise.resolve()
  #activeMs = 0

  static async start(port: number, options: WriteLoadOptions): Promise<WriteLoad> {
    const load = new WriteLoad(await CountingClient.connect(port), options)
    // Every pair exists before anybody looks.
    const pairs = Array.from({ length: load.pairCount }, (_, i) => load.#pair(i)).flat()
    await load.#client.send(pairs)
    await load.#client.settled()
    load.resume()
    return load
  }

  private constructor(client: CountingClient, options: WriteLoadOptions) {
    this.#client = client
    this.options = options
    this.#random = new SeededRandom(options.seed)
    this.pairCount = options.pairs ?? 500
  }

  /** Commands answered. */
  get commands(): number {
    return this.#client.replies
  }

  /** Commands per second while it was not paused. */
  get rate(): number {
    return this.#activeMs === 0 ? 0 : (this.commands / this.#activeMs) * 1000
  }

  resume(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#loop = this.#run()
    this.#loop.catch(() => {}) // pause() tells
  }

  /** Stops; everything sent is answered. @throws when a command failed that must not. */
  async pause(): Promise<void> {
    this.#isRunning = false
    await this.#loop
    const bad = this.#client.errors.find((error) => !MAY_FAIL.test(error))
    if (bad !== undefined) throw new Error(`the write load got '${bad}'`)
  }

  async stop(): Promise<void> {
    await this.pause()
    this.#client.close()
  }

  async #run(): Promise<void> {
    const started = performance.now()
    const before = this.#client.sent
    const perMs = (this.options.perSecond ?? 8000) / 1000
    while (this.#isRunning) {
      const due = before + (performance.now() - started) * perMs - this.#client.sent
      if (due > 0) {
        const batch: Argument[][] = []
        while (batch.length < due) batch.push(...this.#step())
        await this.#client.send(batch)
      }
      await sleep(TICK_MS)
    }
    await this.#client.settled()
    this.#activeMs += performance.now() - started
  }

  #pair(index: number): Argument[][] {
    const [a, b] = pairKeys(index)
    const value = `${++this.#version}`
    return [['MULTI'], ['SET', a, value], ['INCR', 'groups'], ['SET', b, value], ['EXEC']]
  }

  /** The next command, or a few that belong together. It begins and ends in database 0. */
  #step(): Argument[][] {
    const random = this.#random
    const key = (kind: string): string => `w:${kind}:${random.int(0, KEYS - 1)}`
    const dice = random.int(0, 99)
    if (dice < 30) return [['SET', key('s'), random.text(random.int(0, random.chance(0.02) ? 5000 : 60))]]
    if (dice < 40) return [[random.pick(['INCR', 'DECR']), key('n')]]
    if (dice < 42) return [['INCRBYFLOAT', key('f'), random.int(-1000, 1000) / 8]]
    if (dice < 48) return [['APPEND', key('s'), random.text(random.int(1, 12))]]
    if (dice < 52) return [['SETRANGE', key('s'), random.int(0, 90), random.text(6)]]
    if (dice < 56) return [[random.pick(['DEL', 'UNLINK']), key('s'), key('n'), key('s')]]
    if (dice < 59) return [['SET', key('s'), random.bytes(20), 'PX', random.int(1, SHORT_TTL_MS)]]
    if (dice < 61) return [['SET', key('s'), random.text(9), 'EX', random.int(7200, 9000)]]
    if (dice < 62) return [['SET', key('s'), random.text(9), 'KEEPTTL']]
    if (dice < 64) return [['PEXPIRE', key(random.pick(['s', 'n', 'b'])), random.int(7_200_000, 9_000_000)]]
    if (dice < 65) return [['PERSIST', key('s')]]
    if (dice < 66) return [['GETEX', key('s'), 'PX', random.int(1, SHORT_TTL_MS)]]
    if (dice < 67) return [['GETDEL', key('s')]]
    if (dice < 68) return [['GETSET', key('s'), random.text(4)]]
    if (dice < 70) return [['MSET', key('s'), '1', key('s'), random.text(30), key('s'), random.bytes(3)]]
    if (dice < 73) return [['SETBIT', key('b'), random.int(0, 3000), random.int(0, 1)]]
    if (dice < 74)
      return [['BITFIELD', key('b'), 'SET', 'u8', random.int(0, 99), random.int(0, 255), 'INCRBY', 'i5', 3, 1]]
    if (dice < 75) return [['BITOP', random.pick(['AND', 'OR', 'XOR']), key('b'), key('b'), key('b')]]
    if (dice < 77) return [['PFADD', key('pf'), random.text(5), random.text(5), random.text(5)]]
    if (dice < 78) return random.chance(0.5) ? [['PFCOUNT', key('pf')]] : [['PFMERGE', key('pf'), key('pf'), key('pf')]]
    if (dice < 80) return [['RENAME', key('s'), key('s')]]
    if (dice < 81) return [['COPY', key('s'), key('s'), 'REPLACE']]
    if (dice < 82) return [['EVAL', SCRIPT, 2, key('s'), key('n'), random.text(5)]]
    if (dice < 83) return [['COPY', key('n'), key('n'), 'DB', random.pick(SWAPPED_DBS), 'REPLACE']]
    if (dice < 84) return [['MOVE', key('s'), random.pick(SWAPPED_DBS)]]
    if (dice < 85) return this.#elsewhere()
    if (dice < 86) return this.#move()
    if (dice < 91) return this.#group(key)
    return this.#pair(random.int(0, this.pairCount - 1))
  }

  /** Writes in other databases. */
  #elsewhere(): Argument[][] {
    const random = this.#random
    if (random.chance(0.1)) return [['SWAPDB', ...SWAPPED_DBS]]
    const commands: Argument[][] = [['SELECT', random.pick(SWAPPED_DBS)]]
    for (let i = random.int(1, 5); i > 0; i--) commands.push(['SET', `w:s:${random.int(0, KEYS - 1)}`, random.text(8)])
    commands.push(['DEL', `w:s:${random.int(0, KEYS - 1)}`], ['SELECT', FLUSHED_DB])
    for (let i = random.int(1, 9); i > 0; i--) commands.push(['SET', `small:${random.int(0, 50)}`, random.text(8)])
    if (random.chance(0.3)) commands.push(['FLUSHDB', random.pick(['SYNC', 'ASYNC'])])
    commands.push(['SELECT', 0])
    return commands
  }

  #group(key: (kind: string) => string): Argument[][] {
    const random = this.#random
    const commands: Argument[][] = [['MULTI']]
    for (let i = random.int(1, 6); i > 0; i--) commands.push(['SET', key('s'), random.text(10)], ['INCR', key('n')])
    if (random.chance(0.2)) commands.push(['SELECT', FLUSHED_DB], ['SET', 'small:multi', random.text(3)], ['SELECT', 0])
    commands.push(['EXEC'])
    return commands
  }

  /** What commands do to keys of any type. */
  #move(): Argument[][] {
    const { movable } = this.options
    if (movable === undefined || movable.length === 0) return [['SET', 'w:s:0', 'x']]
    const random = this.#random
    const source = random.pick(movable)
    const target = `moved:${this.#renamed++ % 500}`
    switch (random.int(0, 5)) {
      case 0:
        return [['RENAME', source, target]]
      case 1:
        return [['COPY', source, target, 'REPLACE']]
      case 2:
        return [['COPY', source, target, 'DB', random.pick(SWAPPED_DBS), 'REPLACE']]
      case 3:
        return [['MOVE', source, random.pick(SWAPPED_DBS)]]
      case 4:
        return [['PEXPIRE', source, random.int(7_200_000, 9_000_000)]]
      default:
        return [
          ['RENAME', source, target],
          ['RENAME', target, source],
          ['UNLINK', target],
        ]
    }
  }
}
