/**
 * The same random commands reach a stock replica and our commands over a replication stream, among them times to live in
 * the past: both keep expired keys, act on them as if they were alive, and hide them from every client.
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
} from '@understudy/core/internal'
import { CommandRunner } from '../support/command-runner.ts'
import { FakePrimary } from '../support/fake-primary.ts'
import { type Argument, encodeCommand, type RawClient } from '../support/raw-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { readAllReplies } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import { makeValuePayloads, type ValuePayload } from '../support/value-payloads.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  comparesReplies: true,
  about: 'a round streams some hundred key commands to a stock replica and to ours; what clients see must agree',
  stated: { count: 1_000 },
  slice: { count: 15 },
  run,
}

const DATABASES = 3
const COMMANDS_PER_ROUND = 200
const KEYS = ['a', 'b', 'c', 'd', 'key:1', 'key:2', 'k*y', '', 'L'.repeat(9000)]
const TABLES = [keyCommands, expireCommands, scanCommands, objectCommands, dumpCommands, databaseCommands()]

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  const server = await startRedisServer({ directives: { databases: DATABASES } })
  const primary = await FakePrimary.start()
  let count = 0
  try {
    const client = await server.raw({ timeoutMs: 30_000 })
    const payloads = await makeValuePayloads(client, random.fork())
    await client.call('REPLICAOF', '127.0.0.1', primary.port)
    await waitFor('the stock replica', () => primary.online !== undefined, { timeoutMs: 30_000 })
    for (const round of rounds(options)) {
      await runRound(client, primary, random.fork(), payloads, `seed ${options.seed}, round ${round}`)
      count++
    }
  } finally {
    await server.stop()
    await primary.stop()
  }
  return { count }
}

async function runRound(
  client: RawClient,
  primary: FakePrimary,
  random: SeededRandom,
  payloads: readonly ValuePayload[],
  where: string,
): Promise<void> {
  const runner = new CommandRunner(TABLES, { keyspace: new Keyspace({ databaseCount: DATABASES }), fromPrimary: true })
  const history: string[] = []
  const stream = (...command: Argument[]): void => {
    history.push(command.map((argument) => String(argument).slice(0, 20)).join(' '))
    primary.feed(encodeCommand(...command))
    if (command[0] === 'SELECT') runner.db = Number(command[1])
    else runner.run(...command)
  }
  stream('SELECT', 0)
  stream('FLUSHALL')
  for (let i = 0; i < COMMANDS_PER_ROUND; i++) stream(...streamCommand(random, payloads))
  primary.feed(encodeCommand('REPLCONF', 'GETACK', '*'))
  const wanted = primary.offset
  await waitFor('the ACK', () => primary.ackedOffset >= wanted - 64, { timeoutMs: 30_000 })

  runner.fromPrimary = false
  const check = (what: string, theirs: unknown, ours: unknown): void => {
    if (theirs === ours) return
    const recent = history.slice(-40).join('\n  ')
    throw new Error(
      `${where}: ${what}\n theirs ${JSON.stringify(theirs)}\n ours   ${JSON.stringify(ours)}\nafter\n  ${recent}`,
    )
  }
  for (let db = 0; db < DATABASES; db++) {
    await client.call('SELECT', db)
    runner.db = db
    const commands: Argument[][] = [['DBSIZE'], ['EXISTS', ...KEYS], ['TOUCH', ...KEYS]]
    for (const key of KEYS) {
      for (const name of ['TYPE', 'PEXPIRETIME', 'EXPIRETIME']) commands.push([name, key])
      commands.push(['OBJECT', 'ENCODING', key])
    }
    for (const command of commands) {
      check(
        `db ${db}: ${command.slice(0, 3).join(' ').slice(0, 60)}`,
        await client.callExact(...command),
        runner.text(...command),
      )
    }
    for (const command of [
      ['KEYS', '*'],
      ['SCAN', '0', 'COUNT', '1000'],
    ]) {
      const theirs = sortedKeys(await client.callExact(...command))
      check(`db ${db}: ${command[0]}`, theirs, sortedKeys(runner.text(...command)))
    }
    const alive = KEYS.filter((key) => runner.text('EXISTS', key) === ':1\r\n')
    const drawn = readAllReplies(runner.run('RANDOMKEY'))[0]
    check(`db ${db}: RANDOMKEY`, true, alive.length === 0 ? drawn === null : alive.includes(String(drawn)))
  }
  check('digest, expired keys included', await client.call('DEBUG', 'DIGEST'), datasetDigest(runner.keyspace))
}

function streamCommand(random: SeededRandom, payloads: readonly ValuePayload[]): Argument[] {
  const key = (): string => random.pick(KEYS)
  const database = (): number => random.int(0, DATABASES - 1)
  // Never near enough to now for the two sides to disagree about it.
  const instant = (): Argument =>
    random.chance(0.5)
      ? random.pick([1, 1000, 1_600_000_000_000, -5000, 0, -1])
      : random.pick([4_000_000_000_000, 4_100_000_000_123])
  const condition = (): string[] => (random.chance(0.3) ? [random.pick(['NX', 'XX', 'GT', 'LT'])] : [])
  switch (random.int(0, 15)) {
    case 0:
      return ['SELECT', database()]
    case 1:
      return [random.pick(['DEL', 'UNLINK']), key(), key()]
    case 2:
      return ['RENAME', key(), key()]
    case 3:
      return ['RENAMENX', key(), key()]
    case 4:
      return ['COPY', key(), key(), 'DB', database(), ...(random.chance(0.5) ? ['REPLACE'] : [])]
    case 5:
      return ['MOVE', key(), database()]
    case 6:
      return ['PERSIST', key()]
    case 7:
      return ['SWAPDB', database(), database()]
    case 8:
      return random.chance(0.1) ? [random.pick(['FLUSHDB', 'FLUSHALL'])] : ['DEL', 'never-there']
    case 9:
    case 10:
    case 11:
      return ['PEXPIREAT', key(), instant(), ...condition()]
    default: {
      const { payload } = random.pick(payloads)
      const time = random.chance(0.6) ? 0 : random.pick([1, 1_600_000_000_000, 4_000_000_000_000])
      return ['RESTORE', key(), time, payload, 'ABSTTL', ...(random.chance(0.7) ? ['REPLACE'] : [])]
    }
  }
}

/** The keys of a KEYS or SCAN reply. */
function sortedKeys(text: string): string {
  const [reply] = readAllReplies(Buffer.from(text, 'latin1'), true)
  const keys = (Array.isArray(reply) && Array.isArray(reply[1]) ? reply[1] : reply) as Buffer[]
  return keys
    .map((key) => key.toString('latin1').slice(0, 40))
    .toSorted()
    .join(' ')
}
