/** What commands do to keys of any type. */
import {
  all,
  anyKey,
  bound,
  command,
  count,
  database,
  each,
  form,
  type Grammar,
  integer,
  key,
  keyPair,
  literal,
  many,
  maybe,
  oneOf,
  option,
  part,
  pastable,
  pattern,
  instant,
  some,
  word,
} from '../grammar.ts'

const condition = some(option('NX'), option('XX'), option('GT'), option('LT'))
const typeName = word((draw) => draw.pick(['string', 'list', 'set', 'zset', 'hash', 'stream', 'STRING', 'x', 'module']))
const mode = maybe(0.7, oneOf(option('SYNC'), option('ASYNC'), literal('x')))
const sortSource = key(['list', 'set', 'zset', 'geo', 'string'])
const by = option(
  'BY',
  word((draw) => draw.pick(['nosort', 'w:*', 'h:*->e1', 'h:*->', 's:*', 'z:*', '*', '', 'nokey:*', 'nokey*->f'])),
)
const get = option(
  'GET',
  word((draw) => draw.pick(['#', 's:*', 'h:*->e1', 'h:*->e*', 'w:*', '*->f', '', 'w:*->'])),
)

const limit = option('LIMIT', bound, bound)
const store = option('STORE', key('list'))

export const genericGrammar: Grammar = {
  family: 'generic',
  commands: [
    command('DEL', [many(1, 6, anyKey)], { weight: 2 }),
    command('UNLINK', [many(1, 6, anyKey)]),
    command('EXISTS', [many(1, 6, anyKey)]),
    command('TOUCH', [many(1, 6, anyKey)]),
    command('TYPE', [anyKey]),
    command('RENAME', [keyPair]),
    command('RENAMENX', [keyPair]),
    command('COPY', [keyPair, each(0.4, option('REPLACE'), option('DB', database), literal('x'))]),
    command('COPY', [keyPair, each(0.5, option('DB', database), option('REPLACE'))]),
    command('MOVE', [anyKey, database]),
    command('RANDOMKEY', [], { weight: 0.3 }),
    command('KEYS', [pattern], { weight: 0.4 }),
    command(
      'SCAN',
      [
        word((draw) => (draw.chance(0.8) ? '0' : draw.pick(['x', '', ' 1', '18446744073709551616']))),
        some(option('MATCH', pattern), option('COUNT', bound), option('TYPE', typeName)),
      ],
      { weight: 0.3, inMulti: false },
    ),
    command('DBSIZE', [], { weight: 0.3 }),
    // BY with ALPHA leaves equal weights in no certain order, so that is never stored.
    command('SORT', [
      sortSource,
      some(by, limit, get, get, option('ASC'), option('DESC'), option('ALPHA'), option('ALPHA')),
    ]),
    command('SORT', [
      sortSource,
      some(limit, get, get, option('ASC'), option('DESC'), option('ALPHA'), option('ALPHA')),
      store,
    ]),
    command('SORT', [sortSource, some(by, limit, get, option('ASC'), option('DESC')), store]),
    command('SORT_RO', [
      sortSource,
      some(by, option('LIMIT', bound, bound), get, option('ASC'), option('DESC'), option('ALPHA'), option('ALPHA')),
    ]),
    command('OBJECT ENCODING', [anyKey]),
    command('OBJECT FREQ', [anyKey], { weight: 0.3 }),
    command('OBJECT IDLETIME', [anyKey], { weight: 0.3 }),
    command('OBJECT REFCOUNT', [anyKey], { weight: 0.3 }),
    command('OBJECT HELP', [], { weight: 0.1 }),
    command('MEMORY USAGE', [anyKey, maybe(0.5, option('SAMPLES', bound))], { weight: 0.3 }),
    command('DUMP', [anyKey], { weight: 0.5, inMulti: false }),
    command('SWAPDB', [database, database], { weight: 0.2 }),
    command('FLUSHDB', [mode], { weight: 0.2 }),
    command('FLUSHALL', [mode], { weight: 0.2 }),
    command('SELECT', [database], { weight: 0.6 }),
  ],
}

export const expiryGrammar: Grammar = {
  family: 'expiry',
  commands: [
    command('EXPIRE', [anyKey, pastable(1000), condition]),
    command('PEXPIRE', [anyKey, pastable(1), condition]),
    command('EXPIREAT', [anyKey, instant(1000), condition]),
    command('PEXPIREAT', [anyKey, instant(1), condition]),
    command('PERSIST', [anyKey]),
    command('TTL', [anyKey], { weight: 0.5 }),
    command('PTTL', [anyKey], { weight: 0.5 }),
    command('EXPIRETIME', [anyKey], { weight: 0.5 }),
    command('PEXPIRETIME', [anyKey], { weight: 0.5 }),
  ],
}

/** @param payloads What DUMP of a reference server gave. */
export function restoreGrammar(payloads: readonly Buffer[]): Grammar {
  const payload = word((draw) => {
    const whole = draw.pick(payloads)
    if (draw.chance(0.85)) return whole
    const changed = Buffer.from(whole)
    if (draw.chance(0.2)) return changed.subarray(0, draw.int(0, changed.length))
    if (draw.chance(0.1)) changed.fill(0, changed.length - 8)
    else changed[draw.int(0, changed.length - 1)]! ^= 1 << draw.int(0, 7)
    return changed
  })
  const time = part(({ draw, words }) => {
    if (draw.chance(0.6)) words.push('0')
    else words.push(draw.duration(1, false))
  })
  const options = some(
    option('REPLACE'),
    option('REPLACE'),
    option('IDLETIME', integer),
    option('FREQ', count),
    literal('x'),
  )
  // Also without ABSTTL it is no time that passes during a test.
  const restoredAt = word((draw) =>
    draw.pick(['1600000000007', '4000000000000', '4000001000499', '9223372036854775807', '0', '-1', 'x']),
  )
  const absolute = all(restoredAt, payload, each(0.6, option('REPLACE')), option('ABSTTL'))
  return {
    family: 'restore',
    commands: ['RESTORE', 'RESTORE-ASKING'].flatMap((name) => [
      command(name, [anyKey, time, payload, options], { weight: 0.8 }),
      command(name, [anyKey, form('absolute', absolute)], { weight: 0.4 }),
    ]),
  }
}
