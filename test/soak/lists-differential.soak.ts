/**
 * The same random list commands run in a real redis-server and in this process: every reply must be equal byte for byte,
 * and the digests of all keys afterwards. What the server sends its replicas is run as the replication stream in a second
 * keyspace, which must come to the same digest; and the lists cross over by DUMP and RESTORE, both ways.
 */
import {
  databaseCommands,
  datasetDigest,
  dumpCommands,
  keyCommands,
  Keyspace,
  listCommands,
  listMoveCommands,
  objectCommands,
  stringCommands,
} from '@understudy/core/internal'
import { CommandRunner } from '../support/command-runner.ts'
import { checkKeyspace } from '../support/keyspace-check.ts'
import { BLOCKING_COMMANDS, LIST_KEYS, type ListCommand, ListCommands, TEXT_KEY } from '../support/list-commands.ts'
import { encodeCommand, type RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { shownCommand } from '../support/shown-command.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import { StreamFollower } from '../support/stream-follower.ts'

export const soak: Soak = {
  comparesReplies: true,
  about:
    'a round runs 300 random list commands in Redis, here, and here again from the stream, and exchanges the lists',
  stated: { count: 2_000 },
  slice: { count: Infinity, seconds: 6 },
  run,
}

const COMMANDS_PER_ROUND = 300
const TABLES = [
  listCommands,
  listMoveCommands,
  keyCommands,
  dumpCommands,
  objectCommands,
  databaseCommands(),
  stringCommands,
] as const
/** list-max-listpack-size. */
const NODE_SIZES = [-5, -2, -2, -1, 1, 3, 128]

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const server = await startRedisServer({
    directives: { databases: 1, 'repl-diskless-sync': 'no', 'repl-timeout': 86_400 },
  })
  let count = 0
  let errors = 0
  try {
    const client = await server.raw({ timeoutMs: 60_000 })
    const replica = await StreamFollower.connect(server)
    const generator = new ListCommands(random.fork())
    for (const round of rounds(options)) {
      const where = `seed ${options.seed}, round ${round}`
      const resp = random.pick([2, 3] as const)
      const here = new CommandRunner(TABLES, { keyspace: new Keyspace({ databaseCount: 1 }), resp })
      const nodeSize = random.pick(NODE_SIZES)
      here.settings.encodings.listMaxListpackSize = nodeSize
      await client.call('HELLO', resp)
      await client.call('FLUSHALL')
      await client.call('CONFIG', 'SET', 'list-max-listpack-size', nodeSize)
      await client.call('CONFIG', 'SET', 'list-compress-depth', random.pick([0, 0, 1, 3]))
      await client.call('SET', TEXT_KEY, 'text')
      here.run('SET', TEXT_KEY, 'text')
      generator.begin()
      const history: ListCommand[] = []
      for (let i = 0; i < COMMANDS_PER_ROUND; i++) {
        const command = generator.next()
        history.push(command)
        const expected = await theirs(client, command)
        const actual = here.text(...command)
        if (actual !== expected) fail(`${where}, command ${i}`, history, expected, actual)
        if (expected.startsWith('-')) errors++
      }
      const digest = String(await client.call('DEBUG', 'DIGEST'))
      if (digest !== datasetDigest(here.keyspace))
        fail(`${where}, digest`, history, digest, datasetDigest(here.keyspace))
      while (here.keyspace.freeSlice(100));
      checkKeyspace(here.keyspace)
      await replica.runUntil(client, `${options.seed}:${round}`)
      const streamed = datasetDigest(replica.runner.keyspace)
      if (streamed !== digest) fail(`${where}, digest from the stream`, history, digest, streamed)
      await exchange(client, here, where)
      count++
    }
  } finally {
    await server.stop()
  }
  return { count, counted: { commands: count * COMMANDS_PER_ROUND, errors } }
}

/** Commands that may wait run in a transaction, where they do not. */
async function theirs(client: RawClient, command: ListCommand): Promise<string> {
  if (!BLOCKING_COMMANDS.has(String(command[0]))) return client.callExact(...command)
  client.send(Buffer.concat([encodeCommand('MULTI'), encodeCommand(...command), encodeCommand('EXEC')]))
  await client.readReplyBytes()
  await client.readReplyBytes()
  const replies = (await client.readReplyBytes()).toString('latin1')
  return replies.slice(replies.indexOf('\n') + 1)
}

/** Every list goes to the other side, and must have the same digest there. */
async function exchange(client: RawClient, here: CommandRunner, where: string): Promise<void> {
  for (const key of LIST_KEYS) {
    const dumped = (await client.callBinary('DUMP', key)) as Buffer | null
    if (dumped === null) continue
    const reply = here.text('RESTORE', key, 0, dumped, 'REPLACE')
    if (reply !== '+OK\r\n') throw new Error(`${where}: RESTORE here of ${key.slice(0, 9)} answers ${reply}`)
    const ours = here.run('DUMP', key)
    const payload = ours.subarray(ours.indexOf(10) + 1, ours.length - 2)
    await client.call('RESTORE', key, 0, payload, 'REPLACE')
  }
  const digest = String(await client.call('DEBUG', 'DIGEST'))
  if (digest !== datasetDigest(here.keyspace)) throw new Error(`${where}: digests differ after DUMP and RESTORE`)
}

function fail(where: string, history: readonly ListCommand[], expected: string, actual: string): never {
  const last = history.slice(-15).map((command) => `\n  ${shownCommand(command, 120)}`)
  throw new Error(`${where}\n  Redis ${clipped(expected)}\n  here  ${clipped(actual)}\nafter${last.join('')}`)
}

function clipped(text: string): string {
  const escaped = JSON.stringify(text)
  return escaped.length > 120 ? `${escaped.slice(0, 120)}… (${text.length})` : escaped
}
