/** Strings. */
import {
  byteOffset,
  command,
  count,
  duration,
  float,
  form,
  type Grammar,
  index,
  instant,
  integer,
  key,
  many,
  numberedKeys,
  oneOf,
  option,
  part,
  some,
  value,
} from '../grammar.ts'

const string = key('string')
const strings = key(['string', 'string', 'string', 'bitmap', 'hll'])
const expiry = [
  option('EX', duration(1000)),
  option('PX', duration(1)),
  option('EXAT', instant(1000)),
  option('PXAT', instant(1)),
]

export const stringGrammar: Grammar = {
  family: 'strings',
  commands: [
    command('GET', [strings]),
    command('SET', [strings, value], { weight: 4 }),
    command('SET', [
      string,
      value,
      some(option('NX'), option('XX'), option('GET'), option('KEEPTTL'), oneOf(...expiry), oneOf(...expiry)),
    ]),
    command('SETNX', [string, value]),
    command('SETEX', [string, duration(1000), value]),
    command('PSETEX', [string, duration(1), value]),
    command('GETSET', [string, value]),
    command('GETDEL', [strings]),
    command('GETEX', [strings, some(option('PERSIST'), oneOf(...expiry), oneOf(...expiry))]),
    command('MGET', [many(1, 12, strings)]),
    command('MSET', [many(1, 12, string, value)]),
    command('MSETNX', [many(1, 3, string, value)]),
    command('APPEND', [strings, value]),
    command('STRLEN', [strings]),
    command('SETRANGE', [strings, byteOffset, value]),
    command('GETRANGE', [strings, index, index]),
    command('SUBSTR', [string, index, index]),
    command('INCR', [string]),
    command('DECR', [string]),
    command('INCRBY', [string, integer]),
    command('DECRBY', [string, integer]),
    command('INCRBYFLOAT', [string, float]),
    command('LCS', [
      string,
      string,
      some(option('LEN'), option('IDX'), option('MINMATCHLEN', count), option('WITHMATCHLEN')),
    ]),
    // Since 8.4; refused by an older reference, and then left out.
    command('DIGEST', [strings]),
    command('DELEX', [strings]),
    command('DELEX', [
      strings,
      oneOf(option('IFEQ', value), option('IFNE', value), option('IFDEQ', value), option('IFDNE', value)),
    ]),
    command('MSETEX', [
      numberedKeys('string'),
      form(
        'plain',
        part(() => {}),
      ),
    ]),
  ],
}
