/**
 * The same random commands run in a real redis-server and in this process: every reply must be equal byte for byte, and so
 * must the keys afterwards. What the server then sends its replicas is run as the replication stream in a second keyspace,
 * which must come to the same keys again.
 */
import { bitmapCommands, hyperloglogCommands, stringCommands } from '@understudy/core/internal'
import { CommandRunner } from '../support/command-runner.ts'
import { encodeCommand, type RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { Reply } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { shownCommand } from '../support/shown-command.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import { StreamFollower } from '../support/stream-follower.ts'
import {
  type Command,
  DIFFERENTIAL_KEYS,
  DIFFERENTIAL_STRING_BYTES_MAX,
  LIST_KEY,
  randomCommand,
} from '../support/strings-commands.ts'

export const soak: Soak = {
  comparesReplies: true,
  about:
    'a round runs 200 random string, bitmap and HyperLogLog commands in Redis, here, and here again from the stream',
  stated: { count: 5_000 },
  slice: { count: Infinity, seconds: 6 },
  run,
}

const COMMANDS_PER_ROUND = 200
const TABLES = [stringCommands, bitmapCommands, hyperloglogCommands]
const RDB_TYPE_LIST_QUICKLIST_2 = 18
const SPARSE_HLL = Buffer.from('HYLL\x01')
/** A relative time is counted from the moment of each side. */
const EXPIRY_TOLERANCE_MS = 20_000

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const server = await startRedisServer({
    directives: {
      'proto-max-bulk-len': DIFFERENTIAL_STRING_BYTES_MAX,
      'repl-diskless-sync': 'no',
      'repl-timeout': 86_400,
    },
  })
  try {
    const client = await server.raw({ timeoutMs: 60_000 })
    const here = new CommandRunner(TABLES)
    here.settings.protoMaxBulkBytes = DIFFERENTIAL_STRING_BYTES_MAX
    const replica = await StreamFollower.connect(server)
    let count = 0
    let errors = 0
    for (const round of rounds(options)) {
      const where = `seed ${options.seed}, round ${round}`
      const resp = random.chance(0.5) ? 2 : 3
      const sparseBytesMax = random.pick([0, 60, 300, 3000, 16_000])
      const begin = (): Promise<void> => beginRound(client, here, resp, sparseBytesMax)
      await begin()
      replica.runner.settings.hllSparseMaxBytes = sparseBytesMax
      let diverged = false
      const commands = Array.from({ length: COMMANDS_PER_ROUND }, () => randomCommand(random))
      client.send(Buffer.concat(commands.map((command) => encodeCommand(...command))))
      let undefinedBytes = false
      for (const [index, command] of commands.entries()) {
        const expected = (await client.readReplyBytes()).toString('latin1')
        undefinedBytes ||= readsBehindTheEnd(here, command)
        if (undefinedBytes) continue
        const actual = runHere(here, command)
        if (actual !== expected) {
          throw new Error(
            `${where}, command ${index}: ${shownCommand(command)}\n  Redis ${clipped(expected)}\n  here  ${clipped(actual)}`,
          )
        }
        if (expected.startsWith('-')) errors++
        diverged ||= keptFromReplicas(command, expected)
      }
      if (undefinedBytes) {
        await replica.runUntil(client, `${options.seed}:${round}`)
        count++
        continue
      }
      await compareKeys(client, here, `${where}, as a primary`, commands).catch(async (error: unknown) => {
        await begin()
        await runSlowly(client, here, commands, where)
        throw error
      })
      await replica.runUntil(client, `${options.seed}:${round}`)
      if (!diverged) await compareKeys(client, replica.runner, `${where}, from the stream`, commands)
      count++
    }
    return { count, counted: { commands: count * COMMANDS_PER_ROUND, errors, 'stream commands': replica.count } }
  } finally {
    await server.stop()
  }
}

async function beginRound(client: RawClient, here: CommandRunner, resp: 2 | 3, sparseBytesMax: number): Promise<void> {
  await client.call('HELLO', resp)
  await client.call('FLUSHALL')
  await client.call('CONFIG', 'SET', 'hll-sparse-max-bytes', sparseBytesMax)
  await client.call('RPUSH', LIST_KEY, 'item')
  here.keyspace.begin()
  here.keyspace.flushAll()
  here.keyspace.end()
  here.put(LIST_KEY, RDB_TYPE_LIST_QUICKLIST_2, Buffer.from('never read'))
  here.resp = resp
  here.settings.hllSparseMaxBytes = sparseBytesMax
}

/** The commands again, comparing the keys after each: names the one that makes the difference. */
async function runSlowly(
  client: RawClient,
  here: CommandRunner,
  commands: readonly Command[],
  where: string,
): Promise<void> {
  for (const [index, command] of commands.entries()) {
    client.send(encodeCommand(...command))
    await client.readReplyBytes()
    runHere(here, command)
    await compareKeys(
      client,
      here,
      `${where}, command ${index}: ${shownCommand(command)}`,
      commands.slice(0, index + 1),
    )
  }
}

/**
 * Changes that Redis itself does not tell its replicas: of a command that meets a corrupt HyperLogLog halfway, and the
 * growth of a string for a BITFIELD that then fails by OVERFLOW FAIL.
 */
function keptFromReplicas(command: Command, reply: string): boolean {
  if (reply.startsWith('-INVALIDOBJ')) return true
  return command[0] === 'BITFIELD' && (reply.includes('$-1\r\n') || reply.includes('_\r\n'))
}

/**
 * Does the command work on a damaged sparse HyperLogLog whose last byte begins a run of two? Redis then reads and writes
 * behind the end of the string, and what it finds there depends on its memory: nothing to compare with.
 */
function readsBehindTheEnd(runner: CommandRunner, command: Command): boolean {
  if (!String(command[0]).startsWith('PF')) return false
  return command.slice(1).some((name) => {
    const value = runner.peek(name)?.value
    if (value === undefined || !value.subarray(0, 5).equals(SPARSE_HLL)) return false
    let at = 16
    while (at < value.length) at += (value[at]! & 0xc0) === 0x40 ? 2 : 1
    return at > value.length
  })
}

/** DEL belongs to another family: done on the keyspace. */
function runHere(runner: CommandRunner, command: Command): string {
  if (command[0] !== 'DEL') return runner.text(...command)
  const key = Buffer.from(command[1] ?? '')
  const there = runner.isAlive(key)
  runner.keyspace.begin()
  runner.keyspace.delete(0, key, 0, key.length)
  runner.keyspace.end()
  return there ? ':1\r\n' : ':0\r\n'
}

/** Type, bytes, encoding and expiry of every key must agree. */
async function compareKeys(
  client: RawClient,
  runner: CommandRunner,
  where: string,
  commands: readonly Command[],
): Promise<void> {
  for (const key of DIFFERENTIAL_KEYS) {
    const wrong = (what: string): Error => {
      const history = commands
        .filter((command) => command.includes(key))
        .map((command) => `\n  ${shownCommand(command)}`)
      return new Error(`${where}, key '${key.slice(0, 10)}': ${what}, after${history.slice(-12).join('')}`)
    }
    const type = String(await client.call('TYPE', key))
    const own = runner.isAlive(Buffer.from(key)) ? runner.peek(key) : undefined
    const ownType = own === undefined ? 'none' : own.rdbType === 0 ? 'string' : 'list'
    if (type !== ownType) throw wrong(`${type} in Redis, ${ownType} here`)
    if (own === undefined || type !== 'string') continue
    const expected = (await client.callBinary('GET', key)) as Buffer
    if (!expected.equals(own.value)) {
      throw wrong(`${clipped(expected.toString('latin1'))} became ${clipped(own.value.toString('latin1'))}`)
    }
    const expireAtMs = Number(await client.call('PEXPIRETIME', key))
    if (Math.abs(expireAtMs - own.expireAtMs) > EXPIRY_TOLERANCE_MS && expireAtMs < 2 ** 53) {
      throw wrong(`expires at ${expireAtMs} in Redis, ${own.expireAtMs} here`)
    }
    // Long strings are 'raw' anyway; HyperLogLogs that were written by SET are left out.
    if (runner.context.fromPrimary || expected.length > 44 || expected.toString('latin1').startsWith('HYLL')) continue
    const encoding = String(await client.call('OBJECT', 'ENCODING', key))
    if ((encoding === 'raw') !== own.raw) throw wrong(`${encoding} in Redis, raw here: ${own.raw}`)
  }
}

function clipped(text: Reply | string): string {
  const escaped = JSON.stringify(String(text))
  return escaped.length > 300 ? `${escaped.slice(0, 300)}… (${escaped.length})` : escaped
}
