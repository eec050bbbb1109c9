import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BacklogReader } from '@understudy/core/internal'
import { afterEach, describe, expect, it } from 'vitest'
import { CpuTime } from '../../support/cpu-time.ts'
import { emptyRdb, FakePrimary, type FakePrimaryOptions } from '../../support/fake-primary.ts'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { waitFor } from '../../support/wait-for.ts'
import { type FixtureOptions, LinkFixture } from './link-fixture.ts'

/** Little memory, so that the file is used. */
const spill = { memoryBytesMax: 600_000, fileBytesMax: 64 << 20 }

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function startPrimary(options?: FakePrimaryOptions): Promise<FakePrimary> {
  const primary = await FakePrimary.start(options)
  cleanups.push(() => primary.stop())
  return primary
}

function follow(primary: FakePrimary | number, options?: FixtureOptions): LinkFixture {
  const fixture = new LinkFixture(options)
  cleanups.push(() => fixture.link.stop())
  fixture.link.replicaOf('127.0.0.1', typeof primary === 'number' ? primary : primary.port)
  return fixture
}

/** Writes that a reader of the log can tell apart. */
function writes(first: number, count: number): Buffer {
  const parts: Buffer[] = []
  for (let i = first; i < first + count; i++) {
    if (i % 10 === 3) {
      parts.push(encodeCommand('MULTI'), encodeCommand('INCR', `n${i}`), encodeCommand('SET', `m${i}`, 'x'))
      parts.push(encodeCommand('EXEC'))
    } else parts.push(encodeCommand('SET', `key:${i}`, `value-${'v'.repeat(i % 40)}`))
  }
  return Buffer.concat(parts)
}

function expectBacklogEquals(fixture: LinkFixture, primary: FakePrimary): void {
  const { backlog } = fixture
  expect(backlog.endOffset).toBe(primary.offset)
  const copy = Buffer.alloc(backlog.histlen)
  expect(new BacklogReader(backlog.shared).read(backlog.firstByteOffset, copy)).toBe(copy.length)
  const history = Buffer.concat([...primary.bytesBehind(backlog.firstByteOffset - 1)])
  expect(copy.equals(history)).toBe(true)
}

describe('a full resync', () => {
  for (const framing of ['length', 'mark'] as const) {
    it(`${framing} framing: loads, swaps, follows the stream, acknowledges`, async () => {
      const primary = await startPrimary({ framing, snapshotOffset: 1000 })
      const fixture = follow(primary)
      await fixture.connected()
      expect(fixture.swaps).toBe(1)
      expect(fixture.link.getStatus()).toMatchObject({ appliedOffset: 1000, replid: primary.replid, isUp: true })
      await waitFor('the first ACK', () => primary.ackedOffset === 1000)
      primary.feed(Buffer.concat([encodeCommand('SELECT', '3'), writes(0, 500)]))
      await fixture.applied(primary.offset)
      expect(fixture.commands.length).toBe(450)
      expect(fixture.commands[0]).toBe('3 SET key:0 value-')
      expect(fixture.groups.length).toBe(50)
      expect(fixture.groups[0]).toEqual(['3 INCR n3', '3 SET m3 x'])
      primary.feed(encodeCommand('REPLCONF', 'GETACK', '*'))
      const before = primary.offset - encodeCommand('REPLCONF', 'GETACK', '*').length
      await waitFor('the answer to GETACK', () => primary.online!.acks.includes(before), { timeoutMs: 500 })
      expectBacklogEquals(fixture, primary)
    })

    it(`${framing} framing: a snapshot larger than the loader's room, a slow loader, and stream bytes right behind it`, async () => {
      const random = new SeededRandom(3)
      const snapshot = Buffer.concat([Buffer.from('REDIS0010'), random.bytes(700_000)])
      const primary = await startPrimary({ framing, snapshot })
      primary.feed(writes(0, 2000))
      const fixture = follow(primary, { loader: { ringBytes: 32_768, takeBytes: 20_000, takeEveryMs: 1 } })
      await fixture.connected()
      await fixture.applied(primary.offset)
      expect(fixture.loader.loads[0]!.refusals).toBeGreaterThan(0)
      expect(fixture.loader.loads[0]!.usesAllThreads).toBe(false)
      expect(fixture.commands.length).toBe(1800)
      expectBacklogEquals(fixture, primary)
    })
  }

  it('has the loader use all its threads when much of a snapshot waits for it', async () => {
    const snapshot = Buffer.concat([Buffer.from('REDIS0010'), Buffer.alloc(20 << 20, 'snapshot')])
    const primary = await startPrimary({ framing: 'length', snapshot })
    const fixture = follow(primary, { loader: { takeBytes: 10, takeEveryMs: 20 }, config: { directory: tmpdir() } })
    await waitFor('a loader in a hurry', () => fixture.loader.loads[0]?.usesAllThreads === true)
    expect(fixture.link.getStatus().waiting.bytes).toBeGreaterThan(15 << 20)
    fixture.loader.loads[0]!.hurry()
    await fixture.connected()
  })

  it('has it do so earlier when no more may wait', async () => {
    const snapshot = Buffer.concat([Buffer.from('REDIS0010'), Buffer.alloc(20 << 20, 'snapshot')])
    const primary = await startPrimary({ framing: 'length', snapshot })
    const noFile = { memoryBytesMax: 1 << 20, fileBytesMax: 0 }
    const fixture = follow(primary, { loader: { takeBytes: 10, takeEveryMs: 20 }, config: { spill: noFile } })
    await waitFor('a loader in a hurry', () => fixture.loader.loads[0]?.usesAllThreads === true)
    expect(fixture.link.getStatus().waiting.bytes).toBeLessThan(2 << 20)
    fixture.loader.loads[0]!.hurry()
    await fixture.connected()
  })

  it("takes what comes during a slow load off the primary's hands, and applies it after the swap", async () => {
    const snapshot = Buffer.concat([Buffer.from('REDIS0010'), new SeededRandom(4).bytes(50_000)])
    const primary = await startPrimary({ framing: 'length', snapshot })
    const fixture = follow(primary, {
      loader: { takeBytes: 10, takeEveryMs: 20 },
      config: { directory: tmpdir(), spill },
    })
    await fixture.inState('loading')
    // Much more than sockets and memory take.
    for (let i = 0; i < 40; i++) primary.feed(writes(i * 5000, 5000))
    await waitFor('all of it', () => fixture.link.getStatus().waiting.bytes === primary.offset)
    expect(fixture.link.getStatus().waiting.fileBytes).toBeGreaterThan(1_000_000)
    expect(fixture.swaps).toBe(0)
    expect(fixture.commands).toEqual([])
    fixture.loader.loads[0]!.hurry()
    await fixture.connected()
    await fixture.applied(primary.offset)
    expect(fixture.commands.length).toBe(180_000)
    expect(fixture.groups.length).toBe(20_000)
    const { waiting } = fixture.link.getStatus()
    expect(waiting).toMatchObject({ bytes: 0, fileBytes: 0, peakBytes: primary.offset })
    expect(primary.sessions).toHaveLength(1)
    // And on it goes, directly.
    primary.feed(writes(0, 100))
    await fixture.applied(primary.offset)
    expectBacklogEquals(fixture, primary)
    expect(fixture.log.filter((line) => line.includes('caught up with the stream'))).toHaveLength(1)
    expect(fixture.log.filter((line) => line.startsWith('warning'))).toEqual([])
  })

  it('takes a snapshot that ends with a mark as fast as it comes, whatever the loader does', async () => {
    const snapshot = Buffer.concat([Buffer.from('REDIS0010'), new SeededRandom(5).bytes(6_000_000)])
    const primary = await startPrimary({ framing: 'mark', snapshot })
    const fixture = follow(primary, {
      loader: { ringBytes: 1 << 18, takeBytes: 10, takeEveryMs: 20 },
      config: { directory: tmpdir(), spill },
    })
    await waitFor('all of it', () => fixture.link.getStatus().waiting.bytes > 5_000_000)
    expect(fixture.link.getStatus().waiting.fileBytes).toBeGreaterThan(1_000_000)
    fixture.loader.loads[0]!.hurry()
    await fixture.connected()
    primary.feed(writes(0, 100))
    await fixture.applied(primary.offset)
    expect(fixture.commands.length).toBe(90)
    expect(primary.sessions).toHaveLength(1)
  })

  it.each(['ENOSPC', 'EIO', 'EACCES'])('goes on when the stream cannot be kept in a file: %s', async (code) => {
    const primary = await startPrimary({
      framing: 'length',
      snapshot: Buffer.concat([emptyRdb(), Buffer.alloc(50_000)]),
    })
    const fixture = follow(primary, {
      loader: { takeBytes: 10, takeEveryMs: 20 },
      config: { spill },
      ports: { openSpillFile: () => Promise.reject(Object.assign(new Error(`${code}, open`), { code })) },
    })
    await fixture.inState('loading')
    for (let i = 0; i < 20; i++) primary.feed(writes(i * 5000, 5000))
    await waitFor('the fault', () => fixture.link.getStatus().spillFault !== '')
    expect(fixture.link.getStatus().spillFault).toBe(`${code}, open`)
    expect(fixture.link.getStatus().waiting.bytes).toBeLessThan(2_000_000)
    fixture.loader.loads[0]!.hurry()
    await fixture.connected()
    await fixture.applied(primary.offset)
    expect(fixture.commands.length).toBe(90_000)
    expect(fixture.log.filter((line) => line.startsWith('warning'))).toEqual([
      expect.stringMatching(new RegExp(`cannot be kept in a file in /nowhere: ${code}, open`)),
    ])
    expect(primary.sessions).toHaveLength(1)
  })

  it('an end that is told late does not touch the connection of an order that came before it was', async () => {
    const snapshot = Buffer.concat([Buffer.from('REDIS0010'), new SeededRandom(6).bytes(50_000)])
    const primary = await startPrimary({ framing: 'length', snapshot })
    const other = await startPrimary()
    const log: string[] = []
    const notice = (text: string): void => {
      log.push(text)
      // In the turn in which the end of the old connection is about to be told.
      if (text.includes('caught up')) process.nextTick(() => fixture.link.replicaOf('127.0.0.1', other.port))
    }
    const ignore = (): void => {}
    const fixture = follow(primary, {
      loader: { takeBytes: 10, takeEveryMs: 20 },
      ports: { logger: { debug: ignore, verbose: ignore, notice, warning: notice } },
    })
    await fixture.inState('loading')
    primary.feed(writes(0, 1000))
    await waitFor('the stream', () => fixture.link.getStatus().waiting.bytes === primary.offset)
    primary.cutAll()
    await waitFor('the end of the connection', () => fixture.link.connectionEnds === undefined)
    fixture.loader.loads[0]!.hurry()
    await waitFor('the second attempt', () => fixture.link.getStatus().counters.attempts === 2)
    fixture.loader.options = {}
    await fixture.connected()
    other.feed(writes(0, 10))
    await fixture.applied(other.offset)
    expect(fixture.link.getStatus().counters).toMatchObject({ attempts: 2, failedAttempts: 0 })
    expect(other.sessions).toHaveLength(1)
    expect(log.filter((line) => line.includes('caught up'))).toHaveLength(1)
  })

  it('applies what had come when the connection ends meanwhile, and resumes behind it', async () => {
    const primary = await startPrimary({
      framing: 'length',
      snapshot: Buffer.concat([emptyRdb(), Buffer.alloc(50_000)]),
    })
    const fixture = follow(primary, { loader: { takeBytes: 10, takeEveryMs: 20 } })
    await fixture.inState('loading')
    primary.feed(writes(0, 5000))
    const fed = primary.offset
    await waitFor('all of it', () => fixture.link.getStatus().waiting.bytes === fed)
    primary.cutAll()
    fixture.loader.loads[0]!.hurry()
    await waitFor('the second attempt', () => primary.partialResyncs === 1)
    primary.feed(writes(5000, 100))
    await fixture.applied(primary.offset)
    expect(fixture.swaps).toBe(1)
    expect(fixture.commands.length).toBe(4590)
    expectBacklogEquals(fixture, primary)
  })

  it('sends newlines to the primary while a slow load goes on', async () => {
    const primary = await startPrimary({ snapshot: Buffer.concat([emptyRdb(), Buffer.alloc(10_000)]) })
    const fixture = follow(primary, { loader: { takeBytes: 100, takeEveryMs: 25 }, config: { replTimeoutMs: 1000 } })
    await fixture.connected()
    expect(primary.sessions.length).toBe(1)
    expect(primary.sessions[0]!.newlines).toBeGreaterThanOrEqual(2)
  })

  it('starts in the database that the snapshot names', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary, { loader: { aux: [['repl-stream-db', '5']] } })
    await fixture.connected()
    primary.feed(encodeCommand('SET', 'a', '1'))
    await fixture.applied(primary.offset)
    expect(fixture.commands).toEqual(['5 SET a 1'])
  })

  it('keeps everything from before when the load fails, and continues partially afterwards', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary)
    await fixture.connected()
    primary.feed(writes(0, 100))
    await fixture.applied(primary.offset)
    const before = fixture.link.getStatus()
    // The primary wants a full resync once; its snapshot is bad.
    primary.scripted = { psync: [`+FULLRESYNC ${'b'.repeat(40)} 5`, 'auto', 'auto'] }
    fixture.loader.options = { failAtByte: 10 }
    primary.cutAll()
    await waitFor('the failed load', () => fixture.loader.loads.length === 2)
    await waitFor('the failure', () => fixture.link.getStatus().counters.failedAttempts === 1)
    expect(fixture.link.getStatus()).toMatchObject({ appliedOffset: before.appliedOffset, replid: before.replid })
    expect(fixture.log.some((line) => line.includes('Internal error in RDB reading offset 10'))).toBe(true)
    await fixture.connected()
    expect(fixture.swaps).toBe(1)
    expect(primary.partialResyncs).toBe(1)
    expectBacklogEquals(fixture, primary)
  })

  it.each([
    ['swapdb', true, 'socket', 0],
    ['swapdb', false, 'socket', 0],
    ['on-empty-db', true, 'socket', 0],
    ['on-empty-db', false, 'file', 0],
    ['disabled', true, 'file', 0],
    ['flush-before-load', false, 'socket', 1],
    ['flushdb', false, 'socket', 1],
  ] as const)('repl-diskless-load %s, empty %s: by %s', async (disklessLoad, isEmpty, way, drops) => {
    const primary = await startPrimary()
    const directory = mkdtempSync(join(tmpdir(), 'understudy-test-'))
    cleanups.push(() => rmSync(directory, { recursive: true }))
    const fixture = new LinkFixture({ config: { disklessLoad, directory } })
    cleanups.push(() => fixture.link.stop())
    fixture.isEmpty = isEmpty
    fixture.link.replicaOf('127.0.0.1', primary.port)
    await fixture.connected()
    const { file } = fixture.loader.loads[0]!.options
    expect(file === undefined ? undefined : dirname(file)).toBe(way === 'file' ? directory : undefined)
    expect(fixture.drops).toBe(drops)
  })
})

it('nothing goes on from data that were dropped first, whatever becomes of the snapshot', async () => {
  const primary = await startPrimary({ snapshotOffset: 500 })
  const fixture = follow(primary, { config: { disklessLoad: 'flush-before-load' } })
  await fixture.connected()
  primary.feed(writes(0, 20))
  await fixture.applied(primary.offset)
  const { history } = fixture.link
  const { replid, replOffset } = history
  primary.scripted = { psync: [`+FULLRESYNC ${'b'.repeat(40)} 5`, 'auto'] }
  fixture.loader.options = { failAtByte: 10 }
  primary.cutAll()
  await waitFor('the failure', () => fixture.link.getStatus().counters.failedAttempts === 1)
  expect(fixture.drops).toBe(2)
  expect(history.resumable).toBe(false)
  expect(history.isContinuation(replid, replOffset + 1)).toBe(false)
  expect(fixture.backlog.covers(replOffset)).toBe(false)
  expect(fixture.log.filter((line) => line.includes('The data from before are kept'))).toEqual([])
  fixture.loader.options = {}
  await fixture.connected()
  await fixture.applied(primary.offset)
  expect(primary.partialResyncs).toBe(0)
  expect(primary.sessions.at(-1)!.requests).toContain('PSYNC ? -1')
  expect(history.replid).toBe(replid)
})

describe('a lost link', () => {
  it('is tried again at once and continues from the applied offset, also out of an open MULTI', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary)
    await fixture.connected()
    primary.feed(Buffer.concat([encodeCommand('SELECT', '2'), encodeCommand('SET', 'a', '1')]))
    const whole = primary.offset
    primary.feed(Buffer.concat([encodeCommand('MULTI'), encodeCommand('SELECT', '7'), encodeCommand('SET', 'b', '2')]))
    await waitFor('all bytes', () => fixture.link.getStatus().receivedOffset === primary.offset)
    expect(fixture.link.getStatus().appliedOffset).toBe(whole)
    const started = performance.now()
    primary.cutAll()
    await waitFor('the partial resync', () => primary.partialResyncs === 1, { intervalMs: 1 })
    expect(performance.now() - started).toBeLessThan(500)
    expect(primary.sessions[1]!.requests).toContain(`PSYNC ${primary.replid} ${whole + 1}`)
    primary.feed(Buffer.concat([encodeCommand('EXEC'), encodeCommand('SET', 'c', '3')]))
    await fixture.applied(primary.offset)
    expect(fixture.commands).toEqual(['2 SET a 1', '7 SET c 3'])
    expect(fixture.groups).toEqual([['7 SET b 2']])
    expectBacklogEquals(fixture, primary)
  })

  it('cut at 120 random bytes of handshake, snapshot and stream: every command arrives exactly once', async () => {
    const random = new SeededRandom(20261120)
    const primary = await startPrimary({ framing: 'mark', snapshot: Buffer.concat([emptyRdb(), random.bytes(3000)]) })
    const fixture = follow(primary, { ports: { random: () => 1 } })
    let fed = 0
    for (let round = 0; round < 120; round++) {
      // A back-off of seconds is not what is tested here.
      if (fixture.link.state.name === 'connect') fixture.link.reconnect('the test does not wait')
      const phase = round < 6 ? 'snapshot' : round % 12 === 0 ? 'handshake' : 'stream'
      const range = { handshake: 30, snapshot: 3000, stream: 2000 }[phase]
      primary.misbehave({ phase, atByte: random.int(0, range), fault: round % 5 === 0 ? 'reset' : 'cut' })
      if (phase === 'handshake') primary.cutAll()
      const count = random.int(40, 60)
      primary.feed(writes(fed, count))
      fed += count
      await waitFor(
        `misbehaviour ${round}`,
        () => {
          if (fixture.link.state.name === 'connect') fixture.link.reconnect('the test does not wait')
          if (primary.pendingMisbehaviours === 0) return true
          if (primary.online !== undefined) {
            primary.feed(writes(fed, 10))
            fed += 10
          }
          return false
        },
        { intervalMs: 1 },
      )
    }
    await waitFor('the link', () => {
      if (fixture.link.state.name === 'connect') fixture.link.reconnect('the test does not wait')
      return fixture.link.state.name === 'connected'
    })
    await fixture.applied(primary.offset)
    expect(primary.fullResyncs).toBe(fixture.swaps + fixture.loader.loads.filter((load) => load.isAborted).length)
    expect(fixture.swaps).toBe(1)
    expect(primary.partialResyncs).toBeGreaterThan(80)
    const expected = Array.from({ length: fed }, (_, i) => i)
    expect(fixture.groups.map((group) => group[0])).toEqual(
      expected.filter((i) => i % 10 === 3).map((i) => `0 INCR n${i}`),
    )
    expect(fixture.commands).toEqual(
      expected.filter((i) => i % 10 !== 3).map((i) => `0 SET key:${i} value-${'v'.repeat(i % 40)}`),
    )
    expectBacklogEquals(fixture, primary)
  })

  it('applies what arrived whole before the end of the connection', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary)
    await fixture.connected()
    const bytes = writes(0, 20_000)
    primary.misbehave({ phase: 'stream', atByte: bytes.length - 3, fault: 'cut' })
    primary.feed(bytes)
    await waitFor('the loss', () => fixture.link.getStatus().counters.losses === 1)
    await fixture.applied(primary.offset)
    expect(fixture.commands.length).toBe(18_000)
    expect(primary.sessions.length).toBe(2)
  })

  it('a stream that says nonsense costs the history: full resync, and one line with the offset', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary)
    await fixture.connected()
    primary.feed(encodeCommand('SET', 'a', '1'))
    primary.misbehave({ phase: 'stream', atByte: primary.offset, fault: 'garbage' })
    primary.feed(encodeCommand('SET', 'b', '2'))
    await waitFor('a second full resync', () => primary.fullResyncs === 2, { timeoutMs: 5000 })
    const lines = fixture.log.filter((line) => line.includes('out of step'))
    expect(lines.length).toBe(1)
    expect(lines[0]).toMatch(/at byte 27/)
  })

  it('ends silence by repl-timeout in every phase and recovers', async () => {
    for (const phase of ['handshake', 'snapshot', 'stream'] as const) {
      const primary = await startPrimary({ snapshot: Buffer.concat([emptyRdb(), Buffer.alloc(5000)]) })
      primary.misbehave({ phase, atByte: phase === 'handshake' ? 12 : 1000, fault: 'stall' })
      const fixture = follow(primary, { config: { replTimeoutMs: 300 } })
      if (phase === 'stream') {
        await fixture.connected()
        primary.feed(writes(0, 100))
      }
      await waitFor(`time-out in ${phase}`, () => fixture.log.find((line) => /timeout/i.test(line)))
      expect(fixture.swaps).toBe(phase === 'stream' ? 1 : 0)
      await waitFor('a second session', () => primary.sessions.length >= 2 && primary.ackedOffset === primary.offset)
    }
  })

  it('is not lost because this thread was busy for longer than repl-timeout: what came meanwhile is read first', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary, { config: { replTimeoutMs: 1200 } })
    await fixture.connected()
    primary.feed(writes(0, 100))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
    await fixture.applied(primary.offset)
    expect(primary.sessions.length).toBe(1)
    expect(fixture.log.filter((line) => /timeout/i.test(line))).toEqual([])
    await waitFor('silence to be noticed all the same', () => fixture.log.find((line) => /timeout/i.test(line)))
  })

  it(
    'is what becomes of a primary that asks for acknowledgements without end and reads none',
    { timeout: 60_000 },
    async () => {
      const primary = await startPrimary()
      const fixture = follow(primary)
      await fixture.connected()
      primary.online!.socket.pause()
      const questions = Buffer.concat(Array<Buffer>(2000).fill(encodeCommand('REPLCONF', 'GETACK', '*')))
      // What the system keeps for the connection comes on top of what is kept here.
      for (let asked = 0; fixture.link.getStatus().counters.losses === 0; asked += questions.length) {
        expect(asked).toBeLessThan(256 << 20)
        primary.feed(questions)
        await waitFor('the questions to be read', () => {
          const { counters, appliedOffset } = fixture.link.getStatus()
          return counters.losses > 0 || appliedOffset === primary.offset
        })
      }
      const told = 'Connection with master lost. (the primary does not read what it is sent)'
      expect(fixture.log.filter((line) => line.endsWith(told))).toHaveLength(1)
      await fixture.connected()
    },
  )
})

describe('primaries that refuse', () => {
  it('a closed port: state, log, and back-off', async () => {
    const primary = await startPrimary()
    const { port } = primary
    await primary.stop()
    const fixture = follow(port)
    await waitFor('the refusal', () => fixture.link.getStatus().lastFailure !== '')
    expect(fixture.link.getStatus()).toMatchObject({ roleState: 'connect', isUp: false })
    expect(fixture.link.getStatus().lastFailure).toContain('Connection refused')
    expect(fixture.log.some((line) => line.startsWith('warning Error condition on socket for SYNC'))).toBe(true)
    expect(fixture.link.getStatus().counters.attempts).toBe(1)
  })

  it('something that is not Redis', async () => {
    const primary = await startPrimary({ scripted: { ping: 'HTTP/1.1 400 Bad Request' } })
    const fixture = follow(primary)
    await waitFor('the refusal', () => fixture.log.find((line) => line.includes('HTTP/1.1 400')))
  })

  it('-LOADING keeps the history; an old primary gets SYNC', async () => {
    const primary = await startPrimary({ scripted: { psync: ['-LOADING wait', "-ERR unknown command 'PSYNC'"] } })
    const fixture = follow(primary)
    await fixture.connected()
    expect(primary.sessions.map((session) => session.requests.at(-1))).toEqual(['PSYNC ? -1', 'SYNC'])
    primary.feed(writes(0, 10))
    await waitFor('the stream', () => fixture.commands.length === 9)
    expect(primary.ackedOffset).toBe(-1)
  })

  it('a wrong password, then the right one', async () => {
    const primary = await startPrimary({ user: 'u', password: 'p' })
    const fixture = follow(primary)
    const { handshake } = fixture.link.config
    handshake.user = 'u'
    handshake.password = 'no'
    await waitFor('the refusal', () =>
      fixture.log.find((line) => line.includes('Unable to AUTH to MASTER: -WRONGPASS')),
    )
    handshake.password = 'p'
    fixture.link.reconnect('masterauth was changed')
    await fixture.connected()
  })

  it('NO ONE and another target while a snapshot is on its way', async () => {
    const primary = await startPrimary({ snapshot: Buffer.concat([emptyRdb(), Buffer.alloc(100_000)]) })
    primary.misbehave({ phase: 'snapshot', atByte: 50_000, fault: 'stall' })
    const fixture = follow(primary)
    await waitFor('half of it', () => (fixture.link.getStatus().sync?.receivedBytes ?? 0) > 40_000)
    expect(fixture.link.getStatus().sync?.totalBytes).toBe(100_018)
    expect(fixture.link.replicaOf('127.0.0.1', primary.port)).toBe('same')
    expect(fixture.link.replicaOfNoOne('tester')).toBe(true)
    expect(fixture.loader.loads[0]!.isAborted).toBe(true)
    expect(fixture.link.getStatus()).toMatchObject({ roleState: 'none', sync: undefined, host: undefined })
    const other = await startPrimary()
    fixture.link.replicaOf('127.0.0.1', other.port, 'tester')
    await fixture.connected()
    expect(fixture.swaps).toBe(1)
  })
})

describe('giving way', () => {
  it('others get their turn while a long stream is applied', async () => {
    const primary = await startPrimary()
    const fixture = follow(primary)
    await fixture.connected()
    const bytes = writes(0, 150_000)
    // On the processor: how long the process has to wait for one is not the link's doing.
    let longestMs = 0
    let turn = new CpuTime()
    const timer = setInterval(() => {
      longestMs = Math.max(longestMs, turn.ms)
      turn = new CpuTime()
    }, 1)
    primary.feed(bytes)
    await fixture.applied(primary.offset, 20_000)
    clearInterval(timer)
    expect(fixture.commands.length).toBe(135_000)
    expect(longestMs).toBeLessThan(200)
  })
})
