/** Hashes. */
import {
  bound,
  command,
  element,
  float,
  form,
  type Grammar,
  integer,
  key,
  many,
  maybe,
  option,
  pattern,
  some,
  word,
} from '../grammar.ts'

const hash = key('hash')
const field = element
const fieldValue = word((draw) => (draw.chance(0.5) ? draw.element() : draw.value()))
/** Never so low that a reply has no end. */
const randomCount = word((draw) =>
  draw.chance(0.9)
    ? String(draw.int(-12, 12))
    : draw.pick(['200', '-200', 'x', '', '9223372036854775807', '9223372036854775808', '-9223372036854775808']),
)

export const hashGrammar: Grammar = {
  family: 'hashes',
  commands: [
    command('HSET', [hash, many(1, 200, field, fieldValue)], { weight: 4 }),
    command('HMSET', [hash, many(1, 60, field, fieldValue)]),
    command('HSETNX', [hash, field, fieldValue]),
    command('HGET', [hash, field]),
    command('HMGET', [hash, many(1, 20, field)]),
    command('HGETALL', [hash]),
    command('HKEYS', [hash]),
    command('HVALS', [hash]),
    command('HLEN', [hash]),
    command('HEXISTS', [hash, field]),
    command('HSTRLEN', [hash, field]),
    command('HDEL', [hash, many(1, 60, field)], { weight: 2 }),
    command('HINCRBY', [hash, field, integer]),
    command('HINCRBYFLOAT', [hash, field, float]),
    command('HRANDFIELD', [hash, maybe(0.8, form('count', randomCount), maybe(0.5, option('WITHVALUES')))]),
    command(
      'HSCAN',
      [
        hash,
        word((draw) => (draw.chance(0.9) ? '0' : draw.pick(['x', '', '18446744073709551616']))),
        some(option('MATCH', pattern), option('COUNT', bound)),
      ],
      { weight: 0.5, inMulti: false },
    ),
  ],
}
