/** HyperLogLogs, damaged ones too. */
import { byteOffset, command, element, form, type Grammar, key, many, oneOf, value, word } from '../grammar.ts'

const hll = key('hll')
const loglog = key(['hll', 'hll', 'hll', 'hll', 'string'])

export const hyperloglogGrammar: Grammar = {
  family: 'hyperloglogs',
  commands: [
    command('PFADD', [loglog, many(0, 300, element)], { weight: 2 }),
    command(
      'PFADD',
      [
        hll,
        many(
          1,
          900,
          word((draw) => String(draw.int(0, 1e9))),
        ),
      ],
      { weight: 0.5 },
    ),
    command('PFCOUNT', [many(1, 3, loglog)], { weight: 2 }),
    command('PFMERGE', [loglog, many(0, 4, loglog)]),
    command(
      'PFDEBUG',
      [
        oneOf(
          form(
            'GETREG',
            word(() => 'GETREG'),
          ),
          form(
            'DECODE',
            word(() => 'decode'),
          ),
          form(
            'ENCODING',
            word(() => 'ENCODING'),
          ),
          form(
            'TODENSE',
            word(() => 'TODENSE'),
          ),
          word(() => 'x'),
        ),
        loglog,
      ],
      { weight: 0.3 },
    ),
    command('GETRANGE', [hll, byteOffset, byteOffset], { weight: 0.2 }),
    command('APPEND', [hll, value], { weight: 0.05 }),
  ],
}
