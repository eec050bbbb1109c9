/** What replicas below are told of each kind of write, by the rules of core/src/commands/propagation.ts. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { dataCommandFamilies, Keyspace, LibraryStore } from '@understudy/core/internal'
import { clientCommandFamilies } from '@understudy/net/internal'
import { RawClient } from '../../support/raw-client.ts'
import { ToldWrites } from '../../support/told-writes.ts'
import { startToyServer, type ToyServer } from '../../support/toy-server.ts'
import { waitFor } from '../../support/wait-for.ts'

let toy: ToyServer
let client: RawClient
let writes: ToldWrites

beforeEach(async () => {
  writes = new ToldWrites()
  const memory = (): never => {
    throw new Error('not asked')
  }
  const families = [...clientCommandFamilies(), ...dataCommandFamilies({ libraries: new LibraryStore(), memory })]
  toy = await startToyServer({}, { families, keyspace: new Keyspace({ databaseCount: 16 }), ports: { writes } })
  client = await RawClient.connect({ port: toy.port })
  await client.call('SET', 'first', '1')
  writes.take()
})

afterEach(async () => {
  client.close()
  await toy.server.close()
})

async function run(line: string): Promise<void> {
  await client.pipeline([line.split(' ')])
}

/** Runs the last line behind the others. @returns what is told of it */
async function told(...lines: string[]): Promise<string[]> {
  for (const line of lines.slice(0, -1)) await run(line)
  writes.take()
  await run(lines.at(-1)!)
  return writes.take()
}

/** Commands before, the command, what is told. Times are far in the future, or as said. */
const CASES: readonly (readonly [before: string[], command: string, told: string[]])[] = [
  [[], 'SET k v', ['SET k v']],
  [[], 'SET k v NX', ['SET k v']],
  [['SET k w'], 'SET k v NX', []],
  [[], 'SET k v PXAT 99000000000000', ['SET k v PXAT 99000000000000']],
  [['SET k w PXAT 99000000000000'], 'SET k v KEEPTTL', ['SET k v PXAT 99000000000000']],
  [['SET k w'], 'SET k v GET', ['SET k v']],
  [['SET k w'], 'GETSET k v', ['SET k v']],
  [['SET k w'], 'GETDEL k', ['DEL k']],
  [[], 'GETDEL k', []],
  [['SET k w'], 'GETEX k', []],
  [['SET k w'], 'GETEX k PXAT 99000000000000', ['PEXPIREAT k 99000000000000']],
  [['SET k w PXAT 99000000000000'], 'GETEX k PERSIST', ['PERSIST k']],
  [['SET k w'], 'GETEX k PXAT 1', ['DEL k']],
  [
    [],
    'MSETEX 2 a 1 b 2 PXAT 99000000000000',
    ['MULTI', 'SET a 1 PXAT 99000000000000', 'SET b 2 PXAT 99000000000000', 'EXEC'],
  ],
  [['SET k 1'], 'INCRBYFLOAT k 1.5', ['SET k 2.5 KEEPTTL']],
  [['SET k w'], 'DELEX k', ['DEL k']],
  [['SET k w'], 'PEXPIREAT k 99000000000000', ['PEXPIREAT k 99000000000000']],
  [['SET k w'], 'EXPIREAT k 99000000000 NX', ['PEXPIREAT k 99000000000000']],
  [['SET k w'], 'EXPIRE k -1', ['DEL k']],
  [[], 'EXPIRE k 10', []],
  [['SET k w'], 'PERSIST k', []],
  [['SET k w'], 'DEL k none', ['DEL k none']],
  [[], 'DEL k', []],
  [[], 'FLUSHDB', ['FLUSHDB']],
  [['RPUSH l a b'], 'BLPOP none l 0', ['LPOP l']],
  [['RPUSH l a b'], 'BRPOP l 0', ['RPOP l']],
  [['RPUSH l a b c'], 'LMPOP 2 none l RIGHT COUNT 2', ['RPOP l 2']],
  [['RPUSH l a b'], 'BLMOVE l m LEFT RIGHT 0', ['LMOVE l m LEFT RIGHT']],
  [['RPUSH l a b'], 'BRPOPLPUSH l m 0', ['RPOPLPUSH l m']],
  [['RPUSH l a', 'SET s x'], 'BLMOVE l s LEFT RIGHT 0', []],
  [['RPUSH l a b'], 'RPOPLPUSH l m', ['RPOPLPUSH l m']],
  [['SADD s a'], 'SPOP s', ['SREM s a']],
  [['SADD s a b'], 'SPOP s 5', ['DEL s']],
  [['SADD s a'], 'SADD s a', []],
  [['ZADD z 1 a 2 b 3 c'], 'ZMPOP 1 z MAX COUNT 2', ['ZPOPMAX z 2']],
  [['ZADD z 1 a'], 'BZPOPMIN z 0', ['ZPOPMIN z 1']],
  [['ZADD z 1 a'], 'ZPOPMIN z', ['ZPOPMIN z']],
  [[], 'GEOADD g NX 13.361389 38.115556 p', ['ZADD g NX 3479099956230698 p']],
  [['GEOADD g 13.361389 38.115556 p'], 'GEOADD g 13.361389 38.115556 p', []],
  [['HSET h f 1'], 'HINCRBYFLOAT h f 1.5', ['HSET h f 2.5']],
  [['HSET h f 1 g 2'], 'HPEXPIREAT h 66000000000000 FIELDS 2 f none', ['HPEXPIREAT h 66000000000000 FIELDS 1 f']],
  [['HSET h f 1 g 2'], 'HEXPIRE h 0 FIELDS 1 f', ['HDEL h f']],
  [['HSET h f 1 g 2'], 'HGETDEL h FIELDS 2 f none', ['HDEL h f']],
  [['HSET h f 1'], 'HGETEX h PXAT 66000000000000 FIELDS 1 f', ['HPEXPIREAT h 66000000000000 FIELDS 1 f']],
  [['HSETEX h PXAT 66000000000000 FIELDS 1 f 1'], 'HGETEX h PERSIST FIELDS 1 f', ['HPERSIST h FIELDS 1 f']],
  [
    [],
    'HSETEX h PXAT 66000000000000 FIELDS 1 f 1',
    ['MULTI', 'HSET h f 1', 'HPEXPIREAT h 66000000000000 FIELDS 1 f', 'EXEC'],
  ],
  [['XADD x 1-1 f v'], 'XADD x 1-* f v', ['XADD x 1-2 f v']],
  [['XADD x 1-1 f v'], 'XADD x MAXLEN 1 2-1 f v', ['XADD x MAXLEN = 1 2-1 f v']],
  [['XADD x 1-1 f v'], 'XADD x MAXLEN ~ 1 2-1 f v', ['XADD x 2-1 f v']],
  [['XADD x 1-1 f v', 'XADD x 2-1 f v'], 'XTRIM x MINID 2', ['XTRIM x MAXLEN = 1']],
  [['XADD x 1-1 f v'], 'XGROUP CREATE x g 0', ['XGROUP CREATE x g 0']],
  [['XADD x 1-1 f v', 'XGROUP CREATE x g 0'], 'XGROUP CREATECONSUMER x g c', ['XGROUP CREATECONSUMER x g c']],
  [['XADD x 1-1 f v', 'XGROUP CREATE x g 0', 'XGROUP CREATECONSUMER x g c'], 'XGROUP CREATECONSUMER x g c', []],
  [['XADD x 1-1 f v', 'XGROUP CREATE x g 0'], 'XACK x g 1-1', []],
  [['XADD x 1-1 f v', 'XGROUP CREATE x g 0', 'XREADGROUP GROUP g c STREAMS x >'], 'XACK x g 1-1', ['XACK x g 1-1']],
  [
    ['XADD x 1-1 f v', 'XGROUP CREATE x g 0'],
    'XREADGROUP GROUP g c NOACK STREAMS x >',
    ['MULTI', 'XGROUP CREATECONSUMER x g c', 'XGROUP SETID x g 1-1 ENTRIESREAD 1', 'EXEC'],
  ],
  [
    ['XADD x 1-1 f v', 'XGROUP CREATE x g 0', 'XREADGROUP GROUP g c STREAMS x >'],
    'XCLAIM x g c 0 1-1 TIME 5 RETRYCOUNT 7 JUSTID',
    ['XCLAIM x g c 0 1-1 TIME 5 RETRYCOUNT 7 FORCE JUSTID LASTID 1-1'],
  ],
  [
    ['XADD x 1-1 f v', 'XADD x 2-1 f v', 'XGROUP CREATE x g 0', 'XREADGROUP GROUP g c STREAMS x >'],
    'XDELEX x DELREF IDS 2 1-1 9-9',
    ['MULTI', 'XACK x g 1-1', 'XDEL x 1-1', 'EXEC'],
  ],
  [
    ['XADD x 1-1 f v', 'XGROUP CREATE x g 0', 'XREADGROUP GROUP g c STREAMS x >'],
    'XACKDEL x g ACKED IDS 1 1-1',
    ['MULTI', 'XACK x g 1-1', 'XDEL x 1-1', 'EXEC'],
  ],
  [
    ['XADD x 1-1 f v'],
    'XADD x MAXLEN 0 DELREF 2-1 f v',
    ['MULTI', 'XADD x 2-1 f v', 'XDEL x 1-1', 'XDEL x 2-1', 'EXEC'],
  ],
  [['SET k v'], 'PUBLISH channel message', ['PUBLISH channel message']],
  [['SET k w'], 'RESTORE k 0 bad', []],
]

it.each(CASES)('%j %s: %j', async (before, command, expected) => {
  expect(await told(...before, command)).toEqual(expected)
})

it('a delivery is told with the time and the count that it left', async () => {
  for (const line of ['XADD x 1-1 f v', 'XADD x 2-1 f v', 'XGROUP CREATE x g 0', 'XGROUP CREATECONSUMER x g c'])
    await run(line)
  writes.take()
  await run('XREADGROUP GROUP g c STREAMS x >')
  const lines = writes.take().map((line) => line.replace(/TIME \d{13}/, 'TIME t'))
  expect(lines).toEqual([
    'MULTI',
    'XCLAIM x g c 0 1-1 TIME t RETRYCOUNT 1 FORCE JUSTID LASTID 1-1',
    'XCLAIM x g c 0 2-1 TIME t RETRYCOUNT 1 FORCE JUSTID LASTID 2-1',
    'XGROUP SETID x g 2-1 ENTRIESREAD 2',
    'EXEC',
  ])
})

it('relative times become absolute ones', async () => {
  const [line] = await told('SET k v EX 100')
  const time = /^SET k v PXAT (\d+)$/.exec(line ?? '')
  expect(Math.abs(Number(time?.[1]) - Date.now() - 100_000)).toBeLessThan(10_000)
})

it('RESTORE goes with its payload and an absolute time', async () => {
  await run('SET k value')
  const payload = (await client.callBinary('DUMP', 'k')) as Buffer
  writes.take()
  await client.call('RESTORE', 'k', 99_000_000_000_000, payload, 'REPLACE', 'ABSTTL')
  expect(writes.take()).toEqual([`RESTORE k 99000000000000 ${payload.toString()} REPLACE ABSTTL`])
})

it('a write that meets an expired key makes replicas lose it first', async () => {
  await run('SET gone 1 PX 1')
  await run('SADD other a')
  await waitFor('the time', async () => (await client.call('EXISTS', 'gone')) === 0)
  expect(await told('INCR gone')).toEqual(['MULTI', 'DEL gone', 'INCR gone', 'EXEC'])
  await run('SADD source b')
  await run('PEXPIRE source 1')
  await waitFor('the time', async () => (await client.call('EXISTS', 'source')) === 0)
  expect(await told('SUNIONSTORE target other source')).toEqual([
    'MULTI',
    'DEL source',
    'SUNIONSTORE target other source',
    'EXEC',
  ])
  // A read removes nothing.
  await run('SET gone 1 PX 1')
  await waitFor('the time', async () => (await client.call('EXISTS', 'gone')) === 0)
  expect(await told('GET gone')).toEqual([])
})

it('a transaction of one effect goes bare, one of several as a group, each database selected where it changes', async () => {
  await client.pipeline([['MULTI'], ['SET', 'a', '1'], ['GET', 'a'], ['EXEC']])
  expect(writes.take()).toEqual(['SET a 1'])
  await client.pipeline([
    ['MULTI'],
    ['SET', 'a', '1'],
    ['SELECT', '3'],
    ['SPOP', 'none'],
    ['LPUSH', 'l', 'x'],
    ['EXEC'],
  ])
  expect(writes.take()).toEqual(['MULTI', 'SET a 1', 'SELECT 3', 'LPUSH l x', 'EXEC'])
  expect(await told('SADD s m')).toEqual(['SADD s m'])
})

it('a command that waited is told when it is served, behind what served it', async () => {
  const waiter = await RawClient.connect({ port: toy.port })
  waiter.send(Buffer.from('BLPOP l 0\r\n'))
  await waitFor('the waiter', () => toy.server.blockedKeys.active)
  expect(await told('RPUSH l a b')).toEqual(['RPUSH l a b', 'LPOP l'])
  waiter.close()
})
