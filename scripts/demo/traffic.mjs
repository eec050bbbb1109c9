/**
 * The demo's data: a first filling with every type, and then writes of the kinds that this version applies from the
 * stream (strings, counters, bitmaps, HyperLogLogs, expiry, deleting, renaming, copying, MULTI groups). It talks to the
 * primary only.
 */

/** @typedef {import('ioredis').Redis} Redis */
/** @typedef {ReturnType<Redis['pipeline']>} Pipeline */

const PIPELINE_COMMANDS = 2000
/** Between two batches of live writes. */
const TICK_MS = 20
const ACCOUNTS = 1000
const SESSION_SECONDS_MAX = 20

/** Shares of the keys of the first filling, in order; the rest are users. @type {readonly (readonly [number, (pipeline: Pipeline, i: number) => void])[]} */
const SHARES = [
  [0.1, (pipeline, i) => pipeline.set(`page:${i}:views`, i % 977)],
  [
    0.1,
    (pipeline, i) =>
      pipeline.set(
        `session:${i}`,
        `user ${i}, last seen ${new Date(1.7e12 + i).toISOString()}`,
        'EX',
        600 + (i % 3000),
      ),
  ],
  [
    0.05,
    (pipeline, i) =>
      pipeline.hset(`profile:${i}`, {
        name: `user ${i}`,
        city: CITIES[i % CITIES.length] ?? '',
        since: String(2000 + (i % 25)),
      }),
  ],
  [0.04, (pipeline, i) => pipeline.rpush(`inbox:${i}`, ...texts(i, 1 + (i % 8)))],
  [0.03, (pipeline, i) => pipeline.sadd(`follows:${i}`, ...numbers(i, 1 + (i % 20)))],
  [
    0.03,
    (pipeline, i) => pipeline.zadd(`scores:${i}`, ...numbers(i, 1 + (i % 12)).flatMap((n) => [n / 7, `player ${n}`])),
  ],
  [0.01, (pipeline, i) => pipeline.xadd(`orders:${i}`, '*', 'item', String(i % 100), 'count', String(1 + (i % 5)))],
]
const CITIES = ['Utrecht', 'Lagos', 'Osaka', 'Lima', 'Tartu']

/**
 * @param {number} from
 * @param {number} length
 */
function numbers(from, length) {
  return Array.from({ length }, (_, i) => (from * 31 + i * 17) % 100_000)
}

/**
 * @param {number} from
 * @param {number} length
 */
function texts(from, length) {
  return numbers(from, length).map((n) => `message ${n}: ${'lorem ipsum dolor '.repeat(1 + (n % 3))}`)
}

/**
 * Fills an empty primary.
 *
 * @param {Redis} primary
 * @param {number} keys About how many.
 * @param {(done: number) => void} progress
 */
export async function fill(primary, keys, progress) {
  let i = 0
  const slots = SHARES.flatMap(([share, make]) => Array.from({ length: Math.round(share * 100) }, () => make))
  while (i < keys) {
    const pipeline = primary.pipeline()
    for (const to = Math.min(keys, i + PIPELINE_COMMANDS); i < to; i++) {
      const make = slots[i % 100] ?? user
      make(pipeline, i)
    }
    await execute(pipeline)
    progress(i)
  }
  const pipeline = primary.pipeline()
  for (let account = 0; account < ACCOUNTS; account++) pipeline.set(`account:${account}:balance`, 100)
  // Some of everything big: a long string, a long list, a large hash and set, and another database.
  pipeline.setrange('big:string', 3_000_000, 'the end')
  for (let part = 0; part < 50; part++) {
    pipeline.rpush('big:list', ...texts(part, 400))
    pipeline.hset('big:hash', Object.fromEntries(numbers(part * 400, 400).map((n) => [`field ${n}`, n])))
    pipeline.sadd('big:set', ...texts(part * 400, 400))
    pipeline.zadd('big:zset', ...numbers(part * 400, 400).flatMap((n) => [n, `member ${n}`]))
  }
  pipeline.select(1)
  for (let n = 0; n < 1000; n++) pipeline.set(`archive:${n}`, `in database 1, number ${n}`)
  pipeline.select(0)
  await execute(pipeline)
}

/**
 * @param {Pipeline} pipeline
 * @param {number} i
 */
function user(pipeline, i) {
  pipeline.set(
    `user:${i}`,
    `{"id":${i},"name":"user ${i}","city":"${CITIES[i % CITIES.length]}","score":${(i * 7919) % 10_000}}`,
  )
}

/**
 * @param {Pipeline} pipeline
 * @throws the first error that the primary answered with.
 */
async function execute(pipeline) {
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
}

/** Live writes at a steady rate, until `stop()`. */
export class Traffic {
  /** Write commands the primary has acknowledged; those of a group count one by one. */
  writes = 0
  /** Sum of what the MULTI groups moved; they never change the sum of all balances. */
  transfers = 0
  #primary
  #perTick
  #keys
  #stopped = false
  /** @type {Promise<void>} */
  #running = Promise.resolve()

  /**
   * @param {Redis} primary A connection of its own.
   * @param {number} writesPerSecond
   * @param {number} keys As given to `fill`.
   */
  constructor(primary, writesPerSecond, keys) {
    this.#primary = primary
    this.#perTick = Math.max(1, Math.round((writesPerSecond * TICK_MS) / 1000))
    this.#keys = keys
  }

  /** @param {(error: unknown) => void} onError Told once; no writes follow. */
  start(onError) {
    this.#running = this.#run().catch(onError)
  }

  /** Resolves when the last write is acknowledged. */
  async stop() {
    this.#stopped = true
    await this.#running
  }

  async #run() {
    const began = performance.now()
    for (let tick = 0; !this.#stopped; tick++) {
      const pipeline = this.#primary.pipeline()
      pipeline.set('clock', new Date().toISOString())
      let made = 1
      while (made < this.#perTick) made += this.#write(pipeline)
      await execute(pipeline)
      this.writes += made
      const late = performance.now() - began - tick * TICK_MS
      // A machine that cannot keep up gets fewer writes, not a queue of them.
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, TICK_MS - Math.max(0, late))))
    }
  }

  /**
   * @param {Pipeline} pipeline
   * @returns {number} Write commands added.
   */
  #write(pipeline) {
    const kind = random(100)
    const n = random(this.#keys)
    if (kind < 30) pipeline.incrby(`page:${n}:views`, 1 + random(3))
    else if (kind < 45) user(pipeline, n)
    else if (kind < 60) pipeline.set(`session:live:${n}`, `since ${Date.now()}`, 'EX', 1 + random(SESSION_SECONDS_MAX))
    else if (kind < 66) pipeline.append(`log:${n % 500}`, `${Date.now()} something happened\n`)
    else if (kind < 68) pipeline.del(`log:${n % 500}`)
    else if (kind < 74) pipeline.setbit('visitors:today', n, 1)
    else if (kind < 80) pipeline.pfadd('visitors:unique', `visitor ${n}`)
    else if (kind < 84) pipeline.expire(`profile:${n}`, 3600)
    else if (kind < 87) pipeline.copy(`profile:${n}`, `profile:copy:${n % 1000}`, 'REPLACE')
    else if (kind < 90) pipeline.setrange('big:string', random(3_000_000), `written at ${Date.now()}`)
    else if (kind < 92) pipeline.mset(`pair:${n % 1000}:a`, kind, `pair:${n % 1000}:b`, kind)
    else return this.#transfer(pipeline)
    return 1
  }

  /** Money from one account to another: nobody may ever see the sum of all accounts change. @param {Pipeline} pipeline */
  #transfer(pipeline) {
    const amount = 1 + random(10)
    this.transfers++
    pipeline.call('MULTI')
    pipeline.decrby(`account:${random(ACCOUNTS)}:balance`, amount)
    pipeline.incrby(`account:${random(ACCOUNTS)}:balance`, amount)
    pipeline.incr('transfers')
    pipeline.call('EXEC')
    return 3
  }
}

/** @param {number} bound */
function random(bound) {
  return Math.floor(Math.random() * bound)
}

/** Names of all accounts. */
export const ACCOUNT_KEYS = Array.from({ length: ACCOUNTS }, (_, account) => `account:${account}:balance`)
export const ACCOUNTS_SUM = ACCOUNTS * 100
