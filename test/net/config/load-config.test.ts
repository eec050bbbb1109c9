import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Config,
  editDistance,
  loadConfig,
  nearestName,
  quoteArgument,
  splitArguments,
} from '@understudy/net/internal'
import { afterAll, describe, expect, it } from 'vitest'
import { CpuTime } from '../../support/cpu-time.ts'
import { redisBinaries, startRedisServer } from '../../support/redis-server.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { itOfReference } from '../../support/reference.ts'

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'understudy-conf-')))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let files = 0
function file(text: string, name = `${++files}.conf`): string {
  const path = join(directory, name)
  writeFileSync(path, text, 'latin1')
  return path
}

function load(text: string, warnings: string[] = []): Config {
  return loadConfig({ file: file(text) }, { dir: directory, warn: (message) => warnings.push(message) })
}

function failure(text: string): string {
  try {
    load(text)
  } catch (error) {
    return (error as Error).message
  }
  return 'no error'
}

describe('a file that redis-server takes means the same here', () => {
  const NAMES = ['dbfilename', 'masterauth', 'save', 'client-output-buffer-limit', 'replica-announce-ip', 'timeout']
  itOfReference.each([
    'dbfilename "a\\x41b.rdb"\nmasterauth "a\\n\\"b\\q\\a\\b\\t\\r\\\\"',
    "dbfilename 'it\\'s'\nmasterauth 'a\\nb\"'",
    'dbfilename ab"c d"\nmasterauth a\'b c\'',
    '  \tDBFILENAME\tx \r\n#timeout 5\n   # timeout 6\n\n\ntimeout "7"\r\n',
    'masterauth "\\x"\ndbfilename "\\xzz"',
    'masterauth \xe4\xff\x80\ndbfilename "\\xE4"',
    'masterauth ""\nreplica-announce-ip \'\'',
    'masterauth a#b\nslave-announce-ip x',
    'client-output-buffer-limit normal 1mb 2 3 replica 4k 5kb 6\nclient-output-buffer-limit pubsub 0 0 0',
    'client-output-buffer-limit "slave 1 2 3"',
    'timeout 1\ntimeout 2',
    'masterauth a\\',
    'list-max-ziplist-value 5\nlua-replicate-commands yes',
  ])('%j', async (text) => {
    const server = await startRedisServer({ config: `include ${file(text)}\n`, directives: { bind: '127.0.0.1' } })
    try {
      // startRedisServer switches save off on the command line.
      const config = loadConfig({ file: file(`${text}\nsave ""\n`) }, { dir: directory })
      const raw = await server.raw()
      for (const name of NAMES) {
        const [, value] = (await raw.callBinary('CONFIG', 'GET', name)) as [Buffer, Buffer]
        expect([name, config.match([name])[0]?.[1]]).toEqual([name, value.toString('latin1')])
      }
    } finally {
      await server.stop()
    }
  })
})

describe('a file that redis-server refuses is refused here with the same reason', () => {
  itOfReference.each([
    'dbfilename "ab"c',
    'port "',
    "port '1",
    'port',
    'port 1 2',
    'masterauth \\"a\\',
    'port 70000',
    'dbfilename x # comment',
    'replicaof a',
    'replicaof a 99999',
    'save "900 1" "10 1"',
    'save 900',
    'save 0 1',
    'oom-score-adj-values 1 2',
    'daemonize foo',
    'dir /nosuch/place',
    'sentinel x',
    'repl-diskless-sync maybe',
    'loglevel loud',
    'client-output-buffer-limit normal 1 2',
    'notify-keyspace-events q',
    'maxmemory lots',
    '\n\n# x\n  timeout -5',
  ])('%j', async (text) => {
    const { server } = await redisBinaries()
    const theirs = await new Promise<string>((resolve) => {
      execFile(server, [file(`${text}\n`), '--port', '0'], { timeout: 20_000 }, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      )
    })
    const [, line, quoted, reason] = /at line (\d+)\n>>> (.*)\n(.*)\n/.exec(theirs) ?? []
    expect(theirs).toContain('FATAL CONFIG FILE ERROR')
    const ours = failure(text)
    expect(ours).toContain(`.conf', at line ${line}\n>>> ${quoted}\n`)
    expect(ours.endsWith(reason!)).toBe(true)
  })
})

describe('an unknown directive', () => {
  it('is refused with file, line, text and the nearest name', () => {
    expect(failure('port 1\n\nrepl-timout 5')).toMatch(
      /the configuration file '.*\.conf', at line 3\n>>> 'repl-timout 5'\n.*there is no 'repl-timout'; the nearest known name is 'repl-timeout'$/,
    )
    expect(failure('slave-priorty 5')).toContain("'slave-priority'")
    expect(failure('masteraut x')).toContain("'masterauth'")
  })

  it('does not make a long name slow or the message unsafe', () => {
    const cpu = new CpuTime()
    expect(failure(`${'x'.repeat(1_000_000)}\x1b[2J 5`)).toContain('there is no')
    expect(failure('a\x1bb 5')).not.toContain('\x1b[')
    expect(cpu.ms).toBeLessThan(2000)
  })

  it('has the nearest name by edits', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3)
    expect(editDistance('', 'abc')).toBe(3)
    expect(editDistance('prot', 'port')).toBe(1)
    expect(nearestName('PROT', ['dir', 'port'])).toBe('port')
    expect(nearestName('x', [])).toBeUndefined()
  })
})

describe('include', () => {
  it('reads files where it stands, patterns sorted, none found is none', () => {
    mkdirSync(join(directory, 'conf.d'), { recursive: true })
    file('timeout 1\nport 1\n', 'conf.d/b.conf')
    file('timeout 2\n', 'conf.d/a.conf')
    file('timeout 3\n', 'conf.d/.hidden.conf')
    const config = load('include conf.d/*.conf\ninclude nothing/*/x\nhz 33\ninclude "conf.d/[!x].conf"\nport 2')
    expect(config.get('timeout')).toBe(1)
    expect(config.get('port')).toBe(2)
    expect(config.get('hz')).toBe(33)
  })

  it('names the included file in errors', () => {
    const path = file('port 1\nport x\n', 'inner.conf')
    expect(failure(`include ${path}`)).toContain(`'${path}', at line 2`)
    expect(failure('include /nosuch/file')).toBe(
      "Fatal error, can't open config file '/nosuch/file': No such file or directory",
    )
  })

  it('ends when files include each other', () => {
    const path = join(directory, 'loop.conf')
    file(`include ${path}\n`, 'loop.conf')
    expect(failure(`include ${path}`)).toContain('more than 16 deep')
  })

  it('finds relative paths from dir, once that is set', () => {
    mkdirSync(join(directory, 'sub'), { recursive: true })
    file('timeout 44\n', 'sub/one.conf')
    expect(load('dir sub\ninclude one.conf').get('timeout')).toBe(44)
  })
})

describe('sources', () => {
  it('are read in order: file, standard input, command line', () => {
    const config = loadConfig(
      {
        file: file('timeout 1\nhz 11\nport 1\nsave 10 1'),
        fromStdin: true,
        lines: [{ words: ['timeout', '3'], place: '', shortPlace: '', text: '' }],
      },
      { dir: directory, readStdin: () => Buffer.from('timeout 2\nhz 12\nsave 20 2') },
    )
    expect([config.get('timeout'), config.get('hz'), config.get('port')]).toEqual([3, 12, 1])
    expect(config.match(['save'])).toEqual([['save', '10 1 20 2']])
    expect(config.file).toMatch(/\d\.conf$/)
  })

  it('refuses daemonize yes, says what to do, and takes it: the file of a distribution has that line', () => {
    expect(load('daemonize no').get('daemonize')).toBe(false)
    expect(failure('daemonize yes')).toMatch(/'daemonize yes'.*--daemonize no.*supervisor/)
    const lines = [{ words: ['daemonize', 'no'] as [string, string], place: '', shortPlace: '', text: '' }]
    expect(loadConfig({ file: file('daemonize yes\n'), lines }).get('daemonize')).toBe(false)
  })

  it('takes what redis-server writes of its default user, and the password of one', () => {
    expect(load('user default on nopass sanitize-payload ~* &* +@all').get('requirepass')).toBe('')
    expect(load('user default on >secret allkeys allchannels +@all').get('requirepass')).toBe('secret')
    const hash = createHash('sha256').update('secret').digest('hex')
    const line = `user default on sanitize-payload #${hash} ~* &* +@all`
    expect(load(`${line}\nrequirepass secret`).get('requirepass')).toBe('secret')
    expect(failure(line)).toMatch(/hash/)
    expect(load('user alice on >pw ~* +get').get('requirepass')).toBe('')
  })

  it.each([
    'aclfile /etc/users.acl',
    'user default off',
    'user default on',
    'user default on nopass ~* &*',
    'user default on nopass ~* &* -@all +get',
    'user default on nopass ~app:* &* +@all',
    'user default on nopass ~* +@all',
    'user default on >a >b ~* &* +@all',
    'user default on ~* &* +@all',
    'user default on >a ~* &* +@all\nuser default on nopass ~* &* +@all -flushall',
  ])('refuses to start without the protection of %j, and says what to do', (lines) => {
    expect(failure(lines)).toMatch(/no ACL users here.*requirepass/)
  })

  it('warns of directives without effect, once each, with their place', () => {
    const warnings: string[] = []
    load('appendonly yes\nappendonly no\nalways-show-logo no\nport 5\nuser x on', warnings)
    expect(warnings).toHaveLength(3)
    expect(warnings[0]).toMatch(/^Directive 'appendonly' \(.*\.conf:1\) is accepted, but has no effect here: /)
    expect(warnings[1]).toMatch(/'always-show-logo' \(.*:3\)/)
    expect(warnings[2]).toMatch(/'user' .*no ACL users/)
  })
})

describe('quoting', () => {
  it('comes back from random bytes', () => {
    const random = new SeededRandom(3)
    for (let round = 0; round < 500; round++) {
      const words = Array.from({ length: random.int(1, 4) }, () =>
        String.fromCharCode(...Array.from({ length: random.int(0, 12) }, () => random.int(0, 255))),
      )
      expect(splitArguments(words.map(quoteArgument).join(' '))).toEqual(words)
    }
  })

  it.each([
    ['', []],
    ['  a  b ', ['a', 'b']],
    ['"a b"', ['a b']],
    ['"a" "b', undefined],
    ["'a'b", undefined],
    ['"\\x4', undefined],
    ['"\\x4g"', ['x4g']],
    ['a\\n', ['a\\n']],
  ])('%j is %j', (line, words) => {
    expect(splitArguments(line)).toEqual(words)
  })
})
