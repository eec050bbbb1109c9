/** Hashes. */
import {
  bound,
  command,
  type CommandGrammar,
  duration,
  each,
  element,
  float,
  form,
  type Grammar,
  instant,
  integer,
  key,
  many,
  maybe,
  oneOf,
  option,
  type Part,
  part,
  pastable,
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

/** FIELDS, how many, and the fields; sometimes a lie. */
const numberedFields = (withValues: boolean): Part =>
  part(({ draw, words }) => {
    const count = draw.howMany(1, 8)
    words.push('FIELDS', draw.chance(0.95) ? String(count) : draw.pick([String(count + 1), '0', '-1', 'x']))
    for (let i = 0; i < count; i++) {
      words.push(draw.element())
      if (withValues) words.push(draw.element())
    }
  })
const fields = numberedFields(false)
const condition = maybe(0.4, oneOf(option('NX'), option('XX'), option('GT'), option('LT')))
const expiry = (...others: readonly string[]): Part =>
  maybe(
    0.7,
    oneOf(
      option('EX', duration(1000)),
      option('PX', duration(1)),
      option('EXAT', instant(1000)),
      option('PXAT', instant(1)),
      ...others.map((name) => option(name)),
    ),
  )

const LATER = { isLater: true }

/** Of redis 7.4 and 8.0. */
const TIMES_OF_FIELDS: readonly CommandGrammar[] = [
  command('HEXPIRE', [hash, pastable(1000), condition, fields], LATER),
  command('HPEXPIRE', [hash, pastable(1), condition, fields], LATER),
  command('HEXPIREAT', [hash, instant(1000), condition, fields], LATER),
  command('HPEXPIREAT', [hash, instant(1), condition, fields], LATER),
  command('HPERSIST', [hash, fields], LATER),
  command('HTTL', [hash, fields], LATER),
  command('HPTTL', [hash, fields], LATER),
  command('HEXPIRETIME', [hash, fields], LATER),
  command('HPEXPIRETIME', [hash, fields], LATER),
  command('HGETDEL', [hash, fields], LATER),
  command('HGETEX', [hash, expiry('PERSIST'), fields], LATER),
  command(
    'HSETEX',
    [hash, each(0.3, oneOf(option('FNX'), option('FXX'))), expiry('KEEPTTL'), numberedFields(true)],
    LATER,
  ),
]

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
    ...TIMES_OF_FIELDS,
  ],
}
