/** The same bytes to a real redis-server and to ours: the replies must be the same bytes. */
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { encodeCommand, RawClient } from '../../support/raw-client.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'
import { itOfReference as test } from '../../support/reference.ts'

let redis: TestServer
let locked: TestServer
let toy: ToyServer
let lockedToy: ToyServer

beforeAll(async () => {
  // Nothing is slow, however busy the machine is: the slow log is compared, too.
  redis = await startRedisServer({ directives: { 'slowlog-log-slower-than': -1 } })
  locked = await startRedisServer({ directives: { requirepass: 'secret' } })
  toy = await startToyServer({ enableDebugCommand: 'yes', slowlogSlowerThanMicros: -1 })
  lockedToy = await startToyServer({ requirepass: 'secret' })
})

afterAll(async () => {
  await Promise.all([redis?.stop(), locked?.stop(), toy?.server.close(), lockedToy?.server.close()])
})

/** Everything a server answers to these bytes until it closes, after we said the end. */
async function answer(port: number, bytes: Buffer): Promise<string> {
  const client = await RawClient.connect({ port })
  client.send(bytes)
  client.end()
  const reply = await client.readToEnd()
  client.close()
  return reply.toString('latin1')
}

/** Words separated by spaces; for other arguments pass a list. Text that ends in a line feed is sent as it is. */
type Step = string | readonly (string | number | Uint8Array)[]

function bytesOf(steps: readonly Step[]): Buffer {
  return Buffer.concat(
    steps.map((step) => {
      if (typeof step !== 'string') return encodeCommand(...step)
      return step.endsWith('\n') ? Buffer.from(step, 'latin1') : encodeCommand(...step.split(' '))
    }),
  )
}

/** What must differ: ids of connections. */
function plain(reply: string): string {
  return reply.replace(/\$2\r\nid\r\n:\d+/g, '$2\r\nid\r\n:0')
}

async function compare(steps: readonly Step[], withPassword = false): Promise<string> {
  const bytes = bytesOf(steps)
  const [theirs, ours] = await Promise.all([
    answer((withPassword ? locked : redis).port, bytes),
    answer((withPassword ? lockedToy : toy).port, bytes),
  ])
  expect(plain(ours)).toBe(plain(theirs))
  expect(theirs.length).toBeGreaterThanOrEqual(4)
  return ours
}

describe('errors', () => {
  test.each<[string, Step[]]>([
    [
      'unknown command',
      ['nope', 'nope a b c', ['nope', 'x'.repeat(200), 'y'], ['n\r\nope', 'a\nb'], ['x'.repeat(300), 'a']],
    ],
    [
      'zero bytes and binary',
      [
        ['a\0b', 'c\0d'],
        [Buffer.from([0xff, 0xfe, 0x80]), Buffer.from([0x81])],
      ],
    ],
    [
      'arity',
      ['GET', 'GET a b', 'PING a b', 'ECHO', 'CLIENT', 'CLIENT LIST TYPE', 'CLIENT ID x', 'SELECT', 'MULTI x', 'DEL'],
    ],
    [
      'subcommands',
      [
        'CLIENT nope',
        ['CLIENT', 'a\r\nb'],
        'COMMAND nope',
        'PUBSUB nope',
        'SLOWLOG nope',
        'ACL nope',
        'LATENCY nope',
        'MODULE nope',
        'CLUSTER nope x',
      ],
    ],
    [
      'values',
      [
        'SELECT x',
        'SELECT 99',
        'SELECT -1',
        'SELECT 3',
        'CLIENT SETNAME a_b',
        ['CLIENT', 'SETNAME', 'a b'],
        'CLIENT GETNAME',
        'INCR bad',
        'DEL bad',
      ],
    ],
    ['wait', ['WAIT x 1', 'WAIT 0 x', 'WAIT 0 -1', 'WAIT 0 10']],
    ['cluster', ['CLUSTER INFO', 'CLUSTER SLOTS', 'CLUSTER MYID', 'ASKING']],
    [
      'acl',
      [
        'ACL WHOAMI',
        'ACL LIST',
        'ACL USERS',
        'ACL GETUSER default',
        'ACL GETUSER nope',
        'ACL CAT nope',
        'ACL CAT',
        'ACL LOAD',
        'ACL LOG',
        'ACL LOG 5',
        'ACL LOG x',
        'ACL GENPASS 0',
        'ACL GENPASS x',
        'ACL DRYRUN nope GET x',
        'ACL DRYRUN default GET x',
      ],
    ],
  ])('%s', async (_name, steps) => {
    await compare(steps)
  })
})

describe('protocol', () => {
  test.each<[string, string]>([
    ['expected $', '*1\r\n+PING\r\n'],
    ['invalid multibulk length', '*a\r\n'],
    ['leading zero', '*01\r\n$4\r\nPING\r\n'],
    ['huge multibulk length', '*2147483648\r\n'],
    ['invalid bulk length', '*1\r\n$-5\r\n'],
    ['bulk beyond proto-max-bulk-len', '*1\r\n$536870913\r\n'],
    ['too big count', `*${'1'.repeat(70_000)}`],
    ['too big bulk count', `*1\r\n$${'1'.repeat(70_000)}`],
    ['too big inline', 'x'.repeat(70_000)],
    ['unbalanced', 'PING "abc\r\n'],
    ['unbalanced, glued', 'ECHO "abc"d\r\n'],
    ['replies before the error are sent', 'PING\r\nPING\r\n*x\r\nPING\r\n'],
    ['empty commands', '\r\n\n*0\r\n*-5\r\nPING\r\n'],
    ['inline quoting', 'ECHO "a\\x41\\n\\"b"\r\necho \'it\\\'s\'\nECHO a"b c"\nECHO ""\n'],
    ['bytes behind a value are not looked at', '*2\r\n$4\r\nECHOxx$2\r\nabyy*1\r\n$4\r\nPING\r\n'],
    ['quit', 'PING\r\nQUIT\r\nPING\r\n'],
    ['quit with arguments', 'QUIT now\r\n'],
    ['cut in the middle', '*2\r\n$4\r\nECHO\r\n$10\r\nabc'],
  ])('%s', async (_name, bytes) => {
    const raw = Buffer.from(bytes, 'latin1')
    const [theirs, ours] = await Promise.all([answer(redis.port, raw), answer(toy.port, raw)])
    expect(ours).toBe(theirs)
  })
})

describe('connection', () => {
  test.each<[string, Step[]]>([
    ['ping and echo', ['PING', 'PING hello', ['PING', ''], 'ECHO x', ['ECHO', Buffer.from([0, 13, 10, 255])]]],
    ['hello', ['HELLO', 'HELLO 2', 'HELLO 3', 'HELLO', 'HELLO 2']],
    [
      'hello 3 changes types',
      [
        'HELLO 3',
        'GET missing',
        'CLIENT GETNAME',
        'CLIENT TRACKINGINFO',
        'ACL GETUSER default',
        'DEBUG PROTOCOL double',
        'DEBUG PROTOCOL null',
        'DEBUG PROTOCOL set',
        'DEBUG PROTOCOL map',
        'DEBUG PROTOCOL verbatim',
        'DEBUG PROTOCOL bignum',
        'DEBUG PROTOCOL attrib',
        'DEBUG PROTOCOL push',
        'DEBUG PROTOCOL other',
        'DEBUG PROTOCOL true',
      ],
    ],
    [
      'the same in resp2',
      [
        'GET missing',
        'CLIENT TRACKINGINFO',
        'DEBUG PROTOCOL double',
        'DEBUG PROTOCOL null',
        'DEBUG PROTOCOL set',
        'DEBUG PROTOCOL map',
        'DEBUG PROTOCOL verbatim',
        'DEBUG PROTOCOL bignum',
        'DEBUG PROTOCOL attrib',
        'DEBUG PROTOCOL push',
        'DEBUG PROTOCOL other',
        'DEBUG PROTOCOL true',
      ],
    ],
    [
      'hello options',
      [
        'HELLO 3 SETNAME abc',
        'CLIENT GETNAME',
        ['HELLO', '3', 'SETNAME', 'a b'],
        'HELLO 4',
        'HELLO 1',
        'HELLO x',
        'HELLO 3 NOPE',
        'HELLO 3 SETNAME',
        'HELLO 3 AUTH a',
        'HELLO 3 AUTH default x',
        'HELLO 3 AUTH nobody x',
      ],
    ],
    ['auth without password', ['AUTH x', 'AUTH default x', 'AUTH nobody x', 'AUTH a b c', 'PING']],
    [
      'select and reset',
      ['SELECT 3', 'HELLO 3 SETNAME n', 'MULTI', 'GET a', 'RESET', 'CLIENT GETNAME', 'EXEC', 'PING'],
    ],
    [
      'client reply',
      [
        'CLIENT REPLY ON',
        'CLIENT REPLY SKIP',
        'PING skipped',
        'PING seen',
        'CLIENT REPLY OFF',
        'PING off',
        'GET',
        'CLIENT REPLY SKIP',
        'CLIENT REPLY ON',
        'PING back',
        'CLIENT REPLY x',
      ],
    ],
    [
      'client id forms',
      [
        'CLIENT UNBLOCK x',
        'CLIENT UNBLOCK 99999',
        'CLIENT UNBLOCK 1 x',
        'CLIENT UNBLOCK 1 ERROR x',
        'CLIENT KILL ID 9223372036854775807',
        'CLIENT KILL ID 9223372036854775808',
        'CLIENT KILL 1.2.3.4:5',
        'CLIENT KILL ID x',
        'CLIENT KILL ID 0',
        'CLIENT KILL TYPE x',
        'CLIENT KILL ADDR 1.2.3.4:5',
        'CLIENT KILL USER nobody',
        'CLIENT KILL ID 9999 SKIPME x',
        'CLIENT KILL SKIPME',
        'CLIENT LIST TYPE x',
        'CLIENT LIST ID x',
        'CLIENT LIST ID',
        'CLIENT LIST ID 0',
        'CLIENT LIST ID -1 -9223372036854775808 9223372036854775807',
        'CLIENT LIST ID 9223372036854775808',
        'CLIENT LIST ID 01',
        'CLIENT LIST foo bar',
        'CLIENT LIST TYPE master',
        'CLIENT NO-EVICT x',
        'CLIENT NO-EVICT ON',
        'CLIENT PAUSE x',
        'CLIENT PAUSE 1 x',
        'CLIENT PAUSE 1 WRITE x',
        'CLIENT PAUSE x WRITE x',
        'CLIENT PAUSE -1',
        'CLIENT GETREDIR',
      ],
    ],
    [
      'tracking prefixes',
      [
        'CLIENT TRACKING ON BCAST PREFIX foo PREFIX foo',
        'CLIENT TRACKING ON BCAST PREFIX foo',
        'CLIENT TRACKING ON BCAST PREFIX foo',
        'CLIENT TRACKING ON BCAST PREFIX fo',
        'CLIENT TRACKING ON BCAST PREFIX food PREFIX bar',
        'CLIENT TRACKING ON BCAST PREFIX x PREFIX xy',
        'CLIENT TRACKING ON BCAST PREFIX bar',
        'CLIENT TRACKING ON BCAST',
        'CLIENT TRACKING ON BCAST',
        'CLIENT TRACKING ON BCAST PREFIX y',
        'CLIENT TRACKINGINFO',
      ],
    ],
    [
      'tracking errors',
      [
        'CLIENT TRACKING x',
        'CLIENT TRACKING ON PREFIX a',
        'CLIENT TRACKING ON BCAST PREFIX a PREFIX ab',
        'CLIENT TRACKING ON OPTIN OPTOUT',
        'CLIENT TRACKING ON BCAST OPTIN',
        'CLIENT TRACKING ON REDIRECT 99999',
        'CLIENT TRACKING ON REDIRECT x',
        'CLIENT CACHING YES',
        'CLIENT TRACKING ON OPTIN',
        'CLIENT CACHING NO',
        'CLIENT CACHING YES',
        'CLIENT TRACKINGINFO',
        'CLIENT TRACKING ON OPTOUT',
        'CLIENT TRACKING ON BCAST',
        'CLIENT GETREDIR',
        'CLIENT TRACKING OFF',
        'CLIENT TRACKINGINFO',
      ],
    ],
  ])('%s', async (_name, steps) => {
    await compare(steps)
  })
})

describe('authentication', () => {
  test.each<[string, Step[]]>([
    ['refused', ['PING', 'GET a', 'NOPE', 'GET', 'HELLO', 'HELLO 3', 'CLIENT ID', 'MULTI', 'QUIT']],
    ['wrong', ['AUTH x', 'AUTH default x', 'AUTH nobody secret', 'HELLO 3 AUTH default wrong', 'PING']],
    ['right', ['AUTH secret', 'PING', 'AUTH wrong', 'PING']],
    ['right with user', ['AUTH default secret', 'PING']],
    ['right with hello', ['HELLO 3 AUTH default secret SETNAME x', 'PING', 'CLIENT GETNAME', 'RESET', 'PING']],
    ['small limits', ['*11\r\n']],
    ['small bulk', ['*2\r\n$4\r\nAUTH\r\n$16385\r\n']],
  ])('%s', async (_name, steps) => {
    await compare(steps, true)
  })
})

describe('transactions', () => {
  test.each<[string, Step[]]>([
    ['exec', ['MULTI', 'SET tx 1', 'INCR tx', 'GET tx', 'PING', 'EXEC', 'DEL tx']],
    ['discard', ['MULTI', 'SET tx 1', 'DISCARD', 'GET tx', 'DISCARD', 'EXEC']],
    ['nested and watch inside', ['MULTI', 'MULTI', 'WATCH a', 'PING', 'EXEC']],
    ['unknown command', ['MULTI', 'SET tx 1', 'nope', 'PING', 'EXEC', 'GET tx']],
    ['wrong arity', ['MULTI', 'GET', 'EXEC', 'EXEC']],
    ['not allowed', ['MULTI', 'SHUTDOWN', 'EXEC']],
    ['error at run time', ['MULTI', 'SET tx abc', 'INCR tx', 'GET tx', 'EXEC', 'DEL tx']],
    ['exec arity', ['MULTI', 'EXEC x', 'PING', 'EXEC']],
    ['empty', ['MULTI', 'EXEC']],
    ['watch untouched', ['WATCH w1 w2', 'MULTI', 'PING', 'EXEC']],
    [
      'watch touched by itself',
      ['SET w1 1', 'WATCH w1', 'SET w1 2', 'MULTI', 'PING', 'EXEC', 'MULTI', 'PING', 'EXEC', 'DEL w1'],
    ],
    ['unwatch', ['WATCH w1', 'SET w1 2', 'UNWATCH', 'MULTI', 'PING', 'EXEC', 'DEL w1']],
    ['discard unwatches', ['WATCH w1', 'SET w1 2', 'MULTI', 'DISCARD', 'MULTI', 'PING', 'EXEC', 'DEL w1']],
    ['hello inside', ['MULTI', 'HELLO 3', 'GET missing', 'EXEC', 'GET missing']],
    ['select inside', ['MULTI', 'SELECT 2', 'EXEC', 'SELECT 99', 'MULTI', 'SELECT 99', 'EXEC']],
    ['subscribe inside', ['MULTI', 'SUBSCRIBE a', 'PING', 'EXEC', 'UNSUBSCRIBE', 'PING']],
    ['subscribe to shard channels inside', ['MULTI', 'SSUBSCRIBE s', 'PING', 'EXEC', 'PING']],
    ['quit inside', ['MULTI', 'PING', 'QUIT']],
    ['wait inside', ['MULTI', 'WAIT 1 0', 'EXEC']],
    ['monitor inside', ['MULTI', 'MONITOR', 'EXEC']],
  ])('%s', async (_name, steps) => {
    await compare(steps)
  })
})

describe('publish and subscribe', () => {
  test.each<[string, Step[]]>([
    [
      'resp2',
      [
        'SUBSCRIBE a b',
        'PSUBSCRIBE x*',
        'SSUBSCRIBE s',
        'PING',
        'PING m',
        'GET a',
        'MULTI',
        'UNSUBSCRIBE a',
        'UNSUBSCRIBE',
        'PUNSUBSCRIBE',
        'SUNSUBSCRIBE',
        'UNSUBSCRIBE',
        'PUNSUBSCRIBE nope',
        'PING',
        'GET none',
      ],
    ],
    [
      'resp3',
      [
        'HELLO 3',
        'SUBSCRIBE a b',
        'PING',
        'GET none',
        'PUBLISH a hello',
        'PSUBSCRIBE a*',
        'PUBLISH a again',
        'SSUBSCRIBE s',
        'SPUBLISH s m',
        'UNSUBSCRIBE a',
        'UNSUBSCRIBE',
        'PUNSUBSCRIBE',
        'SUNSUBSCRIBE',
      ],
    ],
    ['reset', ['SUBSCRIBE a', 'RESET', 'GET none']],
    [
      'queries',
      [
        'PUBSUB CHANNELS',
        'PUBSUB NUMSUB',
        'PUBSUB NUMSUB a b',
        'PUBSUB NUMPAT',
        'PUBSUB SHARDCHANNELS',
        'PUBSUB SHARDNUMSUB s',
        'PUBLISH nobody x',
        'SPUBLISH nobody x',
      ],
    ],
    [
      'queries with subscribers',
      [
        'HELLO 3',
        'SUBSCRIBE aa ab b',
        'PUBSUB CHANNELS aa',
        'PUBSUB CHANNELS zz*',
        'PUBSUB NUMSUB aa none',
        'PSUBSCRIBE x* y*',
        'PUBSUB NUMPAT',
      ],
    ],
  ])('%s', async (_name, steps) => {
    await compare(steps)
  })
})

describe('what ends with its command', () => {
  const SKIP = 'CLIENT REPLY SKIP'
  const YES = 'CLIENT CACHING YES'
  /** Was `one` tracked? */
  const tracked: readonly Step[] = ['GET one', 'SET one 1', 'PING']

  test.each<[string, Step[]]>([
    ['skip, unknown command', [SKIP, 'NOPE', 'PING']],
    ['skip, wrong arity', [SKIP, 'GET', 'PING']],
    ['skip, unknown subcommand', [SKIP, 'CLIENT NOPE', 'PING']],
    ['skip, EXEC refused', [SKIP, 'EXEC', 'PING']],
    ['skip, MULTI', [SKIP, 'MULTI', 'PING', 'EXEC', 'PING']],
    ['skip within a transaction', ['MULTI', SKIP, 'PING', 'EXEC', 'PING a', 'PING b']],
    ['skip twice', [SKIP, SKIP, 'PING a', 'PING b']],
    ['skip, reset', [SKIP, 'RESET', 'PING']],
    ['off, reset', ['CLIENT REPLY OFF', 'RESET', 'PING']],
  ])('%s', async (_name, steps) => {
    await compare(steps)
  })

  test.each<[string, Step[]]>([
    ['a command of CLIENT', [YES, 'CLIENT GETNAME']],
    ['a command of CLIENT that is refused', [YES, 'CLIENT GETNAME x']],
    ['CLIENT alone', [YES, 'CLIENT']],
    ['unknown subcommand', [YES, 'CLIENT NOPE']],
    ['unknown command', [YES, 'NOPE']],
    ['wrong arity', [YES, 'GET']],
    ['another command', [YES, 'PING']],
    ['an empty transaction', [YES, 'MULTI', 'EXEC']],
    ['a transaction', [YES, 'MULTI', 'NOPE', 'DISCARD']],
    ['within a transaction', ['MULTI', YES, 'EXEC']],
    ['nothing', [YES]],
  ])('opted in, %s', async (_name, steps) => {
    await compare(['HELLO 3', 'CLIENT TRACKING ON OPTIN', 'SET one 1', ...steps, ...tracked])
  })

  test.each<[string, Step[]]>([
    ['nothing', []],
    ['a command of CLIENT', ['CLIENT GETNAME']],
    ['unknown command', ['NOPE']],
  ])('opted out, %s', async (_name, steps) => {
    await compare(['HELLO 3', 'CLIENT TRACKING ON OPTOUT', 'SET one 1', 'CLIENT CACHING NO', ...steps, ...tracked])
  })
})

describe('pushes and the replies about them', () => {
  const OFF = 'CLIENT REPLY OFF'

  test.each<[string, Step[]]>([
    ['own write', ['CLIENT TRACKING ON', 'GET own', 'SET own 1', 'PING', 'DEL own']],
    ['own transaction', ['CLIENT TRACKING ON', 'GET own', 'MULTI', 'SET own 1', 'PING', 'EXEC', 'PING', 'DEL own']],
    ['read and written in a transaction', ['CLIENT TRACKING ON', 'MULTI', 'GET own', 'SET own 1', 'EXEC', 'DEL own']],
    ['own write, skipped', ['CLIENT TRACKING ON', 'GET own', 'CLIENT REPLY SKIP', 'SET own 1', 'PING', 'DEL own']],
    ['own write, off', ['CLIENT TRACKING ON', 'GET own', OFF, 'SET own 1', 'PING', 'DEL own', 'CLIENT REPLY ON']],
    ['subscribed, off', [OFF, 'SUBSCRIBE a', 'PSUBSCRIBE x*', 'SSUBSCRIBE s', 'PUBLISH a m', 'PUBLISH xy m', 'PING']],
    ['unsubscribed, off', ['SUBSCRIBE a', 'PSUBSCRIBE x', OFF, 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE', 'PING']],
    ['subscribed, skipped', ['CLIENT REPLY SKIP', 'SUBSCRIBE a', 'SUBSCRIBE b', 'PUBLISH a m']],
    ['own message, skipped', ['SUBSCRIBE a', 'CLIENT REPLY SKIP', 'PUBLISH a m', 'PUBLISH a n']],
  ])('%s', async (_name, steps) => {
    await compare(['HELLO 3', ...steps])
  })

  test('confirmations in RESP2', async () => {
    await compare([OFF, 'SUBSCRIBE a', 'PING', 'UNSUBSCRIBE a', 'CLIENT REPLY ON', 'CLIENT REPLY SKIP', 'SUBSCRIBE b'])
  })
})

describe('introspection', () => {
  test.each<[string, Step[]]>([
    [
      'getkeys',
      [
        'COMMAND GETKEYS GET a',
        'COMMAND GETKEYS SET a b',
        'COMMAND GETKEYS DEL a b c',
        'COMMAND GETKEYS MSET a 1 b 2',
        'COMMAND GETKEYS PING',
        'COMMAND GETKEYS PING x',
        'COMMAND GETKEYS nope x',
        'COMMAND GETKEYS GET a b',
        'COMMAND GETKEYS WATCH a b',
        'COMMAND GETKEYS SSUBSCRIBE s',
      ],
    ],
    [
      'command info',
      [
        'COMMAND INFO ping echo hello auth select quit reset readonly readwrite asking time lastsave wait monitor multi exec discard watch unwatch subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe publish shutdown nope get',
        'COMMAND INFO client|id client|kill client|nope',
        'HELLO 3',
        'COMMAND INFO ping get client|id',
        'HELLO 2',
        'COMMAND LIST FILTERBY',
        'COMMAND LIST FILTERBY nope x',
        'COMMAND LIST FILTERBY MODULE x',
        'COMMAND LIST FILTERBY ACLCAT nope',
        'COMMAND DOCS nope',
      ],
    ],
    ['slow log', ['SLOWLOG RESET', 'SLOWLOG GET', 'SLOWLOG LEN', 'SLOWLOG GET x', 'SLOWLOG GET -2', 'SLOWLOG GET 1 2']],
    [
      'latency',
      [
        'LATENCY RESET',
        'LATENCY LATEST',
        'LATENCY HISTORY x',
        'LATENCY RESET x y',
        'LATENCY HISTOGRAM nope',
        'LATENCY GRAPH x',
      ],
    ],
    ['version', ['LOLWUT', 'LOLWUT VERSION x', 'LOLWUT VERSION 2', 'LOLWUT x y z', 'COMMAND INFO lolwut']],
    ['modules', ['MODULE LIST']],
    ['a monitor that works with data', ['MONITOR', 'GET a', 'SET a 1', 'DEL a', 'PUBLISH a b', 'MONITOR']],
    ['info sections', ['INFO nope', 'INFO cluster', 'INFO CLUSTER modules']],
    ['shutdown', ['SHUTDOWN x', 'SHUTDOWN SAVE NOSAVE', 'SHUTDOWN ABORT', 'SHUTDOWN ABORT NOW']],
  ])('%s', async (_name, steps) => {
    await compare(steps)
  })
})
