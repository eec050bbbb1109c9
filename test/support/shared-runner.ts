/**
 * Runs commands that only read over a dataset as another thread sees it, though in this thread: the counterpart of
 * CommandRunner. And a dataset with values of every type and form, with the read commands that look at each of them.
 */
import {
  type CommandRegistry,
  DEFAULT_THRESHOLDS,
  HLL_SPARSE_BYTES_MAX,
  PROTO_MAX_BULK_BYTES,
  type ReaderHandle,
  ReplyEncoder,
  runSharedRead,
  SharedKeyspace,
  type SharedReadContext,
} from '@understudy/core/internal'
import type { CommandRunner } from './command-runner.ts'

export class SharedRunner {
  readonly keyspace: SharedKeyspace
  readonly context: SharedReadContext
  readonly #registry: CommandRegistry

  constructor(registry: CommandRegistry, handle: ReaderHandle, resp: 2 | 3 = 2) {
    this.#registry = registry
    const keyspace = new SharedKeyspace(handle)
    this.keyspace = keyspace
    this.context = {
      args: { bytes: new Uint8Array(0), count: 0, start: new Int32Array(64), end: new Int32Array(64) },
      reply: new ReplyEncoder(),
      keyspace,
      db: 0,
      nowMs: 0,
      fromPrimary: false,
      settings: {
        protoMaxBulkBytes: PROTO_MAX_BULK_BYTES,
        hllSparseMaxBytes: HLL_SPARSE_BYTES_MAX,
        encodings: { ...DEFAULT_THRESHOLDS },
      },
      wait: () => keyspace.requireWriter(),
    }
    this.context.reply.resp = resp
  }

  /** The reply of one command, a copy. @param around what is done instead of calling the command, which it is given. */
  run(command: readonly (string | number)[], around: (read: () => void) => void = (read) => read()): Buffer {
    const { args, reply } = this.context
    const parts = command.map((word) => Buffer.from(String(word)))
    args.bytes = Uint8Array.from(Buffer.concat(parts))
    args.count = parts.length
    let at = 0
    parts.forEach((part, i) => {
      args.start[i] = at
      args.end[i] = at += part.length
    })
    const read = this.#registry.resolve(args)?.read
    if (read === undefined) throw new Error(`${command[0]} needs the writer`)
    reply.clear()
    runSharedRead(this.context, () => around(() => read(this.context)))
    return Buffer.from(reply.pending())
  }
}

/** Fills a keyspace with values of all types, each in its packed and in its large form. */
export function fillAllTypes(runner: CommandRunner): void {
  const numbers = Array.from({ length: 2000 }, (_, i) => i)
  const inLots = (items: readonly (string | number)[][], run: (lot: (string | number)[]) => void): void => {
    for (let i = 0; i < items.length; i += 200) run(items.slice(i, i + 200).flat())
  }
  runner.run('SET', 'string', 'the quick brown fox')
  runner.run('SET', 'string:2', 'a lazy dog')
  runner.run('SET', 'string:expiring', 'soon', 'PX', 10_000_000)
  runner.run('SET', 'string:long', 'x'.repeat(60_000))
  runner.run('SET', 'long'.repeat(3000), 'at a long key')
  runner.run('SETBIT', 'bits', 70_000, 1)
  runner.run('PFADD', 'hll', ...numbers.slice(0, 100))
  inLots(
    numbers.map((i) => [`element ${i}`]),
    (lot) => runner.run('PFADD', 'hll:dense', ...lot),
  )
  runner.run('HSET', 'hash', 'a', '1', 'b', 'two', 'c', '3.5')
  inLots(
    numbers.map((i) => [`field ${i}`, `value ${i}`]),
    (lot) => runner.run('HSET', 'hash:large', ...lot),
  )
  runner.run('HSET', 'hash:large', 'f'.repeat(9000), 'v'.repeat(20_000))
  runner.run('SADD', 'set', 'a', 'b', 'c', 'x')
  runner.run('SADD', 'set:ints', 1, 2, 3, 70_000)
  inLots(
    numbers.map((i) => [`member ${i}`]),
    (lot) => runner.run('SADD', 'set:large', ...lot),
  )
  runner.run('ZADD', 'zset', 1, 'a', 2, 'b', 2.5, 'c')
  inLots(
    numbers.map((i) => [i / 4, `member ${i}`]),
    (lot) => runner.run('ZADD', 'zset:large', ...lot),
  )
  runner.run('GEOADD', 'geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania', 2.35, 48.85, 'Paris')
  runner.run('RPUSH', 'list', 'a', 'b', '3', 'd'.repeat(300))
  inLots(
    numbers.map((i) => [`element ${i}`]),
    (lot) => runner.run('RPUSH', 'list:large', ...lot),
  )
  runner.run('RPUSH', 'list:large', 'y'.repeat(40_000))
  runner.run('RPUSH', 'list:numbers', ...numbers.slice(0, 40).toReversed())
  for (const i of numbers.slice(0, 300)) runner.run('XADD', 'stream', `${i + 1}-0`, 'field', `value ${i}`, 'other', i)
  runner.run('XGROUP', 'CREATE', 'stream', 'group', '0')
  runner.run('XREADGROUP', 'GROUP', 'group', 'consumer', 'COUNT', 50, 'STREAMS', 'stream', '>')
}

/** Commands that read what `fillAllTypes` makes, every one that may run in any thread at least once; replies are determined. */
export const READ_COMMANDS: readonly (readonly (string | number)[])[] = [
  ['GET', 'string'],
  ['GET', 'string:long'],
  ['GET', 'long'.repeat(3000)],
  ['GET', 'nothing'],
  ['GET', 'hash'],
  ['MGET', 'string', 'string:2', 'nothing', 'list', 'string:long'],
  ['DIGEST', 'string'],
  ['STRLEN', 'string:long'],
  ['GETRANGE', 'string:long', 16_000, 17_000],
  ['SUBSTR', 'string', 4, 8],
  ['LCS', 'string', 'string:2'],
  ['GETBIT', 'bits', 70_000],
  ['BITCOUNT', 'bits'],
  ['BITPOS', 'bits', 1],
  ['BITFIELD_RO', 'bits', 'GET', 'u8', 69_999],
  ['PFCOUNT', 'hll'],
  ['PFCOUNT', 'hll', 'hll:dense'],
  ...['hash', 'hash:large'].flatMap((key) => [
    ['HGET', key, 'b'],
    ['HGET', key, 'field 1234'],
    ['HMGET', key, 'a', 'field 7', 'f'.repeat(9000)],
    ['HGETALL', key],
    ['HKEYS', key],
    ['HVALS', key],
    ['HLEN', key],
    ['HEXISTS', key, 'field 9'],
    ['HSTRLEN', key, 'field 9'],
    ['HSCAN', key, 0, 'COUNT', 100],
    ['HTTL', key, 'FIELDS', 1, 'a'],
    ['HPTTL', key, 'FIELDS', 1, 'a'],
    ['HEXPIRETIME', key, 'FIELDS', 1, 'a'],
    ['HPEXPIRETIME', key, 'FIELDS', 1, 'a'],
  ]),
  ['HRANDFIELD', 'hash', 3],
  ...['set', 'set:ints', 'set:large'].flatMap((key) => [
    ['SMEMBERS', key],
    ['SISMEMBER', key, 'member 17'],
    ['SMISMEMBER', key, 'a', 3, 'member 17'],
    ['SCARD', key],
    ['SSCAN', key, 0, 'MATCH', '*1*', 'COUNT', 100],
    ['SINTER', key, 'set:large'],
    ['SUNION', key, 'set'],
    ['SDIFF', key, 'set'],
    ['SINTERCARD', 2, key, 'set:large'],
  ]),
  ['SRANDMEMBER', 'set', 4],
  ...['zset', 'zset:large', 'geo'].flatMap((key) => [
    ['ZSCORE', key, 'b'],
    ['ZMSCORE', key, 'a', 'member 12'],
    ['ZCARD', key],
    ['ZRANK', key, 'member 1000'],
    ['ZREVRANK', key, 'a'],
    ['ZCOUNT', key, 2, 100],
    ['ZLEXCOUNT', key, '-', '+'],
    ['ZRANGE', key, 0, -1, 'WITHSCORES'],
    ['ZREVRANGE', key, 10, 40],
    ['ZRANGEBYSCORE', key, 2, 40],
    ['ZREVRANGEBYSCORE', key, 40, 2],
    ['ZRANGEBYLEX', key, '[a', '[n'],
    ['ZREVRANGEBYLEX', key, '+', '-'],
    ['ZSCAN', key, 0, 'COUNT', 100],
    ['ZUNION', 2, key, 'set', 'WITHSCORES'],
    ['ZINTER', 2, key, 'zset:large'],
    ['ZDIFF', 2, key, 'set'],
    ['ZINTERCARD', 2, key, 'zset:large'],
  ]),
  ['ZRANDMEMBER', 'zset', 3],
  ['GEOPOS', 'geo', 'Paris', 'nobody'],
  ['GEOHASH', 'geo', 'Paris'],
  ['GEODIST', 'geo', 'Palermo', 'Catania', 'km'],
  ['GEOSEARCH', 'geo', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 300, 'km', 'ASC', 'WITHDIST'],
  ['GEORADIUS_RO', 'geo', 15, 37, 200, 'km', 'ASC'],
  ['GEORADIUSBYMEMBER_RO', 'geo', 'Palermo', 200, 'km', 'ASC'],
  ...['list', 'list:large', 'list:numbers'].flatMap((key) => [
    ['LLEN', key],
    ['LRANGE', key, 0, -1],
    ['LRANGE', key, -30, -5],
    ['LINDEX', key, 1500],
    ['LPOS', key, 'element 1900'],
  ]),
  ['SORT_RO', 'list:numbers'],
  ['SORT_RO', 'list:large', 'ALPHA', 'LIMIT', 5, 10],
  ['SORT_RO', 'set:ints', 'BY', 'string*', 'GET', '#'],
  ['XLEN', 'stream'],
  ['XRANGE', 'stream', '-', '+'],
  ['XREVRANGE', 'stream', '+', '-', 'COUNT', 20],
  ['XREAD', 'COUNT', 30, 'STREAMS', 'stream', '100-0'],
  ['XPENDING', 'stream', 'group'],
  ['XPENDING', 'stream', 'group', '-', '+', 10],
  ['XINFO', 'STREAM', 'stream', 'FULL'],
  ['XINFO', 'STREAM', 'stream'],
  ['XINFO', 'GROUPS', 'stream'],
  ['XINFO', 'CONSUMERS', 'stream', 'group'],
  ['EXISTS', 'string', 'nothing', 'list'],
  ['TOUCH', 'string', 'nothing'],
  ['TYPE', 'zset'],
  ['TTL', 'string:expiring'],
  ['PTTL', 'string'],
  ['EXPIRETIME', 'string:expiring'],
  ['PEXPIRETIME', 'string:expiring'],
  ['DBSIZE'],
  ['KEYS', '*'],
  ['SCAN', 0, 'COUNT', 100],
  ['RANDOMKEY'],
  ['DUMP', 'string:long'],
  ...[
    'hash',
    'hash:large',
    'set',
    'set:ints',
    'set:large',
    'zset',
    'zset:large',
    'list',
    'list:large',
    'stream',
  ].flatMap((key) => [
    ['DUMP', key],
    ['OBJECT', 'ENCODING', key],
    ['MEMORY', 'USAGE', key],
  ]),
  ['OBJECT', 'REFCOUNT', 'string'],
  ['OBJECT', 'IDLETIME', 'string'],
  ['OBJECT', 'FREQ', 'string'],
  ['OBJECT', 'HELP'],
]
