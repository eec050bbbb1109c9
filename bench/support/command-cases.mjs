/**
 * What `commands` asks of both servers, and the data it asks about. The commands whose own work grows with a value say how many
 * elements it has: a command may hold the server for as long as that takes, so it is told what one element costs.
 */
import { commandText } from './command-text.mjs'
import { randomNumbers } from './dataset.mjs'
import { digits } from './redis-benchmark.mjs'

/** Keys of which a random one is asked for: `key:`, `counter:` and `hash:`. */
export const RANDOM_KEYS = 10_000
const HASH_FIELDS = 8
/** Collections of three sizes: a few elements in one compact block, a table of some, a table of many. @type {[name: string, elements: number][]} */
const SIZES = [
  ['small', 50],
  ['medium', 1000],
  ['large', 100_000],
]
const LONG_STRING_BYTES = 20_000
const LARGE_STRING_BYTES = 1_000_000
const STREAM_ENTRIES = 1000
const HYPERLOGLOG_ELEMENTS = 10_000
const BITMAP_BYTES = 12_000
/** Prime, so that its multiples meet all remainders of the sizes. */
const STEP = 7919

/**
 * @typedef {object} CommandCase
 * @property {string} ask The command; `@` stands for twelve random digits, below RANDOM_KEYS.
 * @property {number} [elements] That its work goes over.
 * @property {'equal' | 'any order' | 'not compared'} [replies] Default 'equal'. Not compared: random ones, and what is of one server.
 */

/**
 * @param {string} text One to a line: command, then optionally how replies are compared and the elements, each behind ` | `.
 * @returns {CommandCase[]}
 */
function cases(text) {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [ask = '', ...facts] = line.split(' | ').map((part) => part.trim())
      const elements = facts.find((fact) => /^\d+$/.test(fact))
      const replies = facts.find((fact) => /^[a-z]/.test(fact))
      return {
        ask,
        ...(elements === undefined ? {} : { elements: Number(elements) }),
        ...(replies === undefined ? {} : { replies: /** @type {'any order' | 'not compared'} */ (replies) }),
      }
    })
}

/** In the order in which they are asked: what reads, what writes, and at last what writes something of the server's clock. */
export const COMMAND_CASES = cases(`
PING
ECHO hello
CONFIG GET maxmemory
CLIENT INFO | not compared
COMMAND COUNT | not compared
DBSIZE
PUBLISH channel hello
EXISTS key:@ key:@ key:@
TYPE key:@
TTL key:@
OBJECT ENCODING key:@
MEMORY USAGE key:@ | not compared
MEMORY USAGE medium:hash | not compared
RANDOMKEY | not compared
SCAN 0 COUNT 10 | not compared
SCAN 0 MATCH counter* COUNT 100 | not compared
KEYS counter:* | any order | 30000
DUMP small:zset | not compared
DUMP medium:hash | not compared | 1000
GET key:@
MGET key:@ key:@ key:@ key:@ key:@ key:@ key:@ key:@ key:@ key:@
STRLEN string
GETRANGE string 100 200
LCS key:000000000001 string
GETBIT bitmap:0 5000
BITCOUNT bitmap:0 | 12000
BITPOS bitmap:0 0 | 12000
BITFIELD_RO bitmap:0 GET u8 0 GET i16 100
HGET hash:@ field:5
HMGET hash:@ field:1 field:2 field:3
HEXISTS hash:@ field:3
HGETALL hash:@
HGET medium:hash field:500
HGETALL medium:hash | any order | 1000
HKEYS medium:hash | any order | 1000
HSCAN medium:hash 0 COUNT 10 | not compared
HRANDFIELD medium:hash 5 | not compared
LLEN medium:list
LINDEX medium:list 500
LRANGE small:list 0 9
LRANGE medium:list 0 -1 | 1000
LRANGE large:list 0 -1 | 100000
LPOS medium:list item:500
SORT small:integers DESC | 50
SORT medium:list ALPHA LIMIT 0 10 | 1000
SISMEMBER medium:set member:4
SMISMEMBER medium:set member:4 member:7 absent
SMEMBERS medium:set | any order | 1000
SMEMBERS small:integers | 50
SRANDMEMBER medium:set 5 | not compared
SSCAN medium:set 0 COUNT 10 | not compared
SINTER small:integers other:small:integers | any order | 50
SINTER medium:set other:medium:set | any order | 1000
SUNION medium:set other:medium:set | any order | 2000
SDIFF medium:set other:medium:set | any order | 2000
SINTER large:set other:large:set | any order | 100000
SUNION large:set other:large:set | any order | 200000
ZSCORE medium:zset member:500
ZRANK medium:zset member:500
ZRANGE medium:zset 0 9 WITHSCORES
ZRANGE medium:zset 100 200 BYSCORE LIMIT 0 10
ZRANGE medium:zset 0 -1 WITHSCORES | 1000
ZRANGE large:zset 0 -1 | 100000
ZRANGEBYLEX small:lexical - + | 50
ZCOUNT medium:zset 10 500
ZRANDMEMBER medium:zset 5 | not compared
ZUNION 2 medium:zset other:medium:zset | 2000
ZINTER 2 medium:zset other:medium:zset | 1000
ZDIFF 2 medium:zset other:medium:zset | 2000
GEODIST medium:places place:1 place:2
GEOPOS medium:places place:1
GEOSEARCH medium:places FROMLONLAT 10 10 BYRADIUS 3000 km | any order
PFCOUNT hyperloglog:0 | 16384
PFCOUNT hyperloglog:0 hyperloglog:1 | 32768
XLEN stream
XRANGE stream - + COUNT 5
XRANGE stream 500 520
XREVRANGE stream + - COUNT 5
XREAD COUNT 10 STREAMS stream 500
SET set:@ value
SET expiring:@ value EX 100
GETSET key:@ value
APPEND appended:@ x
SETRANGE string 10000 hello
SETBIT bitmap:1 5000 1
BITFIELD bitmap:1 INCRBY u8 0 1
INCR counter:@
INCRBYFLOAT counter:@ 1
MSET one a two b three c four d five e
EXPIRE key:@ 1000
PERSIST key:@
DEL absent:@
UNLINK absent:@
COPY small:zset copied:@ REPLACE | 50
COPY medium:hash copied:@ REPLACE | 1000
RENAME one one
BITOP AND stored bitmap:0 bitmap:1 | 24000
BITOP NOT stored large:string | 1000000
HSET hash:@ field:3 value
HSET new:hash:@ field value
HINCRBY counters:@ field 1
HSETNX hash:@ field:3 value
LPUSH pushed:@ a
LPOP pushed:@
RPOPLPUSH small:list small:list
LMOVE medium:list medium:list LEFT RIGHT
LSET medium:list 500 other
LINSERT small:list BEFORE absent x | 50
LREM medium:list 0 absent | 1000
SADD added:@ a b c
SMOVE medium:set other:medium:set absent
SUNIONSTORE stored medium:set other:medium:set | 2000
SINTERSTORE stored large:set other:large:set | 100000
SUNIONSTORE stored large:set other:large:set | 200000
SDIFFSTORE stored large:set other:large:set | 200000
SORT medium:integers STORE stored | 1000
ZADD scored:@ 1 a 2 b
ZADD tall:zset 5 member:@
ZINCRBY other:medium:zset 1 member:5
ZUNIONSTORE stored 2 medium:zset other:medium:zset | 2000
ZINTERSTORE stored 2 medium:zset other:medium:zset | 1000
ZDIFFSTORE stored 2 medium:zset other:medium:zset | 2000
ZRANGESTORE stored medium:zset 0 499 | 500
ZUNIONSTORE stored 2 large:zset other:large:zset | 200000
ZINTERSTORE stored 2 large:zset other:large:zset | 100000
ZDIFFSTORE stored 2 large:zset other:large:zset | 200000
ZRANGESTORE stored large:zset 0 -1 | 100000
GEOADD medium:places 10 10 place:1
GEOSEARCHSTORE stored medium:places FROMLONLAT 10 10 BYRADIUS 3000 km
PFADD hyperloglog:0 a b c
PFMERGE merged hyperloglog:0 hyperloglog:1 hyperloglog:2 | 49152
XADD added:stream:@ MAXLEN ~ 100 * field value | not compared
`)

/**
 * The data, as commands.
 *
 * @param {number} seed
 * @returns {Generator<string>}
 */
export function* commandData(seed) {
  const random = randomNumbers(seed)
  for (let i = 0; i < RANDOM_KEYS; i++) {
    yield commandText(['SET', `key:${digits(i)}`, random().toString(36).padEnd(32, '-').slice(0, 32)])
    yield commandText(['SET', `counter:${digits(i)}`, '1'])
    const fields = Array.from({ length: HASH_FIELDS }, (_, field) => [`field:${field}`, `value:${field}`])
    yield commandText(['HSET', `hash:${digits(i)}`, ...fields.flat()])
  }
  yield commandText(['SET', 'string', 'x'.repeat(LONG_STRING_BYTES)])
  yield commandText(['SET', 'large:string', 'x'.repeat(LARGE_STRING_BYTES)])
  for (const [size, elements] of SIZES) {
    yield* collections(size, elements, 0)
    yield* collections(`other:${size}`, elements, Math.floor(elements / 2))
  }
  for (let i = 1; i <= STREAM_ENTRIES; i++) yield commandText(['XADD', 'stream', `${i}-0`, 'field', `value:${i}`])
  for (let i = 0; i < 3; i++) {
    const bits = Buffer.alloc(BITMAP_BYTES, 0xff)
    for (let byte = 0; byte < BITMAP_BYTES; byte += 97) bits[byte] = Math.floor(random() * 256)
    // The first 0 stands behind three quarters.
    bits.fill(0xff, 0, BITMAP_BYTES * 0.75)
    yield commandText(['SET', `bitmap:${i}`, bits.toString('latin1')])
    for (let j = 0; j < HYPERLOGLOG_ELEMENTS; j++) {
      yield commandText(['PFADD', `hyperloglog:${i}`, String(j * (i + 2))])
    }
  }
}

/**
 * One of each type, of `count` elements.
 *
 * @param {string} prefix
 * @param {number} count
 * @param {number} from The first element's number: what two of them share is counted by how far they are apart.
 */
function* collections(prefix, count, from) {
  for (let i = 0; i < count; i++) {
    const number = from + i
    const score = ((number * STEP) % count) + 0.5
    yield commandText(['HSET', `${prefix}:hash`, `field:${number}`, `value:${number}`])
    yield commandText(['RPUSH', `${prefix}:list`, `item:${number}`])
    yield commandText(['SADD', `${prefix}:set`, `member:${number}`])
    yield commandText(['SADD', `${prefix}:integers`, String(number * 3)])
    yield commandText(['ZADD', `${prefix}:zset`, String(score), `member:${number}`])
    yield commandText(['ZADD', `${prefix}:lexical`, '0', `member:${number}`])
    const longitude = ((number * 31) % 360) - 180 + 0.01
    const latitude = ((number * 17) % 160) - 80 + 0.01
    yield commandText(['GEOADD', `${prefix}:places`, String(longitude), String(latitude), `place:${number}`])
  }
}
