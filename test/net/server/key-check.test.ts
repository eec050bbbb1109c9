/** Keys are compared with what the snapshot announced and with the primary's, at one offset; whatever comes of it is told. */
import type { RdbLoadResult } from '@understudy/core/internal'
import { KeyCheck } from '@understudy/net/internal'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { scanBytes } from '../../support/scan-rdb.ts'

const REPLID = 'a'.repeat(40)

interface Loaded {
  readonly result: RdbLoadResult
  readonly keysIn: (db: number) => number
}

function load(bytes: Uint8Array): Loaded {
  const { sink, summary, keyCount } = scanBytes(bytes)
  const counts = sink.counts()
  return {
    result: { generation: { control: new SharedArrayBuffer(0), segments: [] }, summary, keyCount },
    keysIn: (db) => counts[`db${db}`] ?? 0,
  }
}

/** Two keys in database 3, and a value of a module if wanted. */
function snapshot(announced: number, module = false): Uint8Array {
  const rdb = new RdbBuilder().selectDb(3).raw(251).length(announced).length(0)
  rdb.text('a', 'b').text('c', 'd')
  if (module) rdb.entry(7, 'm', 5, 0)
  return rdb.end()
}

function info(offset: number, keys: Readonly<Record<number, number>>, replid = REPLID): string {
  const lines = Object.entries(keys).map(([db, count]) => `db${db}:keys=${count},expires=0,avg_ttl=0`)
  return ['# Replication', `master_replid:${replid}`, `master_repl_offset:${offset}`, '# Keyspace', ...lines, ''].join(
    '\r\n',
  )
}

/** A check of a loaded snapshot at offset 100, with the answers of a primary. */
function check(loaded: Loaded, answers: readonly (string | Error)[]) {
  const warnings: string[] = []
  const position = { replid: REPLID, offset: 100 }
  const state = { isFaithful: true, asked: 0 }
  const nothing = (): void => {}
  const keyCheck = new KeyCheck({
    logger: { debug: nothing, verbose: nothing, notice: nothing, warning: (text) => void warnings.push(text) },
    databaseCount: 16,
    keysIn: loaded.keysIn,
    position: () => position,
    isFaithful: () => state.isFaithful,
    ask: () => {
      const answer = answers[Math.min(state.asked++, answers.length - 1)]!
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
    },
  })
  const answered = async (): Promise<void> => {
    keyCheck.linkUp()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { keyCheck, position, state, warnings, answered }
}

afterEach(() => void vi.useRealTimers())

describe('what the snapshot announced', () => {
  it.each([
    ['as announced', snapshot(2), undefined],
    ['nothing announced', new RdbBuilder().text('a', 'b').end(), undefined],
    ['a module value left out', snapshot(3, true), undefined],
    ['too few', snapshot(5), /database 3 has 2 keys here instead of 5; 0 were left out on purpose/],
    ['too many', snapshot(1), /database 3 has 2 keys here instead of 1/],
    ['too few for what was left out', snapshot(4, true), /instead of 4; 1 were left out/],
    [
      'one database has what another lacks',
      new RdbBuilder()
        .selectDb(1)
        .raw(251)
        .length(1)
        .length(0)
        .selectDb(2)
        .raw(251)
        .length(1)
        .length(0)
        .text('a', 'b')
        .text('c', 'd')
        .end(),
      /database 1 has 0 keys here instead of 1; database 2 has 2 keys here instead of 1/,
    ],
  ])('%s', (_name, bytes, expected) => {
    const loaded = load(bytes)
    const { keyCheck, warnings } = check(loaded, [])
    keyCheck.begin(loaded.result, true)
    if (expected === undefined) {
      expect(keyCheck.status).toEqual({ state: 'ok', reason: '' })
      expect(warnings).toEqual([])
    } else {
      expect(keyCheck.status).toEqual({ state: 'mismatch', reason: expect.stringMatching(expected) })
      expect(warnings).toEqual([expect.stringMatching(expected)])
    }
  })
})

describe('what the primary has', () => {
  it.each([
    ['the same', info(100, { 3: 2 }), 'ok', ''],
    ['more', info(100, { 3: 3 }), 'mismatch', /other keys at the same offset: database 3 has 2 keys here instead of 3/],
    ['a database more', info(100, { 3: 2, 4: 1 }), 'mismatch', /database 4 has 0 keys here instead of 1/],
    ['none in a database', info(100, {}), 'mismatch', /database 3 has 2 keys here instead of 0/],
    ['another history', info(100, { 3: 2 }, 'b'.repeat(40)), 'unknown', /history is another one/],
    ['no offset to tell', '# Keyspace\r\ndb3:keys=2\r\n', 'unknown', /does not tell its offset/],
    ['no answer', new Error('NOPERM no permissions to run INFO'), 'unknown', /cannot be asked: NOPERM/],
  ])('%s', async (_name, answer, state, reason) => {
    const loaded = load(snapshot(2))
    const { keyCheck, warnings, answered } = check(loaded, [answer])
    keyCheck.begin(loaded.result, false)
    expect(keyCheck.status.state).toBe('pending')
    await answered()
    expect(keyCheck.status.state).toBe(state)
    if (reason === '') expect(keyCheck.status.reason).toBe('')
    else expect(keyCheck.status.reason).toMatch(reason)
    expect(warnings).toHaveLength(state === 'mismatch' ? 1 : 0)
  })

  it('is compared at the very offset, and asked for again when that was missed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const loaded = load(snapshot(2))
    const { keyCheck, position, state, answered } = check(loaded, [info(150, { 3: 9 }), info(300, { 3: 2 })])
    keyCheck.begin(loaded.result, false)
    await answered()
    for (const offset of [120, 149]) keyCheck.applied(offset)
    expect(keyCheck.status.state).toBe('pending')
    // 150 lay inside of what was applied in one go: its keys were never there to be counted.
    keyCheck.applied(200)
    expect(keyCheck.status.state).toBe('pending')
    position.offset = 200
    await vi.advanceTimersByTimeAsync(1000)
    expect(state.asked).toBe(2)
    keyCheck.applied(300)
    expect(keyCheck.status.state).toBe('ok')
  })

  it('is given up when writes never let the offsets meet', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const loaded = load(snapshot(2))
    const { keyCheck, state, answered } = check(loaded, [info(99, { 3: 2 })])
    keyCheck.begin(loaded.result, false)
    await answered()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(keyCheck.status).toEqual({ state: 'unknown', reason: expect.stringMatching(/writes went on/) })
    expect(state.asked).toBe(20)
  })

  it('is asked for again by the next link when the last one was lost', async () => {
    const loaded = load(snapshot(2))
    const { keyCheck, state, answered } = check(loaded, [info(150, { 3: 2 })])
    keyCheck.begin(loaded.result, false)
    await answered()
    keyCheck.linkDown()
    keyCheck.applied(150)
    expect(keyCheck.status.state).toBe('pending')
    await answered()
    expect(state.asked).toBe(2)
    keyCheck.applied(150)
    expect(keyCheck.status.state).toBe('ok')
  })

  it('is not compared with data that clients have changed here', async () => {
    const loaded = load(snapshot(2))
    const { keyCheck, state, answered } = check(loaded, [info(100, { 3: 7 })])
    state.isFaithful = false
    keyCheck.begin(loaded.result, false)
    await answered()
    expect(keyCheck.status).toEqual({ state: 'unknown', reason: 'this node takes writes of its own' })
  })
})
