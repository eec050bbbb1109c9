import {
  DEFAULT_HANDSHAKE,
  type HandshakeOptions,
  LinkMachine,
  REPLID_NONE,
  RdbError,
  ReplicationHistory,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { encodeCommand } from '../../support/raw-client.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cuttings } from '../../support/short-reads.ts'

const OWN = '0123456789'.repeat(4)
const THEIRS = 'f'.repeat(40)
const OTHER = 'e'.repeat(40)

/** A machine whose transport is two lists: what it sent, and what it asked for. */
class Bench {
  readonly clock = new FakeClock({ monotonicMs: 1000 })
  readonly history = new ReplicationHistory(OWN)
  readonly states: string[] = []
  readonly actions: string[] = []
  readonly log: string[] = []
  sent = ''
  handshake: HandshakeOptions = { ...DEFAULT_HANDSHAKE, listeningPort: 7001 }
  readonly machine: LinkMachine

  constructor() {
    this.machine = new LinkMachine({
      history: this.history,
      handshake: () => this.handshake,
      timeoutMs: () => 60_000,
      random: () => 0,
      onState: (name) => this.states.push(name),
    })
  }

  get now(): number {
    return this.clock.monotonicMs()
  }

  settle(): this {
    for (const action of this.machine.takeActions()) {
      if (action.do === 'send') this.sent += Buffer.from(action.bytes).toString('latin1')
      else if (action.do === 'log') this.log.push(`${action.level} ${action.text}`)
      else if (action.do === 'connect') this.actions.push(`connect ${action.host}:${action.port}`)
      else if (action.do === 'handed-over') this.actions.push(`handed-over ${action.accepted ? 'accepted' : 'refused'}`)
      else this.actions.push(action.do)
    }
    return this
  }

  /** Follows primary:6379 and connects. */
  connect(): this {
    this.machine.replicaOf('primary', 6379, this.now)
    this.machine.connectionMade(this.now)
    return this.settle()
  }

  /** The primary says this; returns how much was not taken. */
  hears(text: string): number {
    const bytes = Buffer.from(text, 'latin1')
    const rest = bytes.length - this.machine.received(bytes, 0, bytes.length, this.now)
    this.settle()
    return rest
  }

  tick(ms: number): this {
    this.clock.advance(ms)
    this.machine.tick(this.now)
    return this.settle()
  }

  takeSent(): string {
    const { sent } = this
    this.sent = ''
    return sent
  }
}

const request = (...args: string[]): string => encodeCommand(...args).toString('latin1')
const INTRODUCTION =
  request('REPLCONF', 'listening-port', '7001') + request('REPLCONF', 'capa', 'eof', 'capa', 'psync2')

function upToPsync(bench: Bench): void {
  bench.connect().hears('+PONG\r\n+OK\r\n+OK\r\n')
}

function connected(): Bench {
  const bench = new Bench()
  upToPsync(bench)
  bench.hears(`+FULLRESYNC ${THEIRS} 500\r\n$18\r\n`)
  bench.machine.snapshotReceived(bench.now)
  bench.machine.snapshotLoaded(bench.now)
  bench.settle()
  return bench
}

describe('handshake', () => {
  it('says these bytes, in these states, and no more than one write after the PONG', () => {
    const bench = new Bench()
    bench.connect()
    expect(bench.takeSent()).toBe(request('PING'))
    bench.hears('+PONG\r\n')
    expect(bench.takeSent()).toBe(INTRODUCTION)
    bench.hears('+OK\r\n')
    expect(bench.takeSent()).toBe('')
    bench.hears('+OK\r\n')
    expect(bench.takeSent()).toBe(request('PSYNC', '?', '-1'))
    bench.hears(`\n+FULLRESYNC ${THEIRS} 500\r\n`)
    bench.hears('\n\n')
    expect(bench.hears('$18\r\nREDIS')).toBe(5)
    expect(bench.actions).toEqual(['connect primary:6379', 'begin-full-sync'])
    bench.machine.snapshotReceived(bench.now)
    expect(bench.history.replid).toBe(OWN)
    bench.machine.snapshotLoaded(bench.now)
    bench.settle()
    expect(bench.history.toRecord()).toEqual({
      replid: THEIRS,
      replid2: REPLID_NONE,
      secondReplOffset: -1,
      replOffset: 500,
    })
    expect(bench.takeSent()).toBe(request('REPLCONF', 'ACK', '500'))
    expect(bench.states).toEqual([
      'connect',
      'connecting',
      'awaiting-pong',
      'awaiting-replies',
      'awaiting-replies',
      'awaiting-psync',
      'awaiting-snapshot',
      'receiving',
      'loading',
      'connected',
    ])
  })

  it('sends AUTH with and without a user, the announced address, a version, and renamed commands', () => {
    const bench = new Bench()
    bench.handshake = { ...bench.handshake, password: Buffer.from([0xff, 0x00, 0x0d]), announceIp: '10.1.2.3' }
    bench.connect().hears('-NOAUTH Authentication required.\r\n')
    expect(bench.takeSent()).toBe(
      request('PING') +
        '*2\r\n$4\r\nAUTH\r\n$3\r\n\xff\x00\r\r\n' +
        request('REPLCONF', 'listening-port', '7001') +
        request('REPLCONF', 'ip-address', '10.1.2.3') +
        request('REPLCONF', 'capa', 'eof', 'capa', 'psync2'),
    )
    const other = new Bench()
    const { handshake } = other
    other.handshake = { ...handshake, user: 'u', password: 'p', version: '8.0.0', psync: 'PX', replconf: 'RX' }
    other.connect().hears('+PONG\r\n')
    expect(other.takeSent()).toBe(
      request('PING') +
        request('AUTH', 'u', 'p') +
        request('RX', 'listening-port', '7001') +
        request('RX', 'capa', 'eof', 'capa', 'psync2') +
        request('RX', 'version', '8.0.0'),
    )
    other.hears('+OK\r\n+OK\r\n+OK\r\n-ERR unknown\r\n')
    expect(other.takeSent()).toBe(request('PX', '?', '-1'))
    other.hears(`+FULLRESYNC ${THEIRS} 3\r\n$0\r\n`)
    other.machine.snapshotLoaded(other.now)
    other.settle()
    expect(other.takeSent()).toBe(request('RX', 'ACK', '3'))
  })

  it.each(['+PONG', '-NOAUTH x', '-NOPERM x', '-ERR operation not permitted'])('goes on after %s', (reply) => {
    const bench = new Bench()
    bench.connect().hears(`${reply}\r\n`)
    expect(bench.machine.state.name).toBe('awaiting-replies')
  })

  it.each(['-ERR other', '-LOADING x', ':1', '$4', 'HTTP/1.1 400 Bad Request', ''])('fails after %j', (reply) => {
    const bench = new Bench()
    bench.connect().hears(`${reply}\r\n`)
    expect(bench.machine.state).toEqual({ name: 'connect', tryAtMs: bench.now + 1000 })
    expect(bench.log.at(-1)).toBe(`warning Error reply to PING from master: '${reply}'`)
    expect(bench.actions.at(-1)).toBe('close')
  })

  it('fails on a refused password and names the reply; a refused REPLCONF is only logged', () => {
    const bench = new Bench()
    bench.handshake = { ...bench.handshake, password: 'wrong' }
    bench.connect().hears('+PONG\r\n-WRONGPASS invalid username-password pair\r\n')
    expect(bench.machine.state.name).toBe('connect')
    expect(bench.log.at(-1)).toBe('warning Unable to AUTH to MASTER: -WRONGPASS invalid username-password pair')
    const other = new Bench()
    other.connect().hears('+PONG\r\n-ERR a\r\n-ERR b\r\n')
    expect(other.machine.state.name).toBe('awaiting-psync')
    expect(other.log.filter((line) => line.includes('(Non critical)'))).toEqual([
      'notice (Non critical) Master does not understand REPLCONF listening-port: -ERR a',
      'notice (Non critical) Master does not understand REPLCONF capa: -ERR b',
    ])
  })

  it('gives up on a reply without an end, and on one that is no reply', () => {
    const bench = new Bench()
    bench.connect().hears('x'.repeat(5000))
    expect(bench.machine.state.name).toBe('connect')
    expect(bench.log.at(-1)).toContain('no end within 1024 bytes')
    const other = new Bench()
    other.connect().hears('+PONG\r\n:5\r\n')
    expect(other.machine.state.name).toBe('connect')
    expect(other.log.at(-1)).toContain("Unexpected reply to the handshake (listening-port) from master: ':5'")
  })

  it('shows control characters of a hostile reply as escapes', () => {
    const bench = new Bench()
    bench.connect().hears('-ERR \x1b[2J\x07\r\n')
    expect(bench.log.at(-1)).toBe("warning Error reply to PING from master: '-ERR \\x1b[2J\\x07'")
  })
})

describe('PSYNC', () => {
  it('asks for a partial resync with replid and offset + 1, and goes on in the stream', () => {
    const bench = connected()
    bench.history.replOffset = 777
    bench.machine.connectionLost(bench.now, 'gone')
    bench.settle()
    expect(bench.actions.slice(-3)).toEqual(['forget-unapplied', 'close', 'connect primary:6379'])
    bench.machine.connectionMade(bench.now)
    bench.settle()
    bench.takeSent()
    bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    expect(bench.takeSent()).toBe(INTRODUCTION + request('PSYNC', THEIRS, '778'))
    expect(bench.hears('+CONTINUE\r\n*1\r\n$4\r\nPING\r\n')).toBe(14)
    expect(bench.machine.state.name).toBe('connected')
    expect(bench.takeSent()).toBe(request('REPLCONF', 'ACK', '777'))
    expect(bench.history.replid).toBe(THEIRS)
    expect(bench.actions).not.toContain('history-changed')
    expect(bench.machine.counters).toMatchObject({ partialResyncs: 1, losses: 1, failedAttempts: 0, attempts: 2 })
  })

  it('takes a new id over with +CONTINUE and keeps the old one up to here', () => {
    const bench = connected()
    bench.history.replOffset = 777
    bench.machine.connectionLost(bench.now, 'gone')
    bench.machine.connectionMade(bench.now)
    bench.hears(`+PONG\r\n+OK\r\n+OK\r\n+CONTINUE ${OTHER}\r\n`)
    expect(bench.history.toRecord()).toEqual({
      replid: OTHER,
      replid2: THEIRS,
      secondReplOffset: 778,
      replOffset: 777,
    })
    expect(bench.actions).toContain('history-changed')
    expect(bench.history.isContinuation(THEIRS, 778)).toBe(true)
    expect(bench.history.isContinuation(THEIRS, 779)).toBe(false)
  })

  it.each(['-NOMASTERLINK x', '-LOADING x'])('comes back later after %s, with its history', (reply) => {
    const bench = connected()
    bench.machine.connectionLost(bench.now, 'gone')
    bench.machine.connectionMade(bench.now)
    bench.hears(`+PONG\r\n+OK\r\n+OK\r\n${reply}\r\n`)
    expect(bench.machine.state).toEqual({ name: 'connect', tryAtMs: bench.now + 1000 })
    expect(bench.history.resumable).toBe(true)
    bench.tick(1000)
    expect(bench.machine.state.name).toBe('connecting')
  })

  it('falls back to SYNC, and then sends no ACK and asks for no partial resync', () => {
    const bench = new Bench()
    upToPsync(bench)
    bench.takeSent()
    bench.hears("-ERR unknown command 'PSYNC'\r\n")
    expect(bench.takeSent()).toBe('SYNC\r\n')
    bench.hears('\n$18\r\n')
    bench.machine.snapshotLoaded(bench.now)
    bench.settle()
    expect(bench.history.resumable).toBe(false)
    expect(bench.tick(5000).takeSent()).toBe('')
    bench.machine.connectionLost(bench.now, 'gone')
    bench.machine.connectionMade(bench.now)
    bench.settle().takeSent()
    bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    expect(bench.sent.endsWith(request('PSYNC', '?', '-1'))).toBe(true)
  })

  it('falls back to SYNC, and sends one ACK when the snapshot came without a length: the primary waits for it', () => {
    const bench = new Bench()
    upToPsync(bench)
    bench.takeSent()
    bench.hears("-ERR unknown command 'PSYNC'\r\n")
    bench.takeSent()
    bench.hears(`\n$EOF:${'e'.repeat(40)}\r\n`)
    bench.machine.snapshotLoaded(bench.now)
    bench.settle()
    expect(bench.takeSent()).toBe(request('REPLCONF', 'ACK', '0'))
    expect(bench.tick(5000).takeSent()).toBe('')
  })

  it.each([
    '+FULLRESYNC',
    `+FULLRESYNC ${THEIRS}`,
    `+FULLRESYNC ${THEIRS} x`,
    '+FULLRESYNC short 5',
    `+FULLRESYNC ${THEIRS} 99999999999999999999`,
    `+FULLRESYNC ${REPLID_NONE} 5`,
  ])('asks for nothing more of the history behind the malformed %j', (reply) => {
    const bench = new Bench()
    upToPsync(bench)
    bench.hears(`${reply}\r\n$18\r\n`)
    expect(bench.machine.state.name).toBe('receiving')
    bench.machine.snapshotLoaded(bench.now)
    expect([THEIRS, REPLID_NONE]).not.toContain(bench.history.replid)
    expect(bench.history.resumable).toBe(false)
  })

  it('does not believe +CONTINUE when it has no history', () => {
    const bench = new Bench()
    upToPsync(bench)
    bench.hears('+CONTINUE\r\n')
    expect(bench.machine.state.name).toBe('connect')
    expect(bench.actions).not.toContain('resume-stream')
  })
})

describe('the snapshot', () => {
  it.each([
    ['-ERR no disk', 'MASTER aborted replication with an error: ERR no disk'],
    ['REDIS0010', "the first byte is not '$' (we received 'REDIS0010')"],
    ['$-1', "the first byte is not '$'"],
    ['$12x', "the first byte is not '$'"],
    ['$99999999999999999', "the first byte is not '$'"],
    ['$EOF:short', "the first byte is not '$'"],
  ])('refuses the header %j', (header, message) => {
    const bench = new Bench()
    upToPsync(bench)
    bench.hears(`+FULLRESYNC ${THEIRS} 5\r\n\n${header}\r\n`)
    expect(bench.machine.state.name).toBe('connect')
    expect(bench.log.at(-1)).toContain(message)
    expect(bench.history.replid).toBe(OWN)
  })

  it('knows the end mark', () => {
    const bench = new Bench()
    upToPsync(bench)
    const mark = 'abcdefgh'.repeat(5)
    bench.hears(`+FULLRESYNC ${THEIRS} 5\r\n$EOF:${mark}\r\n`)
    expect(bench.machine.state).toMatchObject({
      name: 'receiving',
      framing: { kind: 'mark', endMark: Buffer.from(mark) },
    })
  })

  it('leaves replid, offset and the right to a partial resync untouched when a load fails', () => {
    const bench = connected()
    bench.history.replOffset = 600
    const before = bench.history.toRecord()
    bench.machine.connectionLost(bench.now, 'gone')
    bench.machine.connectionMade(bench.now)
    bench.hears(`+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC ${OTHER} 9000\r\n$18\r\n`)
    bench.machine.snapshotFailed(bench.now, new RdbError('RDB_BAD_TYPE', 'unknown value type 99', 1234, 99, 'k'))
    bench.settle()
    expect(bench.history.toRecord()).toEqual(before)
    expect(bench.log.some((line) => line.includes('Internal error in RDB reading offset 1234'))).toBe(true)
    expect(bench.actions.slice(-2)).toEqual(['abort-full-sync', 'close'])
    bench.tick(1000)
    bench.machine.connectionMade(bench.now)
    bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    expect(bench.sent.endsWith(request('PSYNC', THEIRS, '601'))).toBe(true)
  })
})

describe('however the bytes arrive', () => {
  it('goes through the same states and leaves the same rest', () => {
    const mark = 'abcdefgh'.repeat(5)
    const heads = [
      `+PONG\r\n+OK\r\n-ERR x\r\n\n+FULLRESYNC ${THEIRS} 12\r\n\n\n$EOF:${mark}\r\n`,
      '+PONG\r\n+OK\r\n+OK\r\n-ERR unknown\r\n\n$18\r\n',
    ]
    for (const head of heads) {
      const whole = new Bench()
      whole.connect()
      expect(whole.hears(`${head}REDIS`)).toBe(5)
      for (const cutting of cuttings(Buffer.from(`${head}REDIS`), { seed: 5 })) {
        const bench = new Bench()
        bench.connect()
        let rest = 0
        for (const piece of cutting.pieces) {
          const behind = bench.machine.received(piece, 0, piece.length, bench.now)
          rest += piece.length - behind
          bench.settle()
        }
        expect(rest, cutting.name).toBe(5)
        expect(bench.states).toEqual(whole.states)
        expect(bench.sent).toBe(whole.sent)
      }
    }
  })

  it('survives any bytes at all', () => {
    const random = new SeededRandom(99)
    for (let round = 0; round < 500; round++) {
      const bench = new Bench()
      bench.connect()
      const text = `+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC ${THEIRS} 12\r\n$18\r\n`
      const bytes = Buffer.from(text)
      for (let i = 0; i < 3; i++) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
      bench.hears(bytes.toString('latin1'))
      bench.tick(61_000)
      bench.tick(11_000)
      expect(['connecting', 'connect', 'receiving']).toContain(bench.machine.state.name)
    }
  })
})

describe('time', () => {
  it.each(['connecting', 'awaiting-pong', 'awaiting-replies', 'awaiting-psync'])('ends %s by repl-timeout', (name) => {
    const bench = new Bench()
    bench.machine.replicaOf('primary', 6379, bench.now)
    if (name !== 'connecting') bench.machine.connectionMade(bench.now)
    if (name === 'awaiting-replies') bench.hears('+PONG\r\n')
    if (name === 'awaiting-psync') bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    bench.settle()
    expect(bench.machine.state.name).toBe(name)
    bench.tick(60_000)
    expect(bench.machine.state.name).toBe(name)
    bench.tick(1)
    expect(bench.machine.state.name).toBe('connect')
    expect(bench.log.at(-1)).toBe('warning Timeout connecting to the MASTER...')
  })

  it('ends a transfer without bytes, but not one with newlines or bytes', () => {
    const bench = new Bench()
    upToPsync(bench)
    bench.tick(50_000).hears('\n')
    bench.tick(50_000).hears(`+FULLRESYNC ${THEIRS} 5\r\n`)
    bench.tick(50_000).hears('\n')
    bench.tick(50_000).hears('$18\r\n')
    bench.tick(50_000)
    bench.machine.noteIo(bench.now)
    bench.tick(60_000)
    expect(bench.machine.state.name).toBe('receiving')
    bench.tick(1)
    expect(bench.machine.state.name).toBe('connect')
    expect(bench.log.at(-1)).toContain('Timeout receiving bulk data from MASTER...')
    expect(bench.actions.slice(-2)).toEqual(['abort-full-sync', 'close'])
  })

  it('sends a newline each second while it receives and loads, and never times a load out', () => {
    const bench = new Bench()
    upToPsync(bench)
    bench.hears(`+FULLRESYNC ${THEIRS} 5\r\n$18\r\n`)
    bench.takeSent()
    for (let i = 0; i < 30; i++) bench.tick(100)
    expect(bench.takeSent()).toBe('\n\n\n')
    bench.machine.snapshotReceived(bench.now)
    for (let i = 0; i < 1000; i++) bench.tick(100)
    expect(bench.takeSent()).toBe('\n'.repeat(100))
    expect(bench.machine.state.name).toBe('loading')
  })

  it('sends an ACK each second, at once when asked, and drops a silent link but keeps its history', () => {
    const bench = connected()
    bench.takeSent()
    bench.history.replOffset = 510
    for (let i = 0; i < 9; i++) bench.tick(100)
    expect(bench.takeSent()).toBe('')
    bench.tick(100)
    expect(bench.takeSent()).toBe(request('REPLCONF', 'ACK', '510'))
    bench.machine.getAck(505, bench.now)
    expect(bench.settle().takeSent()).toBe(request('REPLCONF', 'ACK', '505'))
    bench.tick(59_000)
    expect(bench.machine.state.name).toBe('connected')
    bench.tick(1)
    expect(bench.machine.state.name).toBe('connecting')
    expect(bench.log).toContain('warning MASTER timeout: no data nor PING received...')
    expect(bench.history.resumable).toBe(true)
  })

  it('waits 1, 2, 4, 8, 10, 10 s after failures, not at all after a loss, and begins anew after a success', () => {
    const bench = new Bench()
    bench.machine.replicaOf('primary', 6379, bench.now)
    const waits: number[] = []
    for (let i = 0; i < 6; i++) {
      bench.machine.connectionLost(bench.now, 'Connection refused')
      const { state } = bench.machine
      waits.push(state.name === 'connect' ? state.tryAtMs - bench.now : -1)
      bench.tick(10_000)
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
    bench.machine.connectionMade(bench.now)
    bench.hears(`+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC ${THEIRS} 5\r\n$0\r\n`)
    bench.machine.snapshotLoaded(bench.now)
    bench.tick(5000)
    bench.machine.connectionLost(bench.now, 'gone')
    expect(bench.machine.state.name).toBe('connecting')
    bench.machine.connectionLost(bench.now, 'Connection refused')
    expect(bench.machine.state).toEqual({ name: 'connect', tryAtMs: bench.now + 1000 })
  })

  it('does not run in circles with a primary that takes it and drops it again and again', () => {
    const bench = connected()
    let atOnce = 0
    for (let i = 0; i < 20; i++) {
      bench.machine.connectionLost(bench.now, 'gone')
      if (bench.machine.state.name === 'connecting') atOnce++
      else bench.tick(10_000)
      bench.machine.connectionMade(bench.now)
      bench.hears('+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n')
      expect(bench.machine.state.name).toBe('connected')
    }
    expect(atOnce).toBe(5)
  })
})

describe('REPLICAOF', () => {
  it('says that it follows this primary already, in any state', () => {
    const bench = new Bench()
    expect(bench.machine.replicaOf('Primary', 6379, bench.now, 'tester')).toBe('changed')
    expect(bench.machine.replicaOf('primary', 6379, bench.now, 'tester')).toBe('same')
    expect(bench.states).toEqual(['connect', 'connecting'])
    expect(connected().machine.replicaOf('PRIMARY', 6379, 0)).toBe('same')
  })

  it('NO ONE ends a handshake, a transfer or a link at once, and starts a history that continues the old one', () => {
    for (const stage of ['handshake', 'transfer', 'link']) {
      const bench = stage === 'link' ? connected() : new Bench()
      if (stage === 'handshake') upToPsync(bench)
      if (stage === 'transfer') {
        upToPsync(bench)
        bench.hears(`+FULLRESYNC ${THEIRS} 5\r\n$18\r\n`)
      }
      const before = bench.history.toRecord()
      expect(bench.machine.replicaOfNoOne("user request from 'tester'")).toBe(true)
      bench.settle()
      expect(bench.machine.state.name).toBe('none')
      expect(bench.actions.at(-1)).toBe('close')
      expect(bench.history.replid2).toBe(before.replid)
      expect(bench.history.secondReplOffset).toBe(before.replOffset + 1)
      expect(bench.log).toContain("notice MASTER MODE enabled (user request from 'tester')")
      expect(bench.tick(100_000).machine.state.name).toBe('none')
      expect(bench.machine.replicaOfNoOne("user request from 'tester'")).toBe(false)
    }
  })

  it('another primary: the old link ends, the history is offered to the new one', () => {
    const bench = connected()
    bench.history.replOffset = 600
    expect(bench.machine.replicaOf('other', 1, bench.now, 'tester')).toBe('changed')
    bench.settle()
    expect(bench.actions.slice(-3)).toEqual(['forget-unapplied', 'close', 'connect other:1'])
    bench.machine.connectionMade(bench.now)
    bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    expect(bench.sent.endsWith(request('PSYNC', THEIRS, '601'))).toBe(true)
  })

  it('a demoted primary asks to continue its own past; a fresh node at start does not', () => {
    const bench = new Bench()
    bench.history.replOffset = 42
    bench.machine.replicaOf('other', 1, bench.now, 'tester')
    bench.machine.connectionMade(bench.now)
    bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    expect(bench.settle().sent.endsWith(request('PSYNC', OWN, '43'))).toBe(true)
    const fresh = new Bench()
    upToPsync(fresh)
    expect(fresh.sent.endsWith(request('PSYNC', '?', '-1'))).toBe(true)
  })

  describe('of one of our own replicas, which is asked to take over', () => {
    function handsOver(): Bench {
      const bench = new Bench()
      bench.history.replOffset = 42
      bench.machine.handOver('below', 7002, bench.now)
      bench.machine.connectionMade(bench.now)
      bench.settle()
      return bench
    }

    it('asks with FAILOVER, once it has the answers before, and tells of the outcome', () => {
      for (const [answer, state] of [
        [`+CONTINUE ${THEIRS}\r\n`, 'connected'],
        [`+FULLRESYNC ${THEIRS} 40\r\n`, 'awaiting-snapshot'],
      ] as const) {
        const bench = handsOver()
        bench.hears('+PONG\r\n+OK\r\n+OK\r\n\n')
        expect(bench.sent.endsWith(request('PSYNC', OWN, '43', 'FAILOVER'))).toBe(true)
        bench.hears(answer)
        expect(bench.actions.filter((action) => action.startsWith('handed-over'))).toEqual(['handed-over accepted'])
        expect(bench.machine.state.name).toBe(state)
        // From here on it is a primary like any other.
        bench.machine.connectionLost(bench.now, 'test')
        bench.tick(2000)
        bench.machine.connectionMade(bench.now)
        bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
        expect(bench.sent).not.toMatch(/FAILOVER[^]*FAILOVER/)
      }
    })

    it('a refusal, or an end behind the question, is told; what fails before it is tried again', () => {
      for (const answer of ["-ERR PSYNC FAILOVER can't be sent to a master.", '-NOMASTERLINK', '-NOPERM no']) {
        const bench = handsOver()
        bench.hears(`+PONG\r\n+OK\r\n+OK\r\n${answer}\r\n`)
        expect(bench.actions.at(-1)).toBe('handed-over refused')
        expect(bench.sent.endsWith('SYNC\r\n')).toBe(false)
        expect(bench.machine.replicaOfNoOne('FAILOVER aborted')).toBe(true)
      }
      const silent = handsOver()
      silent.hears('+PONG\r\n+OK\r\n+OK\r\n')
      silent.machine.connectionLost(silent.now, 'reset')
      expect(silent.settle().actions.at(-1)).toBe('handed-over refused')
      const early = handsOver()
      early.hears('+PONG\r\n')
      early.machine.connectionLost(early.now, 'reset')
      expect(early.settle().actions.some((action) => action.startsWith('handed-over'))).toBe(false)
      early.tick(1000)
      early.machine.connectionMade(early.now)
      early.hears('+PONG\r\n+OK\r\n+OK\r\n')
      expect(early.sent.endsWith(request('PSYNC', OWN, '43', 'FAILOVER'))).toBe(true)
    })
  })

  it('a stream out of step costs the history, and is a failed attempt', () => {
    const bench = connected()
    bench.machine.streamCorrupt(bench.now, 'expected *, got x (at byte 512)')
    bench.settle()
    expect(bench.machine.state).toEqual({ name: 'connect', tryAtMs: bench.now + 1000 })
    expect(bench.history.resumable).toBe(false)
    expect(bench.history.replid).toBe(THEIRS)
  })

  it('waits longer each time a stream cannot be followed, though a snapshot was loaded, until one is followed for a minute', () => {
    const bench = connected()
    const { machine } = bench
    const delayOfNext = (livedMs: number): number => {
      bench.clock.advance(livedMs)
      machine.noteIo(bench.now)
      machine.streamCorrupt(bench.now, 'not applicable')
      const { state } = machine
      const delayMs = state.name === 'connect' ? state.tryAtMs - bench.now : Number.NaN
      bench.tick(delayMs)
      machine.connectionMade(bench.now)
      bench.hears(`+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC ${THEIRS} 100\r\n$18\r\n`)
      machine.snapshotLoaded(bench.now)
      bench.settle()
      expect(machine.state.name).toBe('connected')
      return delayMs
    }
    expect([5, 5000, 50, 59_000, 0, 1].map(delayOfNext)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
    expect([60_000, 1].map(delayOfNext)).toEqual([1000, 2000])
  })

  it('shows the states of ROLE', () => {
    const bench = new Bench()
    const seen = [bench.machine.roleState]
    const see = (): number => seen.push(bench.machine.roleState)
    bench.machine.replicaOf('primary', 6379, bench.now)
    see()
    bench.machine.connectionMade(bench.now)
    see()
    bench.hears('+PONG\r\n+OK\r\n+OK\r\n')
    see()
    bench.hears(`+FULLRESYNC ${THEIRS} 5\r\n`)
    see()
    bench.hears('$18\r\n')
    see()
    bench.machine.snapshotLoaded(bench.now)
    see()
    expect(seen).toEqual(['none', 'connecting', 'handshake', 'handshake', 'sync', 'sync', 'connected'])
  })
})
