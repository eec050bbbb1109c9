/** Sets. */
import {
  bound,
  command,
  element,
  form,
  type Grammar,
  key,
  many,
  maybe,
  numberedKeys,
  option,
  pattern,
  some,
  word,
} from '../grammar.ts'

const set = key('set')
const integerMember = word((draw) => draw.goodInteger())
const member = element
const randomCount = word((draw) =>
  draw.chance(0.9)
    ? String(draw.int(-12, 12))
    : draw.pick(['200', '-200', 'x', '', '9223372036854775807', '9223372036854775808', '-9223372036854775808']),
)
const popCount = word((draw) =>
  draw.chance(0.9)
    ? String(draw.int(0, 12))
    : draw.pick(['-1', 'x', '', '300', '9223372036854775807', '9223372036854775808']),
)

export const setGrammar: Grammar = {
  family: 'sets',
  commands: [
    command('SADD', [set, many(1, 200, member)], { weight: 3 }),
    command('SADD', [set, many(1, 600, integerMember)], { weight: 2 }),
    command('SREM', [set, many(1, 60, member)], { weight: 2 }),
    command('SREM', [set, many(1, 60, integerMember)]),
    command('SMOVE', [set, set, member]),
    command('SPOP', [set, maybe(0.6, form('count', popCount))], { inMulti: false }),
    command('SRANDMEMBER', [set, maybe(0.7, form('count', randomCount))]),
    command('SISMEMBER', [set, member]),
    command('SMISMEMBER', [set, many(1, 20, member)]),
    command('SMEMBERS', [set]),
    command('SCARD', [set]),
    command('SINTER', [many(1, 4, set)]),
    command('SINTERCARD', [numberedKeys('set'), maybe(0.6, option('LIMIT', bound))]),
    command('SINTERSTORE', [set, many(1, 4, set)]),
    command('SUNION', [many(1, 4, set)]),
    command('SUNIONSTORE', [set, many(1, 4, set)]),
    command('SDIFF', [many(1, 4, set)]),
    command('SDIFFSTORE', [set, many(1, 4, set)]),
    command(
      'SSCAN',
      [
        set,
        word((draw) => (draw.chance(0.9) ? '0' : draw.pick(['x', '', '18446744073709551616']))),
        some(option('MATCH', pattern), option('COUNT', bound)),
      ],
      { weight: 0.5, inMulti: false },
    ),
  ],
}
