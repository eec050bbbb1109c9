import { HELP_TEXT, findDirective, parseArguments, versionLine } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'

function run(...argv: string[]): { file: string | undefined; fromStdin: boolean; lines: string[][] } {
  const line = parseArguments(argv)
  if (line.kind !== 'run') throw new Error(line.kind)
  return {
    file: line.file,
    fromStdin: line.fromStdin === true,
    lines: (line.lines ?? []).map(({ words }) => [...words]),
  }
}

describe('the command line', () => {
  it('knows help and version', () => {
    for (const word of ['-h', '--help']) expect(parseArguments([word])).toEqual({ kind: 'help' })
    for (const word of ['-v', '--version']) expect(parseArguments([word])).toEqual({ kind: 'version' })
    expect(versionLine('1.2.3')).toMatch(/^Understudy server v=1\.2\.3 node=\d+\.\d+\.\d+ bits=64 /)
  })

  it('takes a file, directives, both, or neither', () => {
    expect(run()).toEqual({ file: undefined, fromStdin: false, lines: [] })
    expect(run('/etc/r.conf')).toEqual({ file: '/etc/r.conf', fromStdin: false, lines: [] })
    expect(run('r.conf', '--port', '7', '--Bind', 'a', 'b')).toEqual({
      file: 'r.conf',
      fromStdin: false,
      lines: [
        ['port', '7'],
        ['bind', 'a', 'b'],
      ],
    })
  })

  it('reads standard input for - at either end', () => {
    expect(run('-', '--port', '7')).toEqual({ file: undefined, fromStdin: true, lines: [['port', '7']] })
    expect(run('r.conf', '--port', '7', '-')).toEqual({ file: 'r.conf', fromStdin: true, lines: [['port', '7']] })
  })

  // Each seen with redis-server 7.0.15.
  it.each([
    [['--save', ''], [['save', '']]],
    [['--save'], [['save', '']]],
    [
      ['--save', '--port', '7'],
      [
        ['save', ''],
        ['port', '7'],
      ],
    ],
    [
      ['--save', '100', '1', '--save', '200 2'],
      [
        ['save', '100', '1'],
        ['save', '200 2'],
      ],
    ],
    [['--dbfilename', '--x'], [['dbfilename', '--x']]],
    [['--dbfilename q'], [['dbfilename', 'q']]],
    [
      ['--dbfilename "q r"', '--port 5'],
      [
        ['dbfilename', 'q r'],
        ['port', '5'],
      ],
    ],
    [['--port'], [['port']]],
    [['--port', '0', '-x'], [['port', '0', '-x']]],
    [['--dbfilename=x'], [['dbfilename=x']]],
    [
      ['--port', '0', '--replicaof', 'h', '1'],
      [
        ['port', '0'],
        ['replicaof', 'h', '1'],
      ],
    ],
  ])('%j', (argv, lines) => {
    expect(run(...argv).lines).toEqual(lines)
  })

  it('keeps bytes: a value is its UTF-8', () => {
    expect(run('--masterauth', 'ä').lines).toEqual([['masterauth', '\xc3\xa4']])
  })

  it.each([
    [['--sentinel']],
    [['r.conf', '--sentinel']],
    [['--test-memory', '5']],
    [['a.conf', 'b.conf']],
    [['--']],
    [['--port "7']],
  ])('refuses %j', (argv) => {
    expect(() => parseArguments(argv)).toThrow(expect.objectContaining({ code: 'CONFIG_SYNTAX' }))
  })
})

describe('--help', () => {
  it('names directives that exist and have effect', () => {
    const names = [...HELP_TEXT.matchAll(/--([a-z][a-z-]+)/g)].map((match) => match[1]!)
    expect(names.length).toBeGreaterThan(30)
    for (const name of names) {
      if (['help', 'version', 'name', 'json'].includes(name)) continue
      expect([name, findDirective(name)?.row.supported]).toEqual([name, undefined])
      expect(findDirective(name)).toBeDefined()
    }
  })
})
