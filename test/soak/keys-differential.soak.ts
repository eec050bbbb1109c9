/**
 * The same random commands about keys go to a stock server and to our commands: every reply must have the same bytes, and
 * the datasets the same digest. Values are payloads that the stock server made, of every type and encoding.
 *
 * Where a reply may rightly differ (time that passes between the two, the order of a hash table, a random key) it is
 * compared by what must hold. Both sides never see an expired key; that the stock server has deleted it by then and we
 * have not is settled before digests are compared.
 */
import {
  databaseCommands,
  datasetDigest,
  dumpCommands,
  expireCommands,
  keyCommands,
  Keyspace,
  objectCommands,
  scanCommands,
  sortCommands,
} from '@understudy/core/internal'
import { CommandRunner } from '../support/command-runner.ts'
import type { Argument, RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { readAllReplies, type Reply } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { shownCommand } from '../support/shown-command.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import { makeValuePayloads, type ValuePayload } from '../support/value-payloads.ts'

export const soak: Soak = {
  comparesReplies: true,
  about: 'a round sends some hundred random key commands to a stock server and to ours; replies and digests must agree',
  stated: { count: 2_000 },
  slice: { count: 12 },
  run,
}

const DATABASES = 3
const COMMANDS_PER_ROUND = 300
const TABLES = [
  keyCommands,
  expireCommands,
  scanCommands,
  objectCommands,
  dumpCommands,
  databaseCommands(),
  sortCommands,
] as const
const KEYS: readonly (string | Buffer)[] = [
  'a',
  'b',
  'c',
  'key:1',
  'key:2',
  'k*y',
  'h[ae]llo',
  '',
  Buffer.from([0, 255, 13, 10]),
  'L'.repeat(9000),
  'M'.repeat(40_000),
]
const PATTERNS = ['*', 'key:*', '?', '[a-b]', 'h\\[*', '*y', '', 'k\\*y', '[^a]', 'L*', '\\']

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  // Its own expiry cycle is off: keys go when they are met, or when the end of a round meets them all.
  const server = await startRedisServer({ directives: { databases: DATABASES, maxclients: 50 } })
  let count = 0
  let commands = 0
  try {
    const client = await server.raw({ timeoutMs: 30_000 })
    await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    const payloads = await makeValuePayloads(client, random.fork())
    for (const round of rounds(options)) {
      const pair = new Pair(client, random.fork(), payloads, `seed ${options.seed}, round ${round}`)
      await pair.run()
      commands += pair.commandCount
      count++
    }
  } finally {
    await server.stop()
  }
  return { count, counted: { commands } }
}

/** One round: both sides, and what is compared. */
class Pair {
  commandCount = 0
  readonly #client: RawClient
  readonly #random: SeededRandom
  readonly #payloads: readonly ValuePayload[]
  readonly #where: string
  readonly #runner: CommandRunner
  readonly #history: string[] = []
  #db = 0

  constructor(client: RawClient, random: SeededRandom, payloads: readonly ValuePayload[], where: string) {
    this.#client = client
    this.#random = random
    this.#payloads = payloads
    this.#where = where
    this.#runner = new CommandRunner(TABLES, { keyspace: new Keyspace({ databaseCount: DATABASES }) })
  }

  async run(): Promise<void> {
    const resp = this.#random.pick([2, 3] as const)
    await this.#client.call('HELLO', resp)
    await this.#client.call('SELECT', 0)
    await this.#client.call('FLUSHALL')
    this.#runner.resp = resp
    for (let i = 0; i < COMMANDS_PER_ROUND; i++) await this.#step()
    await this.#settleExpired()
    for (let db = 0; db < DATABASES; db++) {
      await this.#select(db)
      await this.#same('DBSIZE')
      await this.#sameKeys()
    }
    const theirs = await this.#client.call('DEBUG', 'DIGEST')
    if (theirs !== datasetDigest(this.#runner.keyspace)) this.#fail('digest', String(theirs), 'ours differs')
  }

  async #step(): Promise<void> {
    const random = this.#random
    switch (random.int(0, 39)) {
      case 0:
        return this.#select(random.int(0, DATABASES - 1))
      case 1:
        return this.#sameKeys(random.pick(PATTERNS))
      case 2:
        return this.#sameScan()
      case 3:
        return this.#randomKey()
      case 4:
        return this.#shortLife()
      case 5:
      case 6:
        return this.#exchange()
      case 7:
        return random.chance(0.2)
          ? this.#same(random.pick(['FLUSHDB', 'FLUSHALL', 'flushdb']), ...this.#maybe(['ASYNC', 'SYNC', 'x'], 0.5))
          : undefined
      case 8:
        return this.#same('SWAPDB', this.#database(), this.#database())
      case 9:
        return random.chance(0.5) ? this.#ttl() : this.#refcount()
      default:
        await this.#same(...this.#command())
    }
  }

  /** A command whose reply must have the same bytes. */
  #command(): Argument[] {
    const random = this.#random
    const key = (): Argument => random.pick(KEYS)
    switch (random.int(0, 21)) {
      case 0:
        return [random.pick(['DEL', 'UNLINK', 'EXISTS', 'TOUCH']), key(), ...this.#some(key)]
      case 1:
        return ['TYPE', key()]
      case 2:
        return ['RENAME', key(), key()]
      case 3:
        return ['RENAMENX', key(), key()]
      case 4:
      case 5:
        return ['COPY', key(), key(), ...this.#copyOptions()]
      case 6:
        return ['MOVE', key(), this.#database()]
      case 7:
      case 8:
        return [random.pick(['EXPIRE', 'PEXPIRE']), key(), this.#duration(), ...this.#some(() => this.#condition())]
      case 9:
      case 10:
        return [random.pick(['EXPIREAT', 'PEXPIREAT']), key(), this.#instant(), ...this.#some(() => this.#condition())]
      case 11:
        return ['PERSIST', key()]
      case 12:
        return [random.pick(['EXPIRETIME', 'PEXPIRETIME']), key()]
      case 13:
        return ['OBJECT', random.pick(['ENCODING', 'FREQ']), key()]
      case 14:
        return random.pick<Argument[]>([
          ['OBJECT', 'nope', 'a'],
          ['OBJECT', 'HELP'],
          ['OBJECT', 'ENCODING'],
          ['DBSIZE', 'x'],
          ['COPY', 'a'],
          ['SCAN', random.pick(['x', '1x', ' 1', '18446744073709551616', '0 '])],
          ['SCAN', '0', ...this.#scanNonsense()],
        ])
      case 15:
        return [random.pick(['SORT', 'SORT_RO']), 'never-there', ...this.#sortOptions()]
      default:
        return this.#restore()
    }
  }

  #restore(): Argument[] {
    const random = this.#random
    const payload = Buffer.from(random.pick(this.#payloads).payload)
    if (random.chance(0.05)) payload[random.int(0, payload.length - 1)]! ^= 1 << random.int(0, 7)
    if (random.chance(0.02)) payload.fill(0, payload.length - 8)
    const cut = random.chance(0.02) ? random.int(0, payload.length) : payload.length
    const ttl = random.chance(0.6) ? 0 : random.pick<Argument>([this.#duration(), '-1', 'x', 86_400_000])
    const options = this.#some(() =>
      random.pick<Argument[]>([
        ['ABSTTL'],
        ['IDLETIME', 100],
        ['FREQ', 3],
        ['x'],
        ['IDLETIME', '-1'],
        ['FREQ', 256],
        ['IDLETIME'],
      ]),
    ).flat()
    return [
      random.pick(['RESTORE', 'RESTORE', 'restore-asking']),
      random.pick(KEYS),
      ttl,
      payload.subarray(0, cut),
      ...(random.chance(0.85) ? ['REPLACE'] : []),
      ...(random.chance(0.2) ? options : []),
    ]
  }

  #copyOptions(): Argument[] {
    return this.#some(() =>
      this.#random.pick<() => Argument[]>([
        () => ['REPLACE'],
        () => ['replace'],
        () => ['DB', this.#database()],
        () => ['DB'],
        () => ['x'],
      ])(),
    ).flat()
  }

  #sortOptions(): Argument[] {
    return this.#some(() =>
      this.#random.pick<Argument[]>([
        ['ASC'],
        ['DESC'],
        ['ALPHA'],
        ['LIMIT', 0, 1],
        ['LIMIT', 'x', 1],
        ['LIMIT', 0],
        ['BY', 'w_*'],
        ['GET', '#'],
        ['STORE', 'b'],
        ['x'],
      ]),
    ).flat()
  }

  #scanNonsense(): Argument[] {
    return this.#some(() =>
      this.#random.pick<Argument[]>([['COUNT', 0], ['COUNT', 'x'], ['COUNT', '-5'], ['x', 'y'], ['COUNT']]),
    )
      .flat()
      .concat('x')
  }

  #database(): Argument {
    return this.#random.pick<Argument>([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, -1, 'x', '99999999999', '1 ', '01'])
  }

  #condition(): Argument {
    return this.#random.pick(['NX', 'XX', 'GT', 'LT', 'gt', 'bad\0ly'])
  }

  /** Far from now, so that the moment between the two sides makes no difference. */
  #duration(): Argument {
    return this.#random.pick<Argument>([
      100_000,
      200_000,
      3_000_000,
      5_000_000,
      -1,
      0,
      -100_000,
      'x',
      '1.5',
      '',
      '9223372036854775807',
      '-9223372036854775808',
      '9223372036854776',
      '99999999999999999999',
    ])
  }

  #instant(): Argument {
    return this.#random.pick<Argument>([
      4_000_000_000,
      4_100_000_000,
      '4000000000000',
      '4100000000123',
      '4100000000499',
      '4100000000500',
      1,
      0,
      -1,
      -5000,
      '1600000000',
      'x',
      '9223372036854776',
      '',
      '+1',
    ])
  }

  #some<T>(make: () => T): T[] {
    return Array.from({ length: this.#random.pick([0, 0, 0, 1, 1, 2, 3]) }, make)
  }

  #maybe(choices: readonly string[], probability: number): string[] {
    return this.#random.chance(probability) ? [this.#random.pick(choices)] : []
  }

  async #theirs(...command: Argument[]): Promise<string> {
    this.commandCount++
    this.#history.push(`db${this.#db} ${shownCommand(command)}`)
    return this.#client.callExact(...command)
  }

  #ours(...command: Argument[]): string {
    return this.#runner.text(...command)
  }

  async #same(...command: Argument[]): Promise<void> {
    const theirs = await this.#theirs(...command)
    const ours = this.#ours(...command)
    if (ours !== theirs) this.#fail(shownCommand(command), theirs, ours)
    const name = String(command[0]).toUpperCase()
    if (name === 'EXPIRE' || name === 'PEXPIRE' || name.startsWith('RESTORE')) await this.#settleTime(command[1]!)
  }

  /** Relative times were counted from two moments: ours is made theirs. */
  async #settleTime(key: Argument): Promise<void> {
    const theirs = await this.#client.call('PEXPIRETIME', key)
    const ours = readOne(this.#ours('PEXPIRETIME', key))
    if (theirs === ours) return
    const difference = Math.abs(Number(theirs) - Number(ours))
    if (!(difference <= 2 ** 32) || Number(theirs) < 0 || Number(ours) < 0) {
      this.#fail(`PEXPIRETIME ${shownCommand([key])}`, String(theirs), String(ours))
    }
    // Times beyond 2^53 are rounded here.
    if (Number.isSafeInteger(Number(theirs))) this.#ours('PEXPIREAT', key, Number(theirs))
    else await this.#same('PERSIST', key)
  }

  async #select(db: number): Promise<void> {
    this.#db = db
    await this.#client.call('SELECT', db)
    this.#runner.db = db
  }

  async #ttl(): Promise<void> {
    const [name, tolerance] = this.#random.pick([
      ['TTL', 1],
      ['PTTL', 1000],
    ] as const)
    const key = this.#random.pick(KEYS)
    const theirs = readOne(await this.#theirs(name, key))
    const ours = readOne(this.#ours(name, key))
    const close = Number(theirs) > 0 && Number(ours) > 0 && Math.abs(Number(theirs) - Number(ours)) <= tolerance
    if (theirs !== ours && !close) this.#fail(name, String(theirs), String(ours))
  }

  /** COPY makes an integer of its own out of a shared one; here they are the same. */
  async #refcount(): Promise<void> {
    const key = this.#random.pick(KEYS)
    const theirs = await this.#theirs('OBJECT', 'REFCOUNT', key)
    const ours = this.#ours('OBJECT', 'REFCOUNT', key)
    if (theirs !== ours && !(theirs === ':1\r\n' && ours === ':2147483647\r\n')) this.#fail('REFCOUNT', theirs, ours)
  }

  async #sameKeys(pattern = '*'): Promise<void> {
    const theirs = sorted(readOne(await this.#theirs('KEYS', pattern)))
    const ours = sorted(readOne(this.#ours('KEYS', pattern)))
    if (theirs !== ours) this.#fail(`KEYS ${pattern}`, theirs, ours)
  }

  async #sameScan(): Promise<void> {
    const options: Argument[] = []
    if (this.#random.chance(0.5)) options.push('COUNT', this.#random.pick([1, 2, 5, 1000, '9223372036854775807']))
    if (this.#random.chance(0.5)) options.push('MATCH', this.#random.pick(PATTERNS))
    if (this.#random.chance(0.5))
      options.push('type', this.#random.pick(['string', 'LIST', 'hash', 'zset', 'set', 'stream', 'x']))
    const theirs = await walk(async (cursor) => readOne(await this.#theirs('SCAN', cursor, ...options)))
    const ours = await walk((cursor) => Promise.resolve(readOne(this.#ours('SCAN', cursor, ...options))))
    if (theirs !== ours) this.#fail(`SCAN ${shownCommand(options)}`, theirs, ours)
  }

  async #randomKey(): Promise<void> {
    const theirs = readOne(await this.#theirs('RANDOMKEY'))
    const ours = readOne(this.#ours('RANDOMKEY'))
    if (theirs === null && ours === null) return
    if (!(ours instanceof Buffer) || (await this.#client.call('EXISTS', ours)) !== 1) {
      this.#fail('RANDOMKEY', String(theirs), String(ours))
    }
  }

  /** A key expires: from then on both sides hide it. */
  async #shortLife(): Promise<void> {
    if (!this.#random.chance(0.25)) return
    const keys = this.#random.shuffle(KEYS).slice(0, this.#random.int(1, 4))
    const at = Date.now() + 15
    for (const key of keys) await this.#same('PEXPIREAT', key, at)
    while (Date.now() <= at + 1) await new Promise((resolve) => setTimeout(resolve, 3))
  }

  /** Our DUMP is taken by the stock server, and is there what it is here. */
  async #exchange(): Promise<void> {
    const key = this.#random.pick(KEYS)
    const theirs = await this.#theirs('DUMP', key)
    const text = this.#ours('DUMP', key)
    const ours = readOne(text)
    if (!(ours instanceof Buffer)) {
      if (text !== theirs) this.#fail(`DUMP ${shownCommand([key])}`, theirs, text)
      return
    }
    const scratch = 'scratch'
    const expireAt = Number(readOne(this.#ours('PEXPIRETIME', key)))
    await this.#client.call(
      'RESTORE',
      scratch,
      BigInt(Math.max(0, expireAt)),
      ours,
      'REPLACE',
      ...(expireAt > 0 ? ['ABSTTL'] : []),
    )
    const digests = (await this.#client.call('DEBUG', 'DIGEST-VALUE', scratch, key)) as string[]
    if (digests[0] !== digests[1]) this.#fail(`DUMP ${shownCommand([key])}`, digests[1]!, digests[0]!)
    await this.#client.call('DEL', scratch)
  }

  /** Removes what has expired on both sides. */
  async #settleExpired(): Promise<void> {
    for (let db = 0; db < DATABASES; db++) {
      await this.#select(db)
      await this.#client.call('EXISTS', ...KEYS)
      // For a client, DEL of an expired key removes it and does not count it.
      const { keyspace } = this.#runner
      const expired: Buffer[] = []
      keyspace.forEach(db, (entry) => {
        if (entry.expireAtMs !== -1 && entry.expireAtMs < Date.now()) expired.push(entry.keyToBuffer())
      })
      for (const key of expired)
        if (this.#ours('DEL', key) !== ':0\r\n') this.#fail('DEL of an expired key', ':0', ':1')
    }
  }

  #fail(what: string, theirs: string, ours: string): never {
    const recent = this.#history.slice(-30).join('\n  ')
    throw new Error(
      `${this.#where}: ${what}\n theirs ${JSON.stringify(theirs.slice(0, 600))}\n ours   ${JSON.stringify(ours.slice(0, 600))}\nafter\n  ${recent}`,
    )
  }
}

function readOne(text: string): Reply {
  return readAllReplies(Buffer.from(text, 'latin1'), true)[0] as Reply
}

function sorted(reply: Reply): string {
  if (!Array.isArray(reply)) return `not an array: ${String(reply)}`
  return reply
    .map((item) => (item as Buffer).toString('hex').slice(0, 200))
    .toSorted()
    .join(' ')
}

/** All that a SCAN meets, without repetition. */
async function walk(scan: (cursor: string) => Promise<Reply>): Promise<string> {
  const seen = new Set<string>()
  let cursor = '0'
  for (let calls = 0; calls < 10_000; calls++) {
    const reply = await scan(cursor)
    if (!Array.isArray(reply)) return `not an array: ${String(reply)}`
    for (const key of reply[1] as Buffer[]) seen.add(key.toString('hex').slice(0, 200))
    cursor = String(reply[0])
    if (cursor === '0') return [...seen].toSorted().join(' ')
  }
  return 'never ends'
}
