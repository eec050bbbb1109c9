/** Sorted sets. */
import {
  all,
  blockSeconds,
  bound,
  command,
  each,
  element,
  float,
  form,
  type Grammar,
  index,
  key,
  lexBound,
  literal,
  many,
  maybe,
  numberedKeys,
  oneOf,
  option,
  part,
  pattern,
  scoreBound,
  some,
  word,
} from '../grammar.ts'

const zset = key(['zset', 'zset', 'zset', 'zset', 'zset', 'zset', 'zset', 'geo', 'set'])
const sources = numberedKeys(['zset', 'zset', 'zset', 'set', 'geo'])
const member = element
const withScores = option('WITHSCORES')
const limit = option('LIMIT', bound, bound)
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
const end = oneOf(option('MIN'), option('MAX'), literal('MID'))
const weights = option('WEIGHTS', many(1, 3, float))
const aggregate = option(
  'AGGREGATE',
  oneOf(
    form('SUM', literal('SUM')),
    form('aggregate MIN', literal('MIN')),
    form('aggregate MAX', literal('MAX')),
    literal('x'),
  ),
)
/** As many weights as keys, as a rule. */
const weighted = part(
  ({ draw, words, options }) => {
    const keys = draw.int(1, 4)
    words.push(String(keys))
    for (let i = 0; i < keys; i++) words.push(draw.key(draw.pick(['zset', 'zset', 'set'])))
    if (draw.chance(0.6)) {
      options.push('WEIGHTS')
      words.push('WEIGHTS')
      for (let i = 0; i < keys; i++) words.push(draw.chance(0.8) ? String(draw.int(-3, 4)) : draw.float())
    }
    if (draw.chance(0.5)) aggregate.emit({ draw, words, options })
  },
  ['WEIGHTS', ...aggregate.options],
)
/** Bounds that fit what they bound, and some that do not. */
const range = oneOf(
  all(index, index, each(0.4, option('REV'), withScores)),
  all(scoreBound, scoreBound, option('BYSCORE'), each(0.4, option('REV'), limit, withScores)),
  all(
    oneOf(index, scoreBound),
    oneOf(index, scoreBound),
    each(0.3, option('BYSCORE'), option('REV'), limit, withScores),
  ),
)
const lexRange = oneOf(
  all(lexBound, lexBound, option('BYLEX'), each(0.4, option('REV'), limit)),
  all(
    oneOf(index, lexBound),
    lexBound,
    each(0.3, option('BYSCORE'), option('BYLEX'), option('REV'), limit, withScores),
  ),
)
const storedRange = oneOf(
  all(index, index, each(0.4, option('REV'))),
  all(scoreBound, scoreBound, option('BYSCORE'), each(0.4, option('REV'), limit)),
  all(index, index, each(0.3, option('BYSCORE'), option('REV'), limit, withScores)),
)
const lexKey = word((draw) => draw.lexKey())
const zero = word((draw) => draw.pick(['0', '0', '0', '-0', '0.0', 'x']))

export const sortedSetGrammar: Grammar = {
  family: 'sorted sets',
  commands: [
    command('ZADD', [zset, many(1, 150, float, member)], { weight: 4 }),
    command(
      'ZADD',
      [zset, some(option('NX'), option('XX'), option('GT'), option('LT'), option('CH')), many(1, 10, float, member)],
      { weight: 2 },
    ),
    command('ZADD', [
      zset,
      each(0.3, option('NX'), option('XX'), option('GT'), option('LT')),
      option('INCR'),
      many(1, 2, float, member),
    ]),
    // One score for many, for ranges by name.
    command('ZADD', [lexKey, many(1, 150, zero, member)], { weight: 3 }),
    command('ZREM', [lexKey, many(1, 10, member)], { weight: 0.5 }),
    command('DEL', [lexKey], { weight: 0.1 }),
    command('ZINCRBY', [zset, float, member]),
    command('ZREM', [zset, many(1, 60, member)]),
    command('ZREMRANGEBYRANK', [zset, index, index], { weight: 0.5 }),
    command('ZREMRANGEBYSCORE', [zset, scoreBound, scoreBound], { weight: 0.5 }),
    command('ZREMRANGEBYLEX', [lexKey, lexBound, lexBound], { weight: 0.5 }),
    command('ZCARD', [zset]),
    command('ZCOUNT', [zset, scoreBound, scoreBound]),
    command('ZLEXCOUNT', [lexKey, lexBound, lexBound]),
    command('ZSCORE', [zset, member]),
    command('ZMSCORE', [zset, many(1, 20, member)]),
    // A wrong number of arguments is noticed later here, as in 7.2.
    command('ZRANK', [zset, member], { inMulti: false }),
    command('ZREVRANK', [zset, member], { inMulti: false }),
    command('ZRANGE', [zset, range], { weight: 2 }),
    command('ZRANGE', [lexKey, lexRange]),
    command('ZRANGESTORE', [zset, zset, storedRange]),
    command('ZRANGESTORE', [zset, lexKey, lexRange]),
    command('ZREVRANGE', [zset, index, index, maybe(0.5, withScores)]),
    command('ZRANGEBYSCORE', [zset, scoreBound, scoreBound, some(withScores, limit)]),
    command('ZREVRANGEBYSCORE', [zset, scoreBound, scoreBound, some(withScores, limit)]),
    command('ZRANGEBYLEX', [lexKey, lexBound, lexBound, maybe(0.4, limit)]),
    command('ZREVRANGEBYLEX', [lexKey, lexBound, lexBound, maybe(0.4, limit)]),
    command('ZUNION', [weighted, maybe(0.5, withScores)]),
    command('ZINTER', [weighted, maybe(0.5, withScores)]),
    command('ZDIFF', [sources, maybe(0.5, withScores)]),
    command('ZUNION', [sources, some(weights, aggregate, withScores)], { weight: 0.3 }),
    command('ZINTER', [sources, some(weights, aggregate, withScores)], { weight: 0.3 }),
    command('ZUNIONSTORE', [zset, weighted]),
    command('ZINTERSTORE', [zset, weighted]),
    command('ZDIFFSTORE', [zset, sources]),
    command('ZUNIONSTORE', [zset, sources, some(weights, aggregate, withScores)], { weight: 0.3 }),
    command('ZINTERCARD', [sources, maybe(0.6, option('LIMIT', bound))]),
    command('ZPOPMIN', [zset, maybe(0.6, form('count', popCount))]),
    command('ZPOPMAX', [zset, maybe(0.6, form('count', popCount))]),
    command('ZMPOP', [sources, end, maybe(0.5, option('COUNT', popCount))]),
    command('BZPOPMIN', [many(1, 3, zset), blockSeconds], { weight: 0.3 }),
    command('BZPOPMAX', [many(1, 3, zset), blockSeconds], { weight: 0.3 }),
    command('BZMPOP', [blockSeconds, sources, end, maybe(0.5, option('COUNT', popCount))], { weight: 0.3 }),
    command('ZRANDMEMBER', [zset, maybe(0.8, form('count', randomCount), maybe(0.5, withScores))]),
    command(
      'ZSCAN',
      [
        zset,
        word((draw) => (draw.chance(0.9) ? '0' : draw.pick(['x', '', '18446744073709551616']))),
        some(option('MATCH', pattern), option('COUNT', bound)),
      ],
      { weight: 0.5, inMulti: false },
    ),
  ],
}
