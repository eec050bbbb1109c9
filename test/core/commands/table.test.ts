import {
  argInteger,
  argIs,
  CommandRegistry,
  FAST,
  globMatches,
  READONLY,
  WRITE,
  type CommandArgs,
  type CommandRow,
} from '@understudy/core/internal'
import { describe, expect, test } from 'vitest'
import { CpuTime } from '../../support/cpu-time.ts'

function commandRow(more: Partial<CommandRow & { read?: undefined }> = {}): CommandRow & { read?: undefined } {
  return {
    arity: 2,
    flags: READONLY | FAST,
    keys: [1, 1, 1],
    since: '1.0.0',
    group: 'string',
    summary: '',
    ...more,
    run: more.run ?? ((): void => {}),
  }
}

function argsOf(...texts: string[]): CommandArgs {
  const parts = texts.map((text) => Buffer.from(text, 'latin1'))
  const start = new Int32Array(parts.length)
  const end = new Int32Array(parts.length)
  let at = 0
  for (const [i, part] of parts.entries()) {
    start[i] = at
    at += part.length
    end[i] = at
  }
  return { bytes: Buffer.concat(parts), count: parts.length, start, end }
}

/** All command names of Redis 7.0, and a few neighbours in hash and spelling. */
const NAMES =
  'acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client cluster command config copy dbsize debug decr decrby del discard dump echo eval eval_ro evalsha evalsha_ro exec exists expire expireat expiretime failover fcall fcall_ro flushall flushdb function geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch geosearchstore get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim memory mget migrate module monitor move mset msetnx multi object persist pexpire pexpireat pexpiretime pfadd pfcount pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub punsubscribe quit randomkey readonly readwrite rename renamenx replconf replicaof reset restore restore-asking role rpop rpoplpush rpush rpushx sadd save scard script sdiff sdiffstore select set setbit setex setnx setrange shutdown sinter sintercard sinterstore sismember slaveof slowlog smembers smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion sunionstore sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait watch xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore'.split(
    ' ',
  )

describe('CommandRegistry', () => {
  const registry = new CommandRegistry([Object.fromEntries(NAMES.map((name) => [name.toUpperCase(), commandRow()]))])

  test('finds every name in any case, and nothing else', () => {
    for (const name of NAMES) {
      const mixed = name
        .split('')
        .map((letter, i) => (i % 2 === 0 ? letter.toUpperCase() : letter))
        .join('')
      for (const spelling of [name, name.toUpperCase(), mixed]) {
        const padded = Buffer.from(`<<${spelling}>>`)
        expect(registry.find(padded, 2, 2 + spelling.length)?.name).toBe(name)
      }
      for (const wrong of [`${name}x`, name.slice(0, -1), `${name.slice(0, -1)}\x01`, name.replace(/[_-]/, '\x7f')]) {
        if (NAMES.includes(wrong)) continue
        const bytes = Buffer.from(wrong, 'latin1')
        expect(registry.find(bytes, 0, bytes.length), wrong).toBeUndefined()
      }
    }
    expect(registry.find(Buffer.alloc(0), 0, 0)).toBeUndefined()
  })

  test('refuses duplicates, in any case and across families', () => {
    expect(() => new CommandRegistry([{ GET: commandRow() }, { get: commandRow() }])).toThrow(/two commands .*get/i)
  })

  test('rename-command: the name in statistics stays, an empty name disables', () => {
    const renamed = new CommandRegistry(
      [{ GET: commandRow(), SET: commandRow({ flags: WRITE }), DEL: commandRow() }],
      [
        ['get', 'fetch'],
        ['SET', ''],
        ['del', 'get'],
      ],
    )
    expect(renamed.findName('GET')?.name).toBe('del')
    expect(renamed.findName('FETCH')?.name).toBe('get')
    expect(renamed.findName('set')).toBeUndefined()
    expect(renamed.entries.map((entry) => entry.name)).toEqual(['get', 'del'])
    expect(renamed.size).toBe(3)
    expect(() => new CommandRegistry([{ GET: commandRow() }], [['nope', 'x']])).toThrow(/rename-command/)
    expect(() => new CommandRegistry([{ GET: commandRow(), SET: commandRow() }], [['get', 'set']])).toThrow(
      /two commands/,
    )
  })

  test('subcommands: own rows, own run or the container’s', () => {
    const ran: string[] = []
    const table = new CommandRegistry([
      {
        CONFIG: commandRow({
          arity: -2,
          run: () => ran.push('config'),
          subcommands: {
            GET: { ...commandRow(), run: () => ran.push('get') },
            SET: { arity: -4, flags: 0, keys: [0, 0, 0], since: '2', group: 'server', summary: '' },
          },
        }),
      },
    ])
    const get = table.resolve(argsOf('config', 'gEt', 'x'))
    const set = table.resolve(argsOf('CONFIG', 'SET'))
    expect([get?.name, set?.name, table.resolve(argsOf('config', 'other'))?.name]).toEqual([
      'config|get',
      'config|set',
      'config',
    ])
    get?.run({} as never)
    set?.run({} as never)
    expect(ran).toEqual(['get', 'config'])
    expect(table.findFullName('config|get')?.id).toBe(get?.id)
    expect(new Set(table.byId.map((entry) => entry.id)).size).toBe(3)
  })
})

test('argIs and argInteger', () => {
  expect(argIs(argsOf('Get'), 0, 'GET')).toBe(true)
  expect(argIs(argsOf('GETS'), 0, 'GET')).toBe(false)
  expect(argIs(argsOf('G\x05T'), 0, 'GET')).toBe(false)
  for (const [text, value] of [
    ['0', 0],
    ['-1', -1],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', Number.NaN],
    ['', Number.NaN],
    ['-', Number.NaN],
    ['-0', Number.NaN],
    ['01', Number.NaN],
    [' 1', Number.NaN],
    ['1a', Number.NaN],
    ['1.0', Number.NaN],
  ] as const) {
    expect(argInteger(argsOf(text), 0), text).toBe(value)
  }
})

describe('globMatches', () => {
  const matches = (pattern: string, text: string, noCase = false): boolean => {
    const p = Buffer.from(pattern, 'latin1')
    const t = Buffer.from(text, 'latin1')
    return globMatches(p, 0, p.length, t, 0, t.length, noCase)
  }
  test.each([
    ['*', '', false],
    ['', '', true],
    ['', 'a', false],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeeello', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hallo', true],
    ['h\\*llo', 'h*llo', true],
    ['h\\*llo', 'hxllo', false],
    ['[abc', 'c', true],
    ['a**b*c', 'aXXbYYbc', true],
    ['*a*b', 'xaxb_', false],
    ['key:*:x', 'key:1:2:x', true],
    ['\\', '\\', true],
    ['[\\]]', ']', true],
    ['*\xff', 'a\xff', true],
  ])('%s on %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected)
  })
  test('case', () => {
    expect(matches('GET[a-c]', 'getB')).toBe(false)
    expect(matches('GET[a-c]', 'getB', true)).toBe(true)
  })
  test('many stars do not explode', () => {
    const cpu = new CpuTime()
    expect(matches('a*'.repeat(40) + 'b', 'a'.repeat(2000))).toBe(false)
    expect(cpu.ms).toBeLessThan(1000)
  })
})
