import { type DirectiveName, allSpellings, Config, DIRECTIVES, findDirective } from '@understudy/net/internal'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference as it } from '../../support/reference.ts'

/** Directives whose value is a fact of this very process, not of the table. */
const OF_THE_PROCESS = new Set(['port', 'dir', 'bind', 'save', 'enable-debug-command'])

/** Our default is another, on purpose. */
const OUR_DEFAULTS = new Map([['activedefrag', 'yes']])

/** Their effects on the server under test would end the test, or need files. */
const NOT_TO_BE_SET = new Set(['port', 'bind', 'tls-port', 'requirepass', 'unixsocket', 'maxclients', 'maxmemory'])

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Redis gives them in the order of its hash table. */
function sorted(pairs: [string, string][]): [string, string][] {
  return pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

async function errorOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

describe('the table against a redis-server', () => {
  let server: TestServer
  let theirs: Map<string, string>

  const theirGet = async (...patterns: string[]): Promise<[string, string][]> => {
    const raw = await server.raw()
    const flat = (await raw.callBinary('CONFIG', 'GET', ...patterns.map(bytes))) as Buffer[]
    const pairs: [string, string][] = []
    for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i]!.toString('latin1'), flat[i + 1]!.toString('latin1')])
    return sorted(pairs)
  }

  beforeAll(async () => {
    server = await startRedisServer({
      directives: { 'shutdown-timeout': 10, 'repl-diskless-sync-delay': 5, 'enable-protected-configs': 'yes' },
    })
    theirs = new Map(await theirGet('*'))
  })
  afterAll(() => server.stop())

  function ours(): Config {
    const config = new Config({ dir: server.directory })
    config.assign('enable-protected-configs', 'yes')
    return config
  }

  it('knows every name that CONFIG GET * gives, with the same default, and no others of redis 7.0', () => {
    expect(theirs.size).toBeGreaterThan(180)
    const config = new Config()
    for (const [name, value] of theirs) {
      if (name === 'enable-protected-configs') continue
      const known = findDirective(name)
      expect(known?.spelling).toBe(name)
      if (!OF_THE_PROCESS.has(name))
        expect([name, config.match([name])[0]?.[1]]).toEqual([name, OUR_DEFAULTS.get(name) ?? value])
    }
    const extra = [...allSpellings()].filter(
      ({ listed, row, spelling }) => listed && !row.foreign && !theirs.has(spelling),
    )
    expect(extra.map(({ spelling }) => spelling)).toEqual([])
  })

  it('lists what CONFIG GET * lists, but for our own', () => {
    const foreign = new Set<string>(
      (Object.keys(DIRECTIVES) as DirectiveName[]).filter((name) => findDirective(name)!.row.foreign === true),
    )
    const names = ours()
      .match(['*'])
      .map(([name]) => name)
      .filter((name) => !foreign.has(name))
      .sort()
    expect(names).toEqual([...theirs.keys()].sort())
  })

  it('has the defaults of the hidden ones', async () => {
    for (const name of [
      'key-load-delay',
      'rdb-key-save-delay',
      'loading-process-events-interval-bytes',
      'watchdog-period',
    ]) {
      expect(ours().match([name])).toEqual(await theirGet(name))
    }
  })

  it.each([
    [['repl-d*']],
    [['repl-back*', 'SLAVE-READ-ONLY', 'replica-read-only', 'nosuch']],
    [['S?AVE-READ-ONL[xyz]']],
    [['key-load*']],
    [['KEY-load-delay']],
    [['include', 'rename-command', 'user', 'loadmodule']],
    [['slave-read*', 'slave-read-only', 'SLAVE-READ-ONLY']],
  ])('finds the same by %j', async (patterns) => {
    expect(sorted(ours().match(patterns))).toEqual(await theirGet(...patterns))
  })

  const SETS: [string, string][] = [
    ['hz', '1000'],
    ['hz', '0'],
    ['hz', '-1'],
    ['hz', 'x'],
    ['hz', '1.5'],
    ['hz', ' 5'],
    ['hz', '05'],
    ['hz', '+5'],
    ['hz', '2147483648'],
    ['hz', '99999999999999999999'],
    ['repl-timeout', '0'],
    ['repl-timeout', ''],
    ['repl-backlog-size', '1k'],
    ['repl-backlog-size', '3MB'],
    ['repl-backlog-size', '0'],
    ['repl-backlog-size', '1.5mb'],
    ['repl-backlog-size', '-1'],
    ['repl-backlog-size', '1tb'],
    ['repl-backlog-size', '9223372036854775808'],
    ['maxmemory-clients', '50%'],
    ['maxmemory-clients', '101%'],
    ['maxmemory-clients', '-5'],
    ['maxmemory-clients', '5%5'],
    ['maxmemory-clients', '7gb'],
    ['cluster-link-sendbuf-limit', '18446744073709551615'],
    ['cluster-link-sendbuf-limit', '1g'],
    ['proto-max-bulk-len', '1'],
    ['hash-max-ziplist-value', '1mb'],
    ['hash-max-ziplist-entries', '-1'],
    ['list-max-ziplist-size', '-6'],
    ['slowlog-log-slower-than', '-2'],
    ['loading-process-events-interval-bytes', '3'],
    ['rdb-key-save-delay', '-5'],
    ['appendonly', 'foo'],
    ['REPLICA-read-only', 'NO'],
    ['slave-read-only', 'foo'],
    ['loglevel', 'VERBOSE'],
    ['loglevel', 'loud'],
    ['oom-score-adj', 'relative'],
    ['oom-score-adj', 'no'],
    ['save', '100 1'],
    ['save', '100 1 200 2'],
    ['save', '100 1  200 2'],
    ['save', '10'],
    ['save', '0 1'],
    ['save', '1 -1'],
    ['save', 'a b'],
    ['save', ''],
    ['client-output-buffer-limit', 'replica 1mb 2mb'],
    ['client-output-buffer-limit', 'foo 1 1 1'],
    ['client-output-buffer-limit', 'master 1 1 1'],
    ['client-output-buffer-limit', 'normal 1x 1 1'],
    ['client-output-buffer-limit', 'normal 1gb 1mb -1'],
    ['client-output-buffer-limit', 'REPLICA 1mb 2kb 5'],
    ['client-output-buffer-limit', 'slave 3mb 2kb 5 pubsub 4mb 5 6'],
    ['client-output-buffer-limit', ''],
    ['notify-keyspace-events', 'KEA'],
    ['notify-keyspace-events', 'Kg$nm'],
    ['notify-keyspace-events', '$glshzxetdKE'],
    ['notify-keyspace-events', 'q'],
    ['notify-keyspace-events', ''],
    ['oom-score-adj-values', '1 2'],
    ['oom-score-adj-values', '1 2 x'],
    ['oom-score-adj-values', '2001 2 3'],
    ['oom-score-adj-values', '0 200 801'],
    ['oom-score-adj-values', ''],
    ['latency-tracking-info-percentiles', '50 101'],
    ['latency-tracking-info-percentiles', 'x'],
    ['latency-tracking-info-percentiles', '50.50 99.9999999999 0.001'],
    ['latency-tracking-info-percentiles', ''],
    ['shutdown-on-sigterm', 'save force'],
    ['shutdown-on-sigterm', 'FORCE now save'],
    ['shutdown-on-sigterm', 'save nosave'],
    ['shutdown-on-sigterm', 'save foo'],
    ['shutdown-on-sigterm', ''],
    ['shutdown-on-sigterm', 'default'],
    ['cluster-announce-hostname', 'a_b'],
    ['cluster-announce-hostname', 'a.b-c'],
    ['dbfilename', 'a/b'],
    ['dbfilename', 'other.rdb'],
    ['dir', '/nosuch'],
    ['dir', '/etc/passwd'],
    ['dir', ''],
    ['proc-title-template', '{x}'],
    ['proc-title-template', '{title} {port}'],
    ['masterauth', '\x00\xff"\'\r\n \\'],
    ['masteruser', 'b'],
    ['replica-announce-ip', 'x y'],
    ['databases', '4'],
    ['replicaof', 'a 1'],
    ['SlaveOf', 'a 1'],
    ['nosuch', '1'],
    ['include', '1'],
    ['rename-command', 'a b'],
    ['tls-auth-clients', 'optional'],
    ['unixsocketperm', '700'],
    ['maxmemory-policy', 'allkeys-lfu'],
  ]

  it.each(SETS)('CONFIG SET %s %j: same answer, same value after', async (name, text) => {
    const config = ours()
    const raw = await server.raw()
    const before = await theirGet(name)
    // What earlier cases left behind would be the value before.
    for (const [each, value] of await theirGet('*', 'rdb-key-save-delay')) {
      const row = findDirective(each)!.row
      if (row.change !== 'no' && each !== 'repl-diskless-load') void config.set([[each, value]])
    }
    expect(config.match([name])).toEqual(before)
    const theirError = await errorOf(raw.callBinary('CONFIG', 'SET', bytes(name), bytes(text)))
    expect(config.set([[name, text]])).toBe(theirError)
    expect(config.match([name])).toEqual(await theirGet(name))
  })

  it('refuses nonsense for every directive with the same words', async () => {
    const config = ours()
    const different: string[] = []
    for (const name of theirs.keys()) {
      const { row } = findDirective(name)!
      if (NOT_TO_BE_SET.has(name) || row.type === 'string') continue
      // Our list of values is longer by what newer servers know.
      if (name === 'repl-diskless-load') continue
      for (const text of ['no-such-value', '-3000000000']) {
        const theirError = await errorOf(server.call('CONFIG', 'SET', name, text))
        const ourError = config.set([[name, text]])
        if (theirError !== ourError) different.push(`${name} ${text}: theirs ${theirError}, ours ${String(ourError)}`)
      }
    }
    expect(different).toEqual([])
  })

  it.each([
    [['hz', '11', 'appendonly', 'foo']],
    [['hz', '11', 'hz', '12']],
    [['hz', '11', 'nosuch', '12']],
    [['nosuch', '1', 'databases', '4']],
    [['databases', '4', 'nosuch', '1']],
    [['repl-timeout', '77', 'repl-ping-slave-period', '7']],
    [['slave-read-only', 'no', 'replica-read-only', 'yes']],
  ])('CONFIG SET %j: all or nothing', async (words) => {
    const config = ours()
    await server.call('CONFIG', 'SET', 'hz', '10')
    const pairs: [string, string][] = []
    for (let i = 0; i < words.length; i += 2) pairs.push([words[i]!, words[i + 1]!])
    expect(config.set(pairs)).toBe(await errorOf(server.call('CONFIG', 'SET', ...words)))
    for (const [name] of pairs) expect(config.match([name])).toEqual(await theirGet(name))
  })
})
