/** Lists. */
import {
  blockSeconds,
  command,
  element,
  form,
  type Grammar,
  index,
  key,
  literal,
  many,
  maybe,
  numberedKeys,
  oneOf,
  option,
  some,
  value,
  word,
} from '../grammar.ts'

const list = key('list')
const item = oneOf(element, element, element, value)
const popCount = word((draw) =>
  draw.chance(0.9)
    ? String(draw.int(0, 12))
    : draw.pick(['-1', 'x', '', '300', '9223372036854775807', '9223372036854775808']),
)
const side = oneOf(
  form('LEFT', literal('LEFT')),
  form('RIGHT', literal('RIGHT')),
  form('LEFT', literal('LEFT')),
  form('RIGHT', literal('RIGHT')),
  literal('MIDDLE'),
)
const from = oneOf(form('from LEFT', literal('LEFT')), form('from RIGHT', literal('RIGHT')))
const to = oneOf(form('to LEFT', literal('LEFT')), form('to RIGHT', literal('RIGHT')))
const where = oneOf(
  form('BEFORE', literal('BEFORE')),
  form('AFTER', literal('AFTER')),
  form('BEFORE', literal('BEFORE')),
  literal('AT'),
)

export const listGrammar: Grammar = {
  family: 'lists',
  commands: [
    command('RPUSH', [list, many(1, 200, item)], { weight: 3 }),
    command('LPUSH', [list, many(1, 200, item)], { weight: 3 }),
    command('RPUSHX', [list, many(1, 10, item)]),
    command('LPUSHX', [list, many(1, 10, item)]),
    command('LPOP', [list, maybe(0.6, form('count', popCount))]),
    command('RPOP', [list, maybe(0.6, form('count', popCount))]),
    command('LLEN', [list]),
    command('LINDEX', [list, index]),
    command('LRANGE', [list, index, index], { weight: 2 }),
    command('LSET', [list, index, item]),
    command('LINSERT', [list, where, item, item]),
    command('LREM', [list, index, item]),
    command('LTRIM', [list, index, index]),
    command('LPOS', [list, item, some(option('RANK', index), option('COUNT', index), option('MAXLEN', index))]),
    command('LMOVE', [list, list, from, to]),
    command('LMOVE', [list, list, side, side], { weight: 0.2 }),
    command('RPOPLPUSH', [list, list]),
    command('LMPOP', [numberedKeys('list'), side, maybe(0.5, option('COUNT', popCount))]),
    command('BLPOP', [many(1, 3, list), blockSeconds], { weight: 0.3 }),
    command('BRPOP', [many(1, 3, list), blockSeconds], { weight: 0.3 }),
    command('BLMOVE', [list, list, from, to, blockSeconds], { weight: 0.4 }),
    command('BRPOPLPUSH', [list, list, blockSeconds], { weight: 0.3 }),
    command('BLMPOP', [blockSeconds, numberedKeys('list'), side, maybe(0.5, option('COUNT', popCount))], {
      weight: 0.3,
    }),
  ],
}
