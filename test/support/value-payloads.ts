/**
 * Values of every type and encoding that a stock server makes, as DUMP payloads: made with its own commands, so nothing
 * here knows what the bytes mean.
 */
import type { Argument, RawClient } from './raw-client.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface ValuePayload {
  /** What it is, for messages. */
  readonly name: string
  readonly payload: Buffer
}

type Commands = readonly (readonly Argument[])[]

const K = 'payload-source'

function items(count: number, make: (i: number) => Argument | readonly Argument[]): Argument[] {
  const all: Argument[] = []
  for (let i = 0; i < count; i++) {
    const made = make(i)
    if (Array.isArray(made)) all.push(...made)
    else all.push(made as Argument)
  }
  return all
}

/** Commands that leave a value at K. */
function recipes(random: SeededRandom): Record<string, Commands> {
  const big = random.bytes(70_000)
  return {
    'string int': [['SET', K, '12345']],
    'string shared int': [['SET', K, '7']],
    'string negative int': [['SET', K, '-7']],
    'string int64': [['SET', K, '9223372036854775807']],
    'string beyond int64': [['SET', K, '9223372036854775808']],
    'string leading zero': [['SET', K, '007']],
    'string empty': [['SET', K, '']],
    'string embstr': [['SET', K, random.bytes(44)]],
    'string raw': [['SET', K, random.bytes(45)]],
    'string compressible': [['SET', K, 'abc'.repeat(7000)]],
    'string of 16 KiB': [['SET', K, random.bytes(16_384)]],
    'string of 100 KB': [['SET', K, random.bytes(100_000)]],
    'string of 3 MB, compressible': [['SET', K, 'x'.repeat(3_000_000)]],
    hyperloglog: [['PFADD', K, ...items(500, (i) => `e${i}`)]],
    'list small': [['RPUSH', K, 'a', 'b', '3']],
    'list of nodes': [['RPUSH', K, ...items(3000, (i) => `element ${i}`)]],
    'list with a plain node': [['RPUSH', K, 'a', big, 'b']],
    'set intset': [['SADD', K, 1, 2, 3]],
    'set intset 64': [['SADD', K, 1, 70_000, '5000000000']],
    'set of 600 integers': [['SADD', K, ...items(600, (i) => i)]],
    'set hashtable': [['SADD', K, ...items(40, (i) => `m${i}`)]],
    'set large': [['SADD', K, ...items(2000, (i) => `member ${i}`)]],
    'zset listpack': [['ZADD', K, 1, 'a', -2.5, 'b', 'inf', 'c', '-inf', 'd', 0, 'e', '1e300', 'f', '0.1', 'g']],
    'zset skiplist': [['ZADD', K, ...items(300, (i) => [i / 7, `m${i}`])]],
    'zset long member': [['ZADD', K, 3, 'y'.repeat(80)]],
    'zset shrunk': [
      ['ZADD', K, ...items(300, (i) => [i, `m${i}`])],
      ['ZREMRANGEBYRANK', K, 5, -1],
    ],
    'hash listpack': [['HSET', K, 'f', 'v', 'g', '12', 'h', '']],
    'hash listpack of 300': [['HSET', K, ...items(300, (i) => [`f${i}`, i])]],
    'hash hashtable': [['HSET', K, ...items(600, (i) => [`f${i}`, i * i])]],
    'hash long value': [['HSET', K, 'f', 'z'.repeat(65)]],
    'hash shrunk': [
      ['HSET', K, ...items(700, (i) => [`f${i}`, i])],
      ['HDEL', K, ...items(695, (i) => `f${i}`)],
    ],
    'stream small': [['XADD', K, '1-1', 'f', 'v']],
    'stream empty': [
      ['XADD', K, '1-1', 'f', 'v'],
      ['XDEL', K, '1-1'],
    ],
    'stream with groups': [
      ...Array.from({ length: 250 }, (_, i) => ['XADD', K, `${i + 1}-0`, 'field', i, 'other', `v${i % 3}`]),
      ['XDEL', K, '7-0'],
      ['XGROUP', 'CREATE', K, 'g1', '0'],
      ['XGROUP', 'CREATE', K, 'g2', '$'],
      ['XREADGROUP', 'GROUP', 'g1', 'alice', 'COUNT', 20, 'STREAMS', K, '>'],
      ['XREADGROUP', 'GROUP', 'g1', 'bob', 'COUNT', 3, 'STREAMS', K, '>'],
      ['XACK', K, 'g1', '2-0', '3-0'],
    ],
    'stream of different fields': [
      ...Array.from({ length: 120 }, (_, i) => [
        'XADD',
        K,
        `5-${i + 1}`,
        ...items(1 + (i % 4), (j) => [`f${j}`, i + j]),
      ]),
      ['XTRIM', K, 'MAXLEN', 90],
    ],
  }
}

/** Makes all of them on `server`, in its selected database; K is left empty. */
export async function makeValuePayloads(server: RawClient, random: SeededRandom): Promise<ValuePayload[]> {
  const made: ValuePayload[] = []
  for (const [name, commands] of Object.entries(recipes(random))) {
    await server.call('DEL', K)
    for (const command of commands) await server.call(...command)
    const payload = await server.callBinary('DUMP', K)
    if (!(payload instanceof Buffer)) throw new Error(`DUMP of '${name}' answered ${String(payload)}`)
    made.push({ name, payload })
  }
  await server.call('DEL', K)
  return made
}
