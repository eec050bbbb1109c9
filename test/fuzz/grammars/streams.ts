/** Streams, groups and consumers. */
import {
  all,
  bound,
  command,
  each,
  form,
  type Grammar,
  integer,
  key,
  literal,
  many,
  maybe,
  oneOf,
  option,
  part,
  type Part,
  some,
  word,
} from '../grammar.ts'

const stream = key('stream')
const group = word((draw) => draw.pick(['g1', 'g1', 'g2', 'g3', '', 'none']))
const consumer = word((draw) => draw.pick(['alice', 'bob', 'carol', '']))
const id = word((draw) => draw.streamId())
const newId = word((draw) => draw.newStreamId())
const lastId = word((draw) => (draw.chance(0.25) ? '$' : draw.chance(0.3) ? '0' : draw.streamId()))
const from = word((draw) => draw.streamBound('-'))
const to = word((draw) => draw.streamBound('+'))
const entriesRead = option('ENTRIESREAD', bound)
/** Blocks for next to no time. */
const block = option(
  'BLOCK',
  word((draw) => (draw.chance(0.93) ? '1' : draw.pick(['-1', 'x', '']))),
)
const countOption = option('COUNT', bound)
/** Far from any idle time that a test can reach. */
const idle = word((draw) => (draw.chance(0.75) ? '0' : draw.pick(['3600000', '99999999999', '-1', 'x', ''])))
const fields = part(({ draw, words }) => {
  const kind = draw.random.float()
  if (kind < 0.5) words.push('f', draw.element())
  else if (kind < 0.8) words.push('f', draw.element(), 'g', draw.element())
  else {
    for (let i = draw.howMany(1, 20); i > 0; i--) words.push(draw.element(), draw.element())
  }
})
const threshold = (exact: Part, rough: Part): Part =>
  oneOf(
    all(maybe(0.5, option('=')), exact),
    all(
      option('~'),
      rough,
      maybe(
        0.5,
        option(
          'LIMIT',
          word((draw) => draw.integer(0, 100)),
        ),
      ),
    ),
  )
/** IDs with their number before them; sometimes a lie. */
const numberedIds = part(({ draw, words }) => {
  const count = draw.howMany(1, 10)
  words.push('IDS', draw.chance(0.95) ? String(count) : draw.pick(['0', '-1', 'x', '']))
  for (let i = 0; i < count; i++) words.push(draw.streamId())
})
const references = maybe(0.6, oneOf(option('KEEPREF'), option('DELREF'), option('ACKED')))
const trimming = oneOf(
  option(
    'MAXLEN',
    threshold(
      word((draw) => draw.integer(0, 60)),
      word((draw) => draw.integer(0, 60)),
    ),
  ),
  option('MINID', threshold(id, id)),
)
const streams = (makeId: (draw: import('../draw.ts').Draw) => import('../draw.ts').Word): Part =>
  part(({ draw, words }) => {
    const count = draw.pick([1, 1, 1, 2, 3])
    words.push('STREAMS')
    for (let i = 0; i < count; i++) words.push(draw.key('stream'))
    for (let i = draw.chance(0.97) ? count : count + 1; i > 0; i--) words.push(makeId(draw))
  })
/** No `+`, which XREAD knows since 7.4 only. */
const readIds = streams((draw) => {
  const id = draw.chance(0.3) ? draw.pick(['$', '0', '0-0']) : draw.streamId()
  return id === '+' ? '$' : id
})
const groupIds = streams((draw) => (draw.chance(0.6) ? '>' : draw.streamId()))

export const streamGrammar: Grammar = {
  family: 'streams',
  commands: [
    command('XADD', [stream, newId, fields], { weight: 6, inMulti: false }),
    command('XADD', [stream, each(0.5, option('NOMKSTREAM'), trimming), newId, fields], { weight: 2, inMulti: false }),
    command('XTRIM', [stream, trimming]),
    command('XDEL', [stream, many(1, 20, id)], { weight: 2 }),
    // Since 8.2; refused by an older reference, and then left out.
    command('XDELEX', [stream, references, numberedIds]),
    command('XACKDEL', [stream, group, references, numberedIds]),
    command('XLEN', [stream]),
    command('XRANGE', [stream, from, to, maybe(0.5, countOption)]),
    command('XREVRANGE', [stream, to, from, maybe(0.5, countOption)]),
    command('XREAD', [each(0.4, countOption), readIds]),
    command('XREAD', [maybe(0.3, countOption), block, readIds], { weight: 0.3 }),
    command('XSETID', [stream, id, each(0.4, option('ENTRIESADDED', bound), option('MAXDELETEDID', id))], {
      weight: 0.3,
    }),
    command('XGROUP CREATE', [stream, group, lastId, some(option('MKSTREAM'), entriesRead)], { weight: 1.5 }),
    command('XGROUP SETID', [stream, group, lastId, maybe(0.4, entriesRead)]),
    command('XGROUP DESTROY', [stream, group], { weight: 0.4 }),
    command('XGROUP CREATECONSUMER', [stream, group, consumer]),
    command('XGROUP DELCONSUMER', [stream, group, consumer], { weight: 0.5 }),
    command('XGROUP HELP', [], { weight: 0.1 }),
    command('XREADGROUP', [literal('GROUP'), group, consumer, some(countOption, option('NOACK')), groupIds], {
      weight: 3,
    }),
    command(
      'XREADGROUP',
      [literal('GROUP'), group, consumer, each(0.3, countOption, option('NOACK')), block, groupIds],
      { weight: 0.4 },
    ),
    command('XACK', [stream, group, many(1, 20, id)], { weight: 2 }),
    command('XPENDING', [stream, group]),
    command('XPENDING', [
      stream,
      group,
      maybe(0.4, option('IDLE', idle)),
      form('range', from, to, bound),
      maybe(0.4, form('consumer', consumer)),
    ]),
    command(
      'XCLAIM',
      [
        stream,
        group,
        consumer,
        idle,
        many(1, 12, id),
        some(
          option(
            'IDLE',
            word((draw) => draw.pick(['0', '1000', '7200000', '-1', 'x'])),
          ),
          option(
            'TIME',
            word((draw) => draw.pick(['1600000000000', '0', '-1', 'x', '9223372036854775807'])),
          ),
          option('RETRYCOUNT', integer),
          option('FORCE'),
          option('JUSTID'),
          option('LASTID', id),
        ),
      ],
      { weight: 2 },
    ),
    command('XAUTOCLAIM', [stream, group, consumer, idle, from, some(countOption, option('JUSTID'))]),
    command('XINFO STREAM', [stream, maybe(0.6, option('FULL', maybe(0.5, countOption)))]),
    command('XINFO GROUPS', [stream]),
    command('XINFO CONSUMERS', [stream, group]),
    command('XINFO HELP', [], { weight: 0.1 }),
  ],
}
