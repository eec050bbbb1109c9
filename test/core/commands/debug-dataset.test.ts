import {
  type CommandTable,
  datasetDigest,
  debugDatasetSubcommands,
  dumpCommands,
  expireCommands,
  keyCommands,
  zsetCommands,
} from '@understudy/core/internal'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import type { TestServer } from '../../support/test-server.ts'
import { makeValuePayloads, type ValuePayload } from '../../support/value-payloads.ts'
import { itOfReference } from '../../support/reference.ts'

/** DEBUG as `net` puts it together. */
const debug: CommandTable = {
  DEBUG: {
    arity: -2,
    flags: 0,
    keys: [0, 0, 0],
    since: '1.0.0',
    group: 'server',
    summary: '',
    run: (context) => {
      const { args } = context
      const name = Buffer.from(args.bytes.subarray(args.start[1], args.end[1])).toString().toUpperCase()
      debugDatasetSubcommands[name]!.run(context)
    },
  },
}

describe('DEBUG on the dataset', () => {
  let server: TestServer
  let client: RawClient
  let payloads: ValuePayload[]
  let runner: CommandRunner
  beforeAll(async () => {
    server = await startRedisServer()
    client = await server.raw()
    payloads = await makeValuePayloads(client, new SeededRandom(3))
    runner = new CommandRunner([debug, dumpCommands, keyCommands, expireCommands])
    for (const [i, { name, payload }] of payloads.entries()) {
      await client.call('SELECT', i % 5)
      runner.db = i % 5
      const command = ['RESTORE', name, i % 3 === 0 ? 4_000_000_000_000 : 0, payload, 'ABSTTL'] as const
      await client.call(...command)
      expect(runner.text(...command)).toBe('+OK\r\n')
    }
  })
  afterAll(() => server.stop())

  itOfReference('DIGEST agrees over all types, and so does every DIGEST-VALUE', async () => {
    expect(datasetDigest(runner.keyspace)).toBe(await client.call('DEBUG', 'DIGEST'))
    expect(runner.text('DEBUG', 'DIGEST')).toBe(await client.callExact('DEBUG', 'DIGEST'))
    for (const [i, { name }] of payloads.entries()) {
      await client.call('SELECT', i % 5)
      runner.db = i % 5
      expect(runner.text('DEBUG', 'DIGEST-VALUE', name, 'absent'), name).toBe(
        await client.callExact('DEBUG', 'DIGEST-VALUE', name, 'absent'),
      )
    }
    expect(new CommandRunner([debug]).text('DEBUG', 'DIGEST')).toBe(`+${'0'.repeat(40)}\r\n`)
  })

  it('DIGEST of data that came from redis 7.2 or later is theirs: scores are hashed in another form', () => {
    const later = new CommandRunner([debug, keyCommands, zsetCommands])
    later.text('ZADD', 'z', '3', 'a')
    const ofInteger = later.text('DEBUG', 'DIGEST-VALUE', 'z')
    expect(ofInteger).toBe('*1\r\n+a638397d155112ebbf36a0411da713a9da018db4\r\n')
    const digests = (score: string): string => {
      later.text('DEL', 'z')
      later.text('ZADD', 'z', score, 'a')
      return later.text('DEBUG', 'DIGEST-VALUE', 'z').slice(5, -2)
    }
    // As redis 7.0.15, and as redis 8.0.2 and Valkey 8.1.1 have them.
    expect(digests('0.1')).toBe('b07654932c32238dbd9b8626f0dc40f18d973527')
    expect(digests('3.5e300')).toBe('a531936a1b32c9068f177584438116d3209e8c65')
    later.settings.dataRdbVersion = 11
    expect(digests('3')).toBe('a638397d155112ebbf36a0411da713a9da018db4')
    expect(digests('0.1')).toBe('6605f56364a85f2c14bc54c5b4318ac4616eb60a')
    expect(digests('1e-7')).toBe('d0be7a6da9a95431e5b2f67e169255d8458af401')
    expect(digests('1234567890123456789')).toBe('cba36e00c345e839054af0ba1401539a0c051461')
    expect(digests('3.5e300')).toBe('17d3d2ba85d02371ba97b21b14661fdd62ac1109')
  })

  itOfReference('OBJECT tells the same encoding, and the length of the value in a snapshot', async () => {
    for (const [i, { name }] of payloads.entries()) {
      await client.call('SELECT', i % 5)
      runner.db = i % 5
      const theirs = String(await client.call('DEBUG', 'OBJECT', name))
      const ours = runner.text('DEBUG', 'OBJECT', name)
      expect(ours).toMatch(
        /^\+Value at:\S+ refcount:\d+ encoding:\S+ serializedlength:\d+ lru:\d+ lru_seconds_idle:\d+/,
      )
      expect(fieldOf(ours, 'encoding'), name).toBe(fieldOf(theirs, 'encoding'))
      expect(fieldOf(ours, 'refcount'), name).toBe(fieldOf(theirs, 'refcount'))
      const length = Number(fieldOf(theirs, 'serializedlength'))
      // A stock server packs what has shrunk when it loads it; here it stays as it came.
      if (name.includes('shrunk')) continue
      // Compression may find a little more or less.
      expect(Math.abs(Number(fieldOf(ours, 'serializedlength')) - length), name).toBeLessThanOrEqual(length * 0.1 + 8)
    }
  })

  itOfReference('POPULATE makes what a stock server makes, and leaves what is there', async () => {
    const steps = [
      ['SELECT', '6'],
      ['RESTORE', 'key:3', '0', payloads[0]!.payload],
      ['DEBUG', 'POPULATE', '0'],
      ['DEBUG', 'POPULATE', '200'],
      ['DEBUG', 'POPULATE', '5', 'other'],
      ['DEBUG', 'POPULATE', '70', 'wide', '30'],
      ['DEBUG', 'POPULATE', '12', 'narrow', '7'],
    ] as const
    runner.db = 6
    for (const step of steps) {
      await client.call(...step)
      if (step[0] !== 'SELECT') expect(runner.text(...step), step.join(' ')).toBe('+OK\r\n')
    }
    expect(runner.keyspace.size(6)).toBe(287)
    expect(datasetDigest(runner.keyspace)).toBe(await client.call('DEBUG', 'DIGEST'))
    for (const args of [[], ['-1'], ['x'], ['1', 'a', '-1'], ['1', 'a', '1', 'x']]) {
      const command = ['DEBUG', 'POPULATE', ...args] as const
      expect(runner.text(...command), command.join(' ')).toBe(await client.callExact(...command))
    }
  })

  it('refuses what is wrong as a stock server does', async () => {
    for (const args of [['DIGEST', 'x'], ['OBJECT'], ['OBJECT', 'absent'], ['DIGEST-VALUE'], ['SET-ACTIVE-EXPIRE']]) {
      expect(runner.text('DEBUG', ...args), args.join(' ')).toBe(await client.callExact('DEBUG', ...args))
    }
  })

  it('SET-ACTIVE-EXPIRE is a setting', () => {
    expect(runner.text('DEBUG', 'SET-ACTIVE-EXPIRE', '0')).toBe('+OK\r\n')
    expect(runner.settings.activeExpire).toBe(false)
    runner.run('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
    expect(runner.settings.activeExpire).toBe(true)
  })
})

function fieldOf(text: string, field: string): string | undefined {
  return new RegExp(`${field}:(\\S+)`).exec(text)?.[1]
}
