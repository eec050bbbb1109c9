import { ReplicationHistory, type SnapshotPosition } from '@understudy/core/internal'
import {
  type GrantedResync,
  judgeResync,
  type ReplicaAction,
  ReplicaMachine,
  type ResyncVerdict,
} from '@understudy/net/internal'
import { expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'

const REPLID = 'a'.repeat(40)
const POSITION: SnapshotPosition = { replid: REPLID, offset: 500, db: 3 }
const FULL: GrantedResync = { kind: 'full', isRefusal: false, reason: 'asked for' }
const TIMES = { timeoutMs: 60_000 }
const END_MARK: Uint8Array = Buffer.from('e'.repeat(40))

/** A machine, a clock, and everything it ordered, without the log. */
class Bench {
  readonly clock = new FakeClock()
  readonly machine = new ReplicaMachine(() => 'replica:1')
  readonly log: string[] = []
  readonly states: string[] = []

  get nowMs(): number {
    return this.clock.monotonicMs()
  }

  take(): ReplicaAction[] {
    this.states.push(this.machine.state.name)
    const actions = this.machine.takeActions()
    for (const action of actions) if (action.do === 'log') this.log.push(action.text)
    return actions.filter((action) => action.do !== 'log')
  }

  full(): void {
    this.machine.psync({ replid: '?', offset: -1 }, FULL, REPLID, this.nowMs)
    this.take()
    this.machine.snapshotBegun(POSITION)
    this.take()
  }

  tick(afterMs: number, heldUpMs = 0, heardAtMs = 0): ReplicaAction[] {
    this.clock.advance(afterMs)
    this.machine.tick(this.nowMs, TIMES, heardAtMs, heldUpMs)
    return this.take()
  }
}

it('a partial resync: held, answered and streamed in this order; the id only for who takes it', () => {
  for (const takesNewReplid of [true, false]) {
    const bench = new Bench()
    bench.machine.introduction.takesNewReplid = takesNewReplid
    bench.machine.psync({ replid: REPLID, offset: 77 }, { kind: 'partial' }, REPLID, bench.nowMs)
    expect(bench.take()).toEqual([
      { do: 'hold', offset: 77 },
      { do: 'send', text: takesNewReplid ? `+CONTINUE ${REPLID}\r\n` : '+CONTINUE\r\n' },
      { do: 'stream' },
    ])
    expect(bench.machine.isOnline).toBe(true)
  }
})

it('a counted snapshot: the stream follows at once', () => {
  const bench = new Bench()
  bench.machine.psync({ replid: '?', offset: -1 }, FULL, REPLID, bench.nowMs)
  expect(bench.take()).toEqual([])
  bench.machine.snapshotBegun(POSITION)
  expect(bench.take()).toEqual([
    { do: 'hold', offset: 501 },
    { do: 'send', text: `+FULLRESYNC ${REPLID} 500\r\n` },
  ])
  bench.machine.snapshotReady({ kind: 'length', byteLength: 1234 }, bench.nowMs)
  expect(bench.take()).toEqual([{ do: 'send', text: '$1234\r\n' }])
  bench.machine.snapshotSent(bench.nowMs)
  expect(bench.take()).toEqual([{ do: 'stream' }])
  expect(bench.states).toEqual(['awaiting', 'making', 'receiving', 'online'])
})

it('a snapshot with an end mark: nothing of the stream before the first ACK', () => {
  const bench = new Bench()
  bench.full()
  bench.machine.snapshotReady({ kind: 'mark', endMark: END_MARK }, bench.nowMs)
  expect(bench.take()).toEqual([{ do: 'send', text: `$EOF:${'e'.repeat(40)}\r\n` }])
  bench.machine.snapshotSent(bench.nowMs)
  expect(bench.take()).toEqual([])
  expect(bench.machine.state.name).toBe('awaiting-ack')
  bench.machine.acknowledged(500, bench.nowMs)
  expect(bench.take()).toEqual([{ do: 'stream' }])
  expect(bench.machine.ackOffset).toBe(500)
  bench.machine.acknowledged(400, bench.nowMs)
  expect(bench.machine.ackOffset).toBe(500)
})

it('SYNC: no +FULLRESYNC, and no ACK is waited for', () => {
  const bench = new Bench()
  bench.machine.sync(bench.nowMs)
  bench.machine.snapshotBegun(POSITION)
  expect(bench.take()).toEqual([{ do: 'hold', offset: 501 }])
  bench.machine.snapshotReady({ kind: 'length', byteLength: 5 }, bench.nowMs)
  bench.machine.snapshotSent(bench.nowMs)
  bench.take()
  expect(bench.tick(10 * TIMES.timeoutMs)).toEqual([])
  expect(bench.machine.state.name).toBe('online')
})

it('rdb-only: nothing of the stream is kept for it, and it is closed when everything was sent', () => {
  const bench = new Bench()
  bench.machine.introduction.rdbOnly = true
  bench.machine.psync({ replid: '?', offset: -1 }, FULL, REPLID, bench.nowMs)
  bench.machine.snapshotBegun(POSITION)
  expect(bench.take()).toEqual([{ do: 'send', text: `+FULLRESYNC ${REPLID} 500\r\n` }])
  bench.machine.snapshotReady({ kind: 'mark', endMark: END_MARK }, bench.nowMs)
  bench.take()
  bench.machine.snapshotSent(bench.nowMs)
  expect(bench.take()).toEqual([{ do: 'close', isGraceful: true }])
})

it('newlines while it waits for a snapshot, none afterwards', () => {
  const bench = new Bench()
  bench.machine.psync({ replid: '?', offset: -1 }, FULL, REPLID, bench.nowMs)
  bench.take()
  expect(bench.tick(999)).toEqual([])
  expect(bench.tick(1)).toEqual([{ do: 'send', text: '\n' }])
  bench.machine.snapshotBegun(POSITION)
  bench.take()
  expect(bench.tick(1000)).toEqual([{ do: 'send', text: '\n' }])
  bench.machine.snapshotReady({ kind: 'length', byteLength: 1 }, bench.nowMs)
  bench.take()
  expect(bench.tick(30_000)).toEqual([])
  bench.machine.snapshotSent(bench.nowMs)
  bench.take()
  expect(bench.tick(30_000)).toEqual([])
})

it('dropped: a snapshot that is not taken, or for which others wait, and a stream without ACKs', () => {
  const bench = new Bench()
  bench.full()
  bench.machine.snapshotReady({ kind: 'length', byteLength: 1 }, bench.nowMs)
  bench.take()
  bench.clock.advance(59_000)
  bench.machine.snapshotMoved(bench.nowMs, 0)
  expect(bench.tick(59_000)).toEqual([])
  expect(bench.tick(2_000)).toEqual([{ do: 'close', isGraceful: false }])
  expect(bench.log.at(-1)).toContain('full sync')

  const streaming = new Bench()
  streaming.machine.psync({ replid: REPLID, offset: 1 }, { kind: 'partial' }, REPLID, streaming.nowMs)
  streaming.take()
  expect(streaming.tick(60_000)).toEqual([])
  streaming.machine.acknowledged(Number.NaN, streaming.nowMs)
  expect(streaming.tick(60_000)).toEqual([])
  expect(streaming.tick(1)).toEqual([{ do: 'close', isGraceful: false }])
  expect(streaming.log.at(-1)).toContain('streaming sync')
})

it('who loads a snapshot for longer than the time-out is kept: newlines come, and no ACK', () => {
  const bench = new Bench()
  bench.full()
  bench.machine.snapshotReady({ kind: 'length', byteLength: 1 }, bench.nowMs)
  bench.machine.snapshotSent(bench.nowMs)
  bench.take()
  for (let seconds = 0; seconds < 300; seconds++) expect(bench.tick(1000, 0, bench.nowMs)).toEqual([])
  const heardAtMs = bench.nowMs
  expect(bench.tick(60_000, 0, heardAtMs)).toEqual([])
  expect(bench.tick(1, 0, heardAtMs)).toEqual([{ do: 'close', isGraceful: false }])
})

it('dropped: who holds up others for half of the time-out with one piece, or for half of the time', () => {
  const receive = (): Bench => {
    const bench = new Bench()
    bench.full()
    bench.machine.snapshotReady({ kind: 'mark', endMark: END_MARK }, bench.nowMs)
    bench.take()
    return bench
  }
  const stopped = receive()
  stopped.clock.advance(500_000)
  stopped.machine.snapshotMoved(stopped.nowMs, 20_000)
  stopped.clock.advance(30_000)
  expect(stopped.tick(0, 50_000)).toEqual([])
  expect(stopped.tick(0, 50_001)).toEqual([{ do: 'close', isGraceful: false }])
  expect(stopped.log.at(-1)).toContain('others waited 50.0 seconds')

  // A slow one, that takes a piece every second; and one that is nearly as fast as the others.
  for (const [share, drops] of [
    [0.6, true],
    [0.4, false],
  ] as const) {
    const slow = receive()
    const dropped: ReplicaAction[] = []
    let seconds = 0
    for (; seconds < 3600 && dropped.length === 0; seconds++) {
      slow.machine.snapshotMoved(slow.nowMs, seconds * 1000 * share)
      dropped.push(...slow.tick(1000, (seconds + 1) * 1000 * share))
    }
    expect(dropped).toHaveLength(drops ? 1 : 0)
    expect(seconds).toBe(drops ? 51 : 3600)
  }
})

it('a failed snapshot closes the connection, once; what comes later changes nothing', () => {
  const bench = new Bench()
  bench.full()
  bench.machine.snapshotFailed('the disk is full')
  expect(bench.take()).toEqual([{ do: 'close', isGraceful: false }])
  expect(bench.log.at(-1)).toContain('the disk is full')
  bench.machine.snapshotReady({ kind: 'length', byteLength: 1 }, bench.nowMs)
  bench.machine.snapshotSent(bench.nowMs)
  bench.machine.acknowledged(1, bench.nowMs)
  bench.machine.close(true)
  expect(bench.tick(100_000)).toEqual([])
})

it('what a partial resync is refused for is told with both values', () => {
  const history = new ReplicationHistory(REPLID)
  history.replOffset = 1000
  const backlog = {
    firstByteOffset: 600,
    endOffset: 1000,
    covers: (offset: number): boolean => offset >= 600 && offset <= 1001,
  }
  const judge = (replid: string, offset: number, window: typeof backlog | undefined = backlog): ResyncVerdict =>
    judgeResync({ replid, offset }, { history, backlog: window, isFollowing: false }, 'replica:1')
  expect(judge(REPLID, 600)).toEqual({ kind: 'partial' })
  expect(judge(REPLID.toUpperCase(), 1001)).toEqual({ kind: 'partial' })
  expect(judge('?', -1)).toMatchObject({ kind: 'full', isRefusal: false })
  expect(judge(REPLID, 599)).toMatchObject({
    isRefusal: true,
    reason: expect.stringContaining('599, the backlog holds 600 to 1000'),
  })
  expect(judge(REPLID, 1002)).toMatchObject({ reason: expect.stringContaining('ahead of this node, which is at 1000') })
  expect(judge(REPLID, -5)).toMatchObject({ kind: 'full', isRefusal: true })
  const none = { history, backlog: undefined, isFollowing: false }
  expect(judgeResync({ replid: REPLID, offset: 700 }, none, 'r')).toMatchObject({
    reason: expect.stringContaining('the backlog is none'),
  })
  const other = judge('b'.repeat(40), 700)
  expect(other).toMatchObject({ isRefusal: true, reason: expect.stringContaining(REPLID) })
  expect(other).toMatchObject({ reason: expect.stringContaining('b'.repeat(40)) })
  // After a promotion the old id is good up to where it ended.
  history.becomePrimary()
  history.replOffset = 1200
  const wide = { firstByteOffset: 600, endOffset: 1200, covers: (): boolean => true }
  const source = { history, backlog: wide, isFollowing: false }
  expect(judgeResync({ replid: REPLID, offset: 1001 }, source, 'r')).toEqual({ kind: 'partial' })
  expect(judgeResync({ replid: REPLID, offset: 1002 }, source, 'r')).toMatchObject({
    isRefusal: true,
    reason: expect.stringContaining('was 1002, but I can reply up to 1001'),
  })
})

it('a replica ahead of a node that follows is to come back, under the id of now only', () => {
  const history = new ReplicationHistory(REPLID)
  history.replOffset = 1000
  const backlog = { firstByteOffset: 600, endOffset: 1000, covers: (offset: number): boolean => offset <= 1001 }
  const judge = (offset: number): ResyncVerdict =>
    judgeResync({ replid: REPLID, offset }, { history, backlog, isFollowing: true }, 'replica:1')
  expect(judge(1001)).toEqual({ kind: 'partial' })
  expect(judge(1002)).toEqual({
    kind: 'later',
    reason: expect.stringContaining(
      'asks for byte 1002 of the stream; the replica is ahead of this node, which is at 1000',
    ),
  })
  // Of an id that ended nothing more comes.
  history.adoptContinuedId('b'.repeat(40))
  expect(judge(1001)).toEqual({ kind: 'partial' })
  expect(judge(1002)).toMatchObject({ kind: 'full', isRefusal: true })
})
