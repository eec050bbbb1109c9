/** Bitmaps and bit fields. */
import {
  all,
  byteOffset,
  command,
  form,
  type Grammar,
  index,
  integer,
  key,
  many,
  maybe,
  oneOf,
  option,
  word,
} from '../grammar.ts'

const bitmap = key(['bitmap', 'bitmap', 'bitmap', 'string', 'hll'])
const bit = word((draw) => (draw.chance(0.95) ? draw.pick(['0', '1']) : draw.pick(['2', '-1', 'x', ''])))
const bitOffset = word((draw) => {
  if (draw.chance(0.005)) return draw.pick(['8388607', '8388608', '8388600'])
  return draw.chance(0.96) ? String(draw.int(0, 300)) : draw.pick(['-1', 'x', '', '4294967296', '99999999999', '1e2'])
})
const fieldType = word((draw) => {
  if (draw.chance(0.4)) return draw.pick(['u1', 'i1', 'u8', 'i8', 'i16', 'u16', 'u32', 'i32', 'u63', 'i64'])
  if (draw.chance(0.9)) return `${draw.pick(['u', 'i'])}${draw.int(1, 63)}`
  return draw.pick(['u64', 'i65', 'u0', 'i0', 'x8', 'u', '', 'u8x', 'U8', 'i-1'])
})
const fieldOffset = word((draw) => {
  if (draw.chance(0.6)) return String(draw.int(0, 200))
  if (draw.chance(0.7)) return `#${draw.int(0, 20)}`
  return draw.pick(['-1', '#', '#-1', 'x', '', '#x', '4294967295', '#536870912', '8388590'])
})
const get = option('GET', fieldType, fieldOffset)
const set = option('SET', fieldType, fieldOffset, integer)
const increase = option('INCRBY', fieldType, fieldOffset, integer)
const overflow = oneOf(
  option(
    'OVERFLOW',
    oneOf(
      form(
        'WRAP',
        word(() => 'WRAP'),
      ),
      form(
        'SAT',
        word(() => 'sat'),
      ),
      form(
        'FAIL',
        word(() => 'FAIL'),
      ),
    ),
  ),
  option(
    'OVERFLOW',
    word((draw) => draw.pick(['x', '', 'WRAPS'])),
  ),
)
const unit = oneOf(option('BIT'), option('BYTE'))
const operation = oneOf(
  form(
    'AND',
    word(() => 'AND'),
  ),
  form(
    'OR',
    word(() => 'or'),
  ),
  form(
    'XOR',
    word(() => 'XOR'),
  ),
)

export const bitmapGrammar: Grammar = {
  family: 'bitmaps',
  commands: [
    command('SETBIT', [bitmap, bitOffset, bit], { weight: 2 }),
    command('GETBIT', [bitmap, bitOffset]),
    command('BITCOUNT', [bitmap, maybe(0.7, index, maybe(0.95, index, maybe(0.6, unit)))]),
    command('BITPOS', [bitmap, bit, maybe(0.8, index, maybe(0.8, index, maybe(0.6, unit)))]),
    command('BITOP', [operation, bitmap, many(1, 4, bitmap)]),
    command('BITOP', [
      form(
        'NOT',
        word(() => 'NOT'),
      ),
      bitmap,
      bitmap,
    ]),
    command('BITOP', [word((draw) => draw.pick(['NOT', 'NAND', '', 'and'])), bitmap, many(1, 2, bitmap)], {
      weight: 0.2,
    }),
    command('BITFIELD', [bitmap, many(1, 30, oneOf(get, set, increase, increase, all(overflow, increase)))]),
    command('BITFIELD', [bitmap, many(1, 3, oneOf(overflow, get, set)), maybe(0.2, byteOffset)], { weight: 0.3 }),
    command('BITFIELD_RO', [bitmap, many(1, 12, get)]),
    command('BITFIELD_RO', [bitmap, many(1, 3, oneOf(get, set, increase))], { weight: 0.2 }),
  ],
}
