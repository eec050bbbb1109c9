/**
 * Memory ends in the middle of a client's write: whatever is left of it then, replicas below are told just that, and who watches a
 * key hears of it. Each command is run again and again, with memory that ends one block later each time, until it has enough.
 */
import {
  type CommandSettings,
  dataCommandFamilies,
  Keyspace,
  LibraryStore,
  snapshotValue,
  storedTypeName,
  visitStoredItems,
} from '@understudy/core/internal'
import { clientCommandFamilies, defaultClientSettings } from '@understudy/net/internal'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withBlocks, OUT_OF_BLOCKS } from '../../support/few-blocks.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { KeyspaceStream } from '../../support/keyspace-stream.ts'
import { type Argument, RawClient } from '../../support/raw-client.ts'
import { ReplyError } from '../../support/resp-reader.ts'
import { waitFor } from '../../support/wait-for.ts'
import { ToldWrites } from '../../support/told-writes.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'

type Line = readonly Argument[]

/** More blocks than any command here needs. */
const BLOCKS_MAX = 700
/** Up to so many each number of blocks is tried, then some. */
const EACH_UP_TO = 20

let toy: ToyServer
let client: RawClient
let watcher: RawClient
let writes: ToldStream
let keyspace: Keyspace

class ToldStream extends ToldWrites {
  readonly replica = new Keyspace({ databaseCount: 2 })
  readonly #stream: KeyspaceStream

  constructor(settings: CommandSettings) {
    super()
    this.#stream = new KeyspaceStream(this.replica, settings)
  }

  override append(bytes: Uint8Array, start: number, end: number): void {
    super.append(bytes, start, end)
    this.#stream.apply(Buffer.from(bytes.subarray(start, end)))
  }
}

beforeEach(async () => {
  keyspace = new Keyspace({ databaseCount: 2 })
  const settings = defaultClientSettings()
  settings.encodings = { ...settings.encodings, streamNodeMaxBytes: 1_000_000, streamNodeMaxEntries: 200 }
  writes = new ToldStream(settings)
  const memory = (): never => {
    throw new Error('not asked')
  }
  const families = [...clientCommandFamilies(), ...dataCommandFamilies({ libraries: new LibraryStore(), memory })]
  toy = await startToyServer(settings, { families, keyspace, ports: { writes } })
  keyspace.listener = toy.server.changes
  client = await RawClient.connect({ port: toy.port })
  watcher = await RawClient.connect({ port: toy.port })
})

afterEach(async () => {
  client.close()
  watcher.close()
  await toy.server.close()
})

/** What every key of database 0 holds, its time too; for elements without an order, in one. */
function contents(of: Keyspace): Map<string, string> {
  const keys: Buffer[] = []
  of.forEach(0, (entry) => void keys.push(Buffer.from(entry.keyToBuffer())))
  const found = keys.map((key): [string, string] => {
    of.lookup(0, key, 0, key.length)
    const { expireAtMs, isString, rdbType } = of.entry
    const type = storedTypeName(rdbType)
    return [key.toString(), `${type} ${expireAtMs} ${isString || type === 'stream' ? bytesOf(of) : itemsOf(of, type)}`]
  })
  return new Map(found.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function bytesOf(of: Keyspace): string {
  const { source } = snapshotValue(of)
  const bytes = Buffer.alloc(source.lengthBytes)
  source.copy(0, bytes, 0, bytes.length)
  return bytes.toString('latin1')
}

function itemsOf(of: Keyspace, type: string): string {
  const items: string[] = []
  // Stands before its field.
  let time = ''
  visitStoredItems(of, {
    text: (bytes, start, end) => {
      items.push(time + Buffer.from(bytes.subarray(start, end)).toString('latin1'))
      time = ''
    },
    score: (score) => void items.push(String(score)),
    fieldTtl: (expireAtMs) => void (time = `${expireAtMs} `),
    entry: () => {},
  })
  if (type !== 'hash' && type !== 'set') return items.join(' ')
  const width = type === 'hash' ? 2 : 1
  return Array.from({ length: items.length / width }, (_, i) => items.slice(i * width, (i + 1) * width).join('='))
    .toSorted()
    .join(' ')
}

const long = 'x'.repeat(12_000)
const longer = 'y'.repeat(40_000)
const names = (count: number, length = 20): string[] =>
  Array.from({ length: count }, (_, i) => `${i}:`.padEnd(length, '.'))
const scored = (members: readonly string[]): Argument[] => members.flatMap((member, i) => [i, member])
const pairs = (fields: readonly string[]): string[] => fields.flatMap((field) => [field, 'v'.repeat(100)])
const several = [long, longer, 'end']

const LONG_NODE = 'XADD to a long node'

/** Lines before, and the command in which memory ends. */
const CASES: Readonly<Record<string, readonly [before: readonly Line[], command: Line]>> = {
  'RPUSH to a short list': [[['RPUSH', 'k', 'a']], ['RPUSH', 'k', 'b', ...several]],
  'RPUSH to a long list': [[['RPUSH', 'k', ...several]], ['RPUSH', 'k', 'b', ...several, ...several]],
  'LPUSH to a long list': [[['RPUSH', 'k', ...several]], ['LPUSH', 'k', 'b', ...several, ...several]],
  'RPUSH of a new key': [[], ['RPUSH', 'k', ...several]],
  LMOVE: [
    [
      ['RPUSH', 'k', ...several],
      ['RPUSH', 'l', 'a'],
    ],
    ['LMOVE', 'k', 'l', 'LEFT', 'RIGHT'],
  ],
  BLMOVE: [
    [
      ['RPUSH', 'k', ...several],
      ['RPUSH', 'l', 'a'],
    ],
    ['BLMOVE', 'k', 'l', 'LEFT', 'RIGHT', 0],
  ],
  'SADD to a short set': [[['SADD', 'k', 'a']], ['SADD', 'k', ...names(40, 200)]],
  'SADD to integers': [[['SADD', 'k', 1, 2, 3]], ['SADD', 'k', 4, 70_000, 5_000_000_000, 'a', 'b']],
  'SADD to a long set': [[['SADD', 'k', ...names(400)]], ['SADD', 'k', ...names(5, 90)]],
  'SADD of a new key': [[], ['SADD', 'k', ...names(300)]],
  'SMOVE to a new key': [[['SADD', 'k', 'a', 'b']], ['SMOVE', 'k', 'l', 'a']],
  'SMOVE of the last member': [[['SADD', 'k', 'a']], ['SMOVE', 'k', 'l', 'a']],
  'SMOVE to a short set': [
    [
      ['SADD', 'k', long.slice(0, 300), ...names(400)],
      ['SADD', 'l', ...names(3)],
    ],
    ['SMOVE', 'k', 'l', long.slice(0, 300)],
  ],
  'SMOVE to a long set': [
    [
      ['SADD', 'k', 'a', 'b'],
      ['SADD', 'l', ...names(400)],
    ],
    ['SMOVE', 'k', 'l', 'a'],
  ],
  'HSET of a short hash': [[['HSET', 'k', 'a', 1]], ['HSET', 'k', ...pairs(names(30)), 'a', long]],
  'HSET of a long hash': [[['HSET', 'k', ...pairs(names(90))]], ['HSET', 'k', ...pairs(names(7, 90)), 'a', long]],
  'HSET of a new key': [[], ['HSET', 'k', ...pairs(names(90)), 'a', long]],
  'HSET of a new key and a long field': [[], ['HSET', 'k', 'a', long, 'b', long]],
  HINCRBY: [[], ['HINCRBY', 'k', 'a'.repeat(6000), 1]],
  HINCRBYFLOAT: [[], ['HINCRBYFLOAT', 'k', 'a', '1.5']],
  HEXPIRE: [[['HSET', 'k', ...pairs(names(9))]], ['HEXPIREAT', 'k', 9_900_000_000, 'FIELDS', 9, ...names(9)]],
  HSETEX: [[], ['HSETEX', 'k', 'EXAT', 9_900_000_000, 'FIELDS', 3, 'a', 1, 'b', long, 'c', 3]],
  'ZADD to a short set': [[['ZADD', 'k', 1, 'a']], ['ZADD', 'k', ...scored(names(150, 60))]],
  'ZADD to a long set': [
    [['ZADD', 'k', ...scored(names(500))]],
    ['ZADD', 'k', 5, names(500)[7]!, ...scored(names(4, 90))],
  ],
  'ZADD of a new key': [[], ['ZADD', 'k', 1, 'a', 2, long]],
  'ZADD of a new key with one long member': [[], ['ZADD', 'k', 1, long]],
  GEOADD: [[], ['GEOADD', 'k', 13.361389, 38.115556, 'a', 13.361389, 38.115556, 'b'.repeat(500)]],
  APPEND: [[['SET', 'k', 'a']], ['APPEND', 'k', longer]],
  'APPEND to a long string': [[['SET', 'k', longer]], ['APPEND', 'k', longer]],
  SETRANGE: [[['SET', 'k', longer]], ['SETRANGE', 'k', 39_000, longer]],
  'SETRANGE of a new key': [[], ['SETRANGE', 'k', 100_000, longer]],
  'SETBIT behind the end': [[['SET', 'k', longer]], ['SETBIT', 'k', 1_000_000, 1]],
  'SETBIT of what nobody wrote yet': [[['SETBIT', 'k', 1_000_000, 1]], ['SETBIT', 'k', 400_000, 1]],
  BITFIELD: [
    [['SET', 'k', 'a']],
    ['BITFIELD', 'k', 'SET', 'u8', 400_000, 7, 'INCRBY', 'u8', 700_000, 9, 'SET', 'u8', 0, 1],
  ],
  BITOP: [
    [
      ['SET', 'k', 'a'],
      ['SET', 'l', longer],
    ],
    ['BITOP', 'NOT', 'k', 'l'],
  ],
  MSET: [[['SET', 'l', 'old']], ['MSET', 'k', 'a', 'l', long, 'm', longer]],
  MSETEX: [[['SET', 'l', 'old']], ['MSETEX', 2, 'l', long, 'm', longer, 'PXAT', 99_000_000_000_000]],
  'RENAME to another region': [
    [
      ['SET', 'k', longer],
      ['SET', 'l', 'b'],
    ],
    ['RENAME', 'k', 'l'],
  ],
  COPY: [
    [
      ['RPUSH', 'k', ...several],
      ['SET', 'l', 'b'],
    ],
    ['COPY', 'k', 'l', 'REPLACE'],
  ],
  SINTERSTORE: [
    [
      ['SADD', 'k', ...names(300)],
      ['SADD', 'l', 'a'],
    ],
    ['SINTERSTORE', 'l', 'k'],
  ],
  'XADD to a short stream': [[['XADD', 'k', '1-1', 'f', 'v']], ['XADD', 'k', '2-1', 'f', long]],
  // Its chunks get another index, and the old one is free before they are written.
  [LONG_NODE]: [[['XADD', 'k', '1-1', 'f', longer]], ['XADD', 'k', '2-1', 'f', 'v'.repeat(3000), 'g', longer]],
  'XADD of a new key': [[], ['XADD', 'k', '1-1', 'f', longer]],
  'XTRIM behind whole nodes': [
    names(360).map((_, i): Line => ['XADD', 'k', `${i + 1}-1`, 'f', i === 300 ? longer : 'v']),
    ['XTRIM', 'k', 'MAXLEN', 100],
  ],
  'XGROUP CREATE MKSTREAM': [[], ['XGROUP', 'CREATE', 'k', 'g'.repeat(100), 0, 'MKSTREAM']],
  XREADGROUP: [
    [...names(4).map((_, i): Line => ['XADD', 'k', `${i + 1}-1`, 'f', 'v']), ['XGROUP', 'CREATE', 'k', 'g', 0]],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'k', '>'],
  ],
  XCLAIM: [
    [
      ['XADD', 'k', '1-1', 'f', 'v'],
      ['XADD', 'k', '2-1', 'f', 'v'],
      ['XGROUP', 'CREATE', 'k', 'g', 0],
    ],
    ['XCLAIM', 'k', 'g', 'c', 0, '1-1', '2-1', 'FORCE', 'LASTID', '2-1'],
  ],
}

/** They change groups alone, which is no change for WATCH. */
const CLAIMS = /^XREADGROUP|^XCLAIM/

describe('when memory ends in the middle of', () => {
  it.each(Object.entries(CASES))('%s, replicas hold what is left', async (name, [before, command]) => {
    let blocks = 0
    let failed = 0
    for (let isDone = false; !isDone; blocks += blocks < EACH_UP_TO ? 1 : 23) {
      expect(blocks).toBeLessThan(BLOCKS_MAX)
      await client.call('FLUSHALL')
      for (const line of before) await client.call(...line)
      const was = contents(keyspace)
      expect(contents(writes.replica)).toEqual(was)
      writes.take()
      await watcher.call('WATCH', 'k', 'l', 'm')
      const { dirty } = keyspace
      const [reply] = await withBlocks(keyspace, blocks, () => client.pipeline([command]))
      isDone = !(reply instanceof ReplyError && reply.message === OUT_OF_BLOCKS)
      if (!isDone) failed++
      const is = contents(keyspace)
      const isChanged = JSON.stringify([...is]) !== JSON.stringify([...was])
      const told = `with ${blocks} blocks, told ${writes.lines.join('; ').slice(0, 300)}`
      // When a consumer was seen last is each node's own affair, unless it is told with all of the value.
      if (!isDone || !CLAIMS.test(name)) expect(contents(writes.replica), told).toEqual(is)
      if (!isDone && keyspace.dirty === dirty && !command[0]!.toString().startsWith('X'))
        expect(writes.lines).toEqual([])
      await watcher.call('MULTI')
      await watcher.call('PING')
      const transaction = await watcher.call('EXEC')
      if (isChanged && !CLAIMS.test(name)) expect(transaction).toBeNull()
      for (const value of is.values()) expect(value).not.toMatch(/^(hash|set|zset|list) -1 $/)
      // An index that was to become longer may stay in a longer block than it needs.
      if (name === LONG_NODE) await client.call('DEL', 'k')
      while (keyspace.freeSlice(1000));
      checkKeyspace(keyspace)
    }
    expect(failed).toBeGreaterThan(0)
  })
})

describe('a command that waits', () => {
  it('tells what is left when memory ends in what it does at last', async () => {
    for (let blocks = 1; blocks < 12; blocks++) {
      await client.call('FLUSHALL')
      await client.call('RPUSH', 'l', 'a')
      const served = watcher.callExact('BLMOVE', 'k', 'l', 'LEFT', 'RIGHT', 0)
      await waitFor('the wait', async () => String(await client.call('INFO', 'clients')).includes('blocked_clients:1'))
      await withBlocks(keyspace, blocks, () => client.pipeline([['RPUSH', 'k', longer.slice(0, 15_000)]]))
      expect(contents(writes.replica), `with ${blocks} blocks`).toEqual(contents(keyspace))
      await client.call('RPUSH', 'k', 'b')
      await served
    }
  })
})

describe('SMOVE', () => {
  it('never loses the member', async () => {
    for (let blocks = 0; blocks < 4; blocks++) {
      await client.call('FLUSHALL')
      await client.call('SADD', 'k', 'a', 'b')
      await withBlocks(keyspace, blocks, () => client.call('SMOVE', 'k', 'l', 'a').catch(() => undefined))
      const found = [await client.call('SISMEMBER', 'k', 'a'), await client.call('SISMEMBER', 'l', 'a')]
      expect(found).toContain(1)
    }
  })
})

describe('a value that cannot be told', () => {
  it('makes replicas begin anew, and is not told in part', async () => {
    await client.call('SADD', 'k', ...names(400))
    writes.take()
    writes.effects.bytes = () => {
      throw new RangeError('Array buffer allocation failed')
    }
    await withBlocks(keyspace, 50, () => client.pipeline([['SADD', 'k', ...names(300, 90)]]))
    Reflect.deleteProperty(writes.effects, 'bytes')
    expect(writes.take()).toEqual([
      expect.stringMatching(/^interrupted: memory ended in the middle of 'sadd'.*failed$/),
    ])
    await client.call('SET', 'after', 1)
    expect(writes.take()).toEqual(['SELECT 0', 'SET after 1'])
  })
})
