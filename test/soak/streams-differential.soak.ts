/**
 * The same random stream commands go to a stock server and to ours: replies must have the same bytes where no clock is in
 * them, else the same values, with times at most some seconds apart. At the end of a round XINFO, digests and DUMP
 * payloads are compared, and payloads are exchanged both ways.
 */
import {
  databaseCommands,
  datasetDigest,
  dumpCommands,
  keyCommands,
  Keyspace,
  objectCommands,
  streamCommands,
  stringCommands,
} from '@understudy/core/internal'
import { CommandRunner } from '../support/command-runner.ts'
import type { Argument, RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { PushReply, readAllReplies, type Reply, ReplyError } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { shownCommand } from '../support/shown-command.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import { NO_STREAM_KEY, STREAM_KEYS, StreamCommands } from '../support/stream-commands.ts'

export const soak: Soak = {
  comparesReplies: true,
  about: 'a round sends some hundred stream commands to a stock server and to ours; replies and payloads must agree',
  stated: { count: 2_000 },
  slice: { count: 12 },
  run,
}

const COMMANDS_PER_ROUND = 600
/** Both sides have a clock. */
const CLOCK_MS_MAX = 10_000
const TABLES = [streamCommands, stringCommands, keyCommands, dumpCommands, objectCommands, databaseCommands()] as const
/** stream-node-max-bytes and -entries of a round. */
const NODE_LIMITS = [
  [4096, 100],
  [4096, 100],
  [200, 10],
  [0, 7],
  [0, 0],
  [100_000, 1000],
] as const

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const server = await startRedisServer({ directives: { rdbcompression: 'no' } })
  let count = 0
  let commands = 0
  try {
    const client = await server.raw({ timeoutMs: 30_000 })
    for (const round of rounds(options)) {
      const pair = new Pair(client, random.fork(), `seed ${options.seed}, round ${round}`)
      await pair.run()
      commands += pair.commandCount
      count++
    }
  } finally {
    await server.stop()
  }
  return { count, counted: { commands } }
}

class Pair {
  commandCount = 0
  readonly #client: RawClient
  readonly #random: SeededRandom
  readonly #where: string
  readonly #runner = new CommandRunner(TABLES, { keyspace: new Keyspace({ databaseCount: 16 }) })
  readonly #history: string[] = []

  constructor(client: RawClient, random: SeededRandom, where: string) {
    this.#client = client
    this.#random = random
    this.#where = where
  }

  async run(): Promise<void> {
    const random = this.#random
    const resp = random.pick([2, 3] as const)
    const [bytes, entries] = random.pick(NODE_LIMITS)
    await this.#client.call('CONFIG', 'SET', 'stream-node-max-bytes', bytes, 'stream-node-max-entries', entries)
    this.#runner.settings.encodings.streamNodeMaxBytes = bytes
    this.#runner.settings.encodings.streamNodeMaxEntries = entries
    await this.#client.call('HELLO', resp)
    await this.#client.call('FLUSHALL')
    this.#runner.resp = resp
    await this.#same('SET', NO_STREAM_KEY, 'x')
    await this.#same('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
    const commands = new StreamCommands(random)
    for (let i = 0; i < COMMANDS_PER_ROUND; i++) {
      await this.#same(...commands.next())
      if (i % 100 === 99) await this.#compareAll()
    }
    await this.#compareAll()
  }

  async #compareAll(): Promise<void> {
    for (const key of STREAM_KEYS) {
      await this.#same('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0)
      await this.#same('XINFO', 'STREAM', key)
      await this.#same('XINFO', 'GROUPS', key)
      await this.#same('XREVRANGE', key, '+', '-')
      await this.#same('OBJECT', 'ENCODING', key)
      await this.#exchange(key)
    }
    const theirs = await this.#client.call('DEBUG', 'DIGEST')
    const ours = datasetDigest(this.#runner.keyspace)
    if (theirs !== ours) this.#fail('DEBUG DIGEST', String(theirs), ours)
  }

  /**
   * A payload of theirs comes back from us with the same content, and ours has what theirs has. Our compression finds other
   * matches, so payloads are compared as their server writes them without any.
   */
  async #exchange(key: string): Promise<void> {
    if (key === NO_STREAM_KEY) return
    const theirs = readOne(await this.#client.callExact('DUMP', key))
    const ours = readOne(this.#runner.text('DUMP', key))
    if (!(theirs instanceof Buffer) || !(ours instanceof Buffer)) {
      if (theirs !== ours) this.#fail(`DUMP ${key}`, String(theirs), String(ours))
      return
    }
    this.#runner.text('RESTORE', 'copy', 0, theirs, 'REPLACE')
    const back = readOne(this.#runner.text('DUMP', 'copy'))
    const theirsAgain = await this.#rewritten(back)
    if (theirsAgain !== hex(theirs)) this.#fail(`DUMP ${key} of theirs`, hex(theirs), theirsAgain)
    const oursThere = await this.#rewritten(ours)
    // Consumers and pending entries carry times; without them both sides have the same bytes.
    if (oursThere !== hex(theirs) && (await this.#withoutTimes(key))) {
      this.#fail(`DUMP ${key}`, hex(theirs), oursThere)
    }
    this.#runner.text('COPY', 'copy', 'copy2', 'REPLACE')
    const copied = readOne(this.#runner.text('DUMP', 'copy2'))
    if (hex(copied) !== hex(back)) this.#fail(`COPY ${key}`, hex(back), hex(copied))
    this.#runner.text('DEL', 'copy', 'copy2')
    await this.#client.call('DEL', 'copy')
  }

  /** What their server makes of a payload, in hex. */
  async #rewritten(payload: Reply): Promise<string> {
    await this.#client.call('RESTORE', 'copy', 0, payload as Buffer, 'REPLACE')
    return hex(readOne(await this.#client.callExact('DUMP', 'copy')))
  }

  async #withoutTimes(key: string): Promise<boolean> {
    const groups = (await this.#client.call('XINFO', 'GROUPS', key)) as unknown[]
    return groups.length === 0
  }

  async #same(...command: Argument[]): Promise<void> {
    this.commandCount++
    this.#history.push(shownCommand(command))
    const theirs = await this.#client.callExact(...command)
    let ours: string
    try {
      ours = this.#runner.text(...command)
    } catch (error) {
      throw new Error(`${this.#where}: ${shownCommand(command)}\nafter\n  ${this.#recent()}`, { cause: error })
    }
    if (theirs !== ours && !sameButTimes(command, readOne(theirs), readOne(ours)))
      this.#fail(shownCommand(command), theirs, ours)
  }

  #recent(): string {
    return this.#history.slice(-40).join('\n  ')
  }

  #fail(what: string, theirs: string, ours: string): never {
    let at = 0
    while (at < theirs.length && theirs[at] === ours[at]) at++
    const from = Math.max(0, at - 200)
    throw new Error(
      `${this.#where}: ${what}, from ${from} on\n theirs ${JSON.stringify(theirs.slice(from, at + 400))}\n ours   ${JSON.stringify(ours.slice(from, at + 400))}\nafter\n  ${this.#recent()}`,
    )
  }
}

/** Are two replies equal, except that the clock went on between them? */
function sameButTimes(command: readonly Argument[], theirs: Reply, ours: Reply, place = ''): boolean {
  if (theirs instanceof Map && ours instanceof Map) {
    return sameButTimes(command, [...theirs].flat() as Reply, [...ours].flat() as Reply, place)
  }
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    if (theirs.length !== ours.length) return false
    return theirs.every((item, i) => {
      const name = theirs[i - 1]
      const label = name instanceof Buffer ? name.toString('latin1') : ''
      return sameButTimes(command, item, ours[i] as Reply, `${theirs.length}:${i}:${label}`)
    })
  }
  if (theirs instanceof Buffer && ours instanceof Buffer) return theirs.equals(ours)
  if (typeof theirs === 'number' && typeof ours === 'number') {
    if (theirs === ours) return true
    const times =
      theirs > 1_600_000_000_000 || place.endsWith(':idle') || (command[0] === 'XPENDING' && place.startsWith('4:2:'))
    return times && Math.abs(theirs - ours) <= CLOCK_MS_MAX
  }
  if (theirs instanceof ReplyError && ours instanceof ReplyError) return theirs.message === ours.message
  if (theirs instanceof PushReply) return false
  return theirs === ours
}

function readOne(text: string): Reply {
  return readAllReplies(Buffer.from(text, 'latin1'), true)[0] as Reply
}

function hex(reply: Reply): string {
  return reply instanceof Buffer ? reply.toString('hex') : String(reply)
}
