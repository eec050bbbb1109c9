import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allSpellings, Config, DIRECTIVES, findDirective, loadConfig, parseArguments } from '@understudy/net/internal'
import { afterAll, describe, expect, expectTypeOf, it } from 'vitest'

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'understudy-config-')))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function configOf(...argv: string[]): Config {
  const line = parseArguments(argv)
  if (line.kind !== 'run') throw new Error('not a run')
  return loadConfig(line, { dir: directory })
}

describe('typed values', () => {
  it('have the type of their row', () => {
    const config = new Config()
    expectTypeOf(config.get('repl-timeout')).toEqualTypeOf<number>()
    expectTypeOf(config.get('replica-read-only')).toEqualTypeOf<boolean>()
    expectTypeOf(config.get('masterauth')).toEqualTypeOf<string>()
    expectTypeOf(config.get('loglevel')).toEqualTypeOf<'debug' | 'verbose' | 'notice' | 'warning'>()
    expectTypeOf(config.get('repl-diskless-load')).toEqualTypeOf<
      'disabled' | 'on-empty-db' | 'swapdb' | 'flush-before-load'
    >()
    expectTypeOf(config.get('replicaof')).toEqualTypeOf<{ readonly host: string; readonly port: number } | undefined>()
    expect(config.get('repl-timeout')).toBe(60)
    expect(config.get('repl-backlog-size')).toBe(1048576)
    expect(config.get('replicaof')).toBeUndefined()
    expect(config.get('shutdown-on-sigterm')).toEqual(['default'])
    expect(config.match(['save', 'bind'])).toEqual([
      ['save', '3600 1 300 100 60 10000'],
      ['bind', '* -::*'],
    ])
  })

  it('reads the structures of the special forms', () => {
    const config = configOf(
      ...`--replicaof 10.0.0.1 6380 --save 900 1 --bind 127.0.0.1 -::1 --notify-keyspace-events Kx
        --client-output-buffer-limit replica 1mb 1kb 7 --upstream-command PSYNC secret`.split(/\s+/),
      '--save',
      '300 10',
      '--rename-command',
      'FLUSHALL',
      '',
    )
    expect(config.get('replicaof')).toEqual({ host: '10.0.0.1', port: 6380 })
    expect(config.get('save')).toEqual([
      { seconds: 900, changes: 1 },
      { seconds: 300, changes: 10 },
    ])
    expect(config.get('bind')).toEqual(['127.0.0.1', '-::1'])
    expect(config.get('client-output-buffer-limit').replica).toEqual({
      hardBytes: 1048576,
      softBytes: 1024,
      softSeconds: 7,
    })
    expect(config.get('client-output-buffer-limit').normal.hardBytes).toBe(0)
    expect(config.get('upstream-command')).toEqual({ psync: 'secret' })
    expect(config.get('rename-command')).toEqual([{ from: 'flushall', to: '' }])
    expect(config.get('notify-keyspace-events')).toBe(0x101)
    expect(config.wasGiven('save')).toBe(true)
    expect(config.wasGiven('port')).toBe(false)
  })

  it('knows old and foreign names', () => {
    const config = configOf('--slaveof', 'no', 'one', '--primaryauth', 'pw', '--hash-max-ziplist-entries', '3')
    expect(config.get('replicaof')).toBeUndefined()
    expect(config.get('masterauth')).toBe('pw')
    expect(config.get('hash-max-listpack-entries')).toBe(3)
    expect(config.match(['hash-max-*-entries'])).toEqual([
      ['hash-max-listpack-entries', '3'],
      ['hash-max-ziplist-entries', '3'],
    ])
    expect(config.match(['primary*'])).toEqual([])
    expect(config.match(['primaryauth'])).toEqual([['primaryauth', 'pw']])
  })

  it('resolves paths from dir', () => {
    const config = configOf('--logfile', 'log/ä.log', '--dir', directory)
    expect(config.path('logfile')).toBe(join(directory, 'log/ä.log'))
    expect(config.path('pidfile')).toBeUndefined()
    expect(config.match(['dir'])).toEqual([['dir', directory]])
  })
})

describe('every row', () => {
  it('prints its default in a way it reads again', () => {
    for (const [name, row] of Object.entries(DIRECTIVES)) {
      if (row.fileOnly || row.change === 'no') continue
      const config = new Config({ dir: directory })
      config.assign('enable-protected-configs', 'yes')
      const [[, text]] = config.match([name]) as [[string, string]]
      expect([name, config.set([[name, text]])]).toEqual([name, undefined])
      expect(config.match([name])).toEqual([[name, text]])
    }
  })

  it('has no property that means nothing', () => {
    const known = `type default form min max least most values same several check keepEmpty aliases silentAliases change
      notWhileLoading hidden volatile sensitive supported warning fileOnly foreign unit`.split(/\s+/)
    for (const [name, row] of Object.entries(DIRECTIVES)) {
      expect([name, Object.keys(row).filter((property) => !known.includes(property))]).toEqual([name, []])
    }
  })

  it('has lower-case spellings that lead to it', () => {
    for (const { spelling, name } of allSpellings()) {
      expect(spelling).toBe(spelling.toLowerCase())
      expect(findDirective(spelling.toUpperCase())?.name).toBe(name)
    }
  })
})

describe('changes', () => {
  it('tells listeners the new and the old value, only when it changed', () => {
    const config = new Config()
    const seen: [number, number][] = []
    const end = config.onChange('repl-timeout', (value, previous) => {
      seen.push([value, previous])
    })
    expect(config.set([['repl-timeout', '60']])).toBeUndefined()
    expect(config.set([['REPL-timeout', '61']])).toBeUndefined()
    config.assign('repl-timeout', 62)
    end()
    void config.set([['repl-timeout', '63']])
    expect(seen).toEqual([
      [61, 60],
      [62, 61],
    ])
  })

  it('tells listeners of certificates also when the name stayed', () => {
    const config = new Config()
    let calls = 0
    config.onChange('tls-cert-file', () => {
      calls++
    })
    void config.set([['tls-cert-file', 'a']])
    void config.set([['tls-cert-file', 'a']])
    expect(calls).toBe(2)
  })

  it('undoes everything when a listener refuses', () => {
    const config = new Config()
    const hz: number[] = []
    config.onChange('hz', (value) => {
      hz.push(value)
    })
    config.onChange('port', () => 'Unable to listen on this port. Check server logs.')
    expect(
      config.set([
        ['hz', '20'],
        ['port', '7000'],
      ]),
    ).toBe(
      "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.",
    )
    expect(hz).toEqual([20, 10])
    expect(config.get('port')).toBe(6379)
  })

  it('waits for listeners that take their time, one CONFIG SET after the other', async () => {
    const config = new Config()
    const ports: number[] = []
    config.onChange('port', async (value) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      ports.push(value)
      return value === 7001 ? 'taken' : undefined
    })
    const first = config.set([['port', '7000']])
    const second = config.set([['port', '7001']])
    const third = config.set([['hz', '30']])
    expect(first).toBeInstanceOf(Promise)
    expect(await first).toBeUndefined()
    expect(await second).toContain('taken')
    expect(await third).toBeUndefined()
    expect(config.get('port')).toBe(7000)
    expect(ports).toEqual([7000, 7001, 7000])
    expect(config.set([['port', '7000']])).toBeUndefined()
  })

  it('takes a listener that throws for one that refuses', async () => {
    const config = new Config()
    config.onChange('hz', () => {
      throw new Error('bug')
    })
    expect(config.set([['hz', '20']])).toContain(' - bug')
    config.onChange('timeout', () => Promise.reject(new Error('later')))
    expect(await config.set([['timeout', '20']])).toContain(' - later')
    expect([config.get('hz'), config.get('timeout')]).toEqual([10, 0])
  })

  it('protects dir and dbfilename as enable-protected-configs says', () => {
    const config = new Config({ dir: directory })
    const set = (fromLocalClient: boolean): unknown => config.set([['dbfilename', 'x']], { fromLocalClient })
    expect(set(true)).toContain("can't set protected config")
    config.assign('enable-protected-configs', 'local')
    expect(set(false)).toContain("can't set protected config")
    expect(set(true)).toBeUndefined()
  })

  it('refuses some while loading', () => {
    const config = new Config()
    expect(config.set([['repl-diskless-load', 'swapdb']], { loading: true })).toBe(
      'LOADING Redis is loading the dataset in memory',
    )
    expect(config.get('repl-diskless-load')).toBe('disabled')
  })

  it('takes both names of flush-before-load', () => {
    const config = new Config()
    expect(config.set([['repl-diskless-load', 'flushdb']])).toBeUndefined()
    expect(config.get('repl-diskless-load')).toBe('flush-before-load')
  })

  it('warns once of what has no effect', () => {
    const warnings: string[] = []
    const config = new Config({ warn: (message) => warnings.push(message) })
    void config.set([['activerehashing', 'no']])
    void config.set([['activerehashing', 'yes']])
    void config.set([['hz', '11']])
    expect(warnings).toEqual(["Directive 'activerehashing' (CONFIG SET) is accepted, but has no effect here"])
  })
})
