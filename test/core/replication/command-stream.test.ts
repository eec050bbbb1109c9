import { BacklogReader, BacklogWriter, CommandStream, ProtocolError } from '@understudy/core/internal'
import type {
  CommandArgs,
  CommandStreamOptions,
  FrameCommand,
  StreamGroup,
  StreamHandler,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cuttings } from '../../support/short-reads.ts'

function encode(...args: (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = Buffer.from(arg as string)
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

function textOf(args: CommandArgs): string {
  const words: string[] = []
  for (let i = 0; i < args.count; i++)
    words.push(Buffer.from(args.bytes.subarray(args.start[i], args.end[i])).toString('latin1'))
  return words.join(' ')
}

/** Writes down what it is given, with offsets. */
class Recorder implements StreamHandler {
  readonly seen: string[] = []
  stream!: CommandStream
  failAt = ''

  command(args: CommandArgs, db: number): void {
    const text = textOf(args)
    if (text === this.failAt) throw new Error('stop here')
    this.seen.push(`db${db} ${text} @${this.stream.fromOffset}-${this.stream.toOffset}`)
  }

  group(group: StreamGroup): void {
    const walk = (): string[] => {
      const commands: string[] = []
      while (group.next()) commands.push(`db${group.db} ${textOf(group.args)}`)
      return commands
    }
    const commands = walk()
    group.rewind()
    expect(walk()).toEqual(commands)
    this.seen.push(`{${commands.join('; ')}} @${this.stream.fromOffset}-${this.stream.toOffset}`)
  }

  getAck(appliedOffset: number): void {
    this.seen.push(`getack ${appliedOffset}`)
  }

  frame(name: FrameCommand): void {
    if (name === 'ping' || name === 'replconf') this.seen.push(name)
  }
}

/** Takes a millisecond for each command. */
function slowly(recorder: Recorder, clock: FakeClock): StreamHandler {
  return {
    command: (args, db) => {
      clock.advance(1)
      recorder.command(args, db)
    },
    group: () => undefined,
    getAck: () => undefined,
  }
}

function start(offset = 0, options: Omit<CommandStreamOptions, 'clock' | 'sink'> = {}) {
  const clock = new FakeClock()
  const sink = new BacklogWriter(64 * 1024, offset)
  const stream = new CommandStream({ clock, sink, ...options })
  stream.begin(offset, 0)
  const recorder = new Recorder()
  recorder.stream = stream
  return { clock, sink, stream, recorder }
}

function feed(stream: CommandStream, recorder: Recorder, pieces: readonly Uint8Array[]): void {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const view = stream.writable()
      const count = Math.min(view.length, piece.length - at)
      view.set(piece.subarray(at, at + count))
      at += count
      stream.received(count, view)
      while (stream.drain(recorder) === 'more');
    }
  }
}

const SAMPLE = Buffer.concat([
  encode('SELECT', '0'),
  encode('SET', 'key', 'value'),
  encode('ping'),
  Buffer.from('\n'),
  encode('SELECT', '9'),
  encode('MULTI'),
  encode('INCR', 'a'),
  encode('select', '2'),
  encode('INCRBY', 'b', '5'),
  encode('EXEC'),
  encode('set', 'empty', ''),
  encode('REPLCONF', 'GETACK', '*'),
  encode('MULTI'),
  encode('EXEC'),
  Buffer.from('*0\r\n'),
  encode('SET', 'bytes', Buffer.from('\r\n$5\r\n*3\r\n')),
  encode('REPLCONF', 'TIMESTAMP', '17'),
  encode('DEL', 'x'.repeat(300)),
])

describe('command stream', () => {
  it('gives the same commands, groups and offsets however the bytes arrive', () => {
    const expected = start(100)
    feed(expected.stream, expected.recorder, [SAMPLE])
    expect(expected.recorder.seen).toEqual([
      'db0 SET key value @123-156',
      'ping',
      '{db9 INCR a; db2 INCRBY b 5} @194-297',
      'db2 set empty  @297-327',
      'replconf',
      'getack 327',
      'db2 SET bytes \r\n$5\r\n*3\r\n @397-438',
      'replconf',
      `db2 DEL ${'x'.repeat(300)} @479-800`,
    ])
    for (const arrival of cuttings(SAMPLE, { seed: 8, rounds: 12 })) {
      const run = start(100)
      feed(run.stream, run.recorder, arrival.pieces)
      expect(run.recorder.seen, arrival.name).toEqual(expected.recorder.seen)
      expect(run.stream.appliedOffset).toBe(100 + SAMPLE.length)
      expect(run.stream.receivedOffset).toBe(100 + SAMPLE.length)
      expect(run.stream.db).toBe(2)
      const copy = new Uint8Array(SAMPLE.length)
      expect(new BacklogReader(run.sink.shared).read(101, copy)).toBe(SAMPLE.length)
      expect(Buffer.from(copy).equals(SAMPLE)).toBe(true)
    }
  })

  it('applies whole commands and whole groups only, at every place where the bytes may end', () => {
    const whole = start()
    feed(whole.stream, whole.recorder, [SAMPLE])
    const group = / @(\d+)-(\d+)$/.exec(whole.recorder.seen.find((entry) => entry.startsWith('{'))!)!
    const groupFrom = Number(group[1])
    const groupTo = Number(group[2])
    for (let cut = 0; cut <= SAMPLE.length; cut++) {
      const run = start()
      feed(run.stream, run.recorder, [SAMPLE.subarray(0, cut)])
      expect(run.stream.receivedOffset).toBe(cut)
      const applied = run.stream.appliedOffset
      expect(applied).toBeLessThanOrEqual(cut)
      expect(run.sink.endOffset).toBe(applied)
      // Inside the group (the bytes of {INCR a …}) nothing of it may have been applied.
      if (cut > groupFrom && cut < groupTo) expect(applied).toBe(groupFrom)
      // The link comes back from the applied offset: the rest gives exactly what one uncut run gives.
      run.stream.forgetUnapplied()
      expect(run.stream.receivedOffset).toBe(applied)
      feed(run.stream, run.recorder, [SAMPLE.subarray(applied)])
      expect(run.recorder.seen, `cut at ${cut}`).toEqual(whole.recorder.seen)
      expect(run.stream.db).toBe(2)
    }
  })

  it('keeps the database of the applied offset when a cut takes an open group with a SELECT away', () => {
    const { stream, recorder } = start()
    feed(stream, recorder, [encode('SELECT', '3'), encode('MULTI'), encode('SELECT', '7'), encode('SET', 'a', '1')])
    expect(stream.hasUnapplied).toBe(true)
    stream.forgetUnapplied()
    feed(stream, recorder, [encode('SET', 'b', '2')])
    expect(recorder.seen).toEqual(['db3 SET b 2 @23-50'])
  })

  it('gives way when the budget of bytes is used up and goes on where it stopped', () => {
    const { stream, recorder } = start()
    const one = encode('SET', 'k', 'v')
    stream.push(Buffer.concat(Array.from({ length: 1000 }, () => one)))
    expect(stream.drain(recorder, one.length * 10)).toBe('more')
    expect(recorder.seen.length).toBe(10)
    expect(stream.drain(recorder, one.length * 990)).toBe('idle')
    expect(recorder.seen.length).toBe(1000)
  })

  it('gives way when the budget of time is used up', () => {
    const { stream, recorder, clock } = start()
    stream.push(Buffer.concat(Array.from({ length: 1000 }, () => encode('SET', 'k', 'v'))))
    const slow = slowly(recorder, clock)
    expect(stream.drain(slow, Number.MAX_SAFE_INTEGER, 2)).toBe('more')
    expect(recorder.seen.length).toBeLessThanOrEqual(16)
  })

  it('hands an EXEC without MULTI and a MULTI inside a group over as commands instead of skipping them', () => {
    const { stream, recorder } = start()
    feed(stream, recorder, [encode('EXEC'), encode('MULTI'), encode('MULTI'), encode('DISCARD'), encode('EXEC')])
    expect(recorder.seen).toEqual(['db0 EXEC @0-14', '{db0 MULTI; db0 DISCARD} @14-75'])
  })

  it('answers a GETACK inside a group after the group', () => {
    const { stream, recorder } = start()
    feed(stream, recorder, [
      encode('MULTI'),
      encode('SET', 'a', '1'),
      encode('REPLCONF', 'getack', '*'),
      encode('EXEC'),
    ])
    expect(recorder.seen).toEqual(['{db0 SET a 1} @0-93', 'replconf', 'getack 0'])
  })

  it('takes a value of many megabytes without looking at its bytes twice and lets the buffer go afterwards', () => {
    let gone = 0
    const { stream, recorder } = start(0, { bufferBytes: 1024 * 1024, letGo: () => gone++ })
    const value = Buffer.alloc(24 * 1024 * 1024, 'x')
    const lengths: number[] = []
    const handler: StreamHandler = {
      command: (args) => lengths.push(args.end[2]! - args.start[2]!),
      group: () => undefined,
      getAck: () => undefined,
    }
    const bytes = Buffer.concat([encode('SET', 'k', value), encode('SET', 'k', 'small')])
    let parses = 0
    for (let at = 0; at < bytes.length;) {
      const view = stream.writable()
      const count = Math.min(view.length, bytes.length - at, 64 * 1024)
      view.set(bytes.subarray(at, at + count))
      at += count
      stream.received(count, view)
      while (stream.drain(handler) === 'more');
      parses++
      expect(stream.bufferBytes).toBeLessThan(2 * (at + 1024 * 1024))
    }
    expect(parses).toBeGreaterThan(300)
    expect(lengths).toEqual([value.length, 5])
    expect(gone).toBe(0)
    feed(stream, recorder, [encode('PING')])
    expect(stream.bufferBytes).toBe(1024 * 1024)
    expect(gone).toBe(1)
  })

  it('grows by half at least for a group, wherever in an argument the bytes that came end', () => {
    const { stream, recorder } = start(0, { bufferBytes: 64 * 1024 })
    feed(stream, recorder, [encode('MULTI')])
    const bytes = encode('SET', 'k', 'x'.repeat(10_000))
    const lengths = new Set<number>()
    for (let i = 0; i < 2000; i++) {
      feed(stream, recorder, [bytes.subarray(0, 5000), bytes.subarray(5000)])
      lengths.add(stream.bufferBytes)
    }
    const grown = [...lengths]
    expect(grown.length).toBeLessThan(20)
    for (const [i, length] of grown.slice(1).entries()) expect(length).toBeGreaterThanOrEqual(1.5 * grown[i]!)
    feed(stream, recorder, [encode('EXEC'), encode('PING')])
    expect(recorder.seen).toHaveLength(2)
  })

  it('takes hardly more memory than a unit may have before it is refused', () => {
    const { stream, recorder } = start(0, { bufferBytes: 64 * 1024, unitBytesMax: 5 << 20 })
    feed(stream, recorder, [encode('MULTI')])
    const bytes = encode('SET', 'k', 'x'.repeat(1000))
    const group = (): void => {
      for (;;) feed(stream, recorder, [bytes])
    }
    expect(group).toThrow(expect.objectContaining({ code: 'PROTOCOL_TOO_BIG' }))
    expect(stream.bufferBytes).toBeLessThanOrEqual((5 << 20) + (512 << 10))
  })

  it('allocates nothing for a length that was only declared', () => {
    const { stream, recorder } = start()
    feed(stream, recorder, [Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n')])
    expect(stream.bufferBytes).toBeLessThanOrEqual(1024 * 1024)
    const other = start()
    feed(other.stream, other.recorder, [Buffer.from('*2000000000\r\n$3\r\nSET\r\n')])
    expect(other.stream.bufferBytes).toBeLessThanOrEqual(1024 * 1024)
    expect(other.recorder.seen).toEqual([])
  })

  it('copies bytes that arrive in a view from before a new beginning', () => {
    const { stream, recorder } = start()
    const stale = stream.writable()
    stream.begin(500, 4)
    const bytes = encode('SET', 'a', 'b')
    stale.set(bytes)
    stream.received(bytes.length, stale)
    stream.drain(recorder)
    expect(recorder.seen).toEqual(['db4 SET a b @500-527'])
  })

  it('leaves a command unapplied when its handler throws, and the bytes before it in the backlog', () => {
    const { stream, recorder, sink } = start()
    recorder.failAt = 'SET b 2'
    stream.push(Buffer.concat([encode('SET', 'a', '1'), encode('SET', 'b', '2')]))
    expect(() => stream.drain(recorder)).toThrow('stop here')
    expect(stream.appliedOffset).toBe(27)
    expect(sink.endOffset).toBe(27)
    recorder.failAt = ''
    expect(stream.drain(recorder)).toBe('idle')
    expect(recorder.seen).toEqual(['db0 SET a 1 @0-27', 'db0 SET b 2 @27-54'])
  })

  it('shows commands before they come, each again when a drain ended before it', () => {
    for (const arrival of cuttings(Buffer.concat([SAMPLE, SAMPLE, SAMPLE]), { seed: 3, rounds: 6 })) {
      const { clock, stream, recorder } = start()
      const shown: string[] = []
      const used: string[] = []
      const handler: StreamHandler = {
        ahead: (commands, count) => {
          expect(count).toBeGreaterThan(0)
          shown.length = 0
          for (let i = 0; i < count; i++) shown.push(textOf(commands[i]!))
        },
        command: (args, db) => {
          const text = textOf(args)
          expect(shown).toContain(text)
          shown.splice(0, shown.indexOf(text) + 1)
          used.push(text)
          clock.advance(1)
          recorder.command(args, db)
        },
        group: (group) => recorder.group(group),
        getAck: (offset) => recorder.getAck(offset),
        frame: (name) => recorder.frame(name),
      }
      for (const piece of arrival.pieces) {
        stream.push(piece)
        while (stream.drain(handler, 200, 1) === 'more');
      }
      const whole = start()
      feed(whole.stream, whole.recorder, [SAMPLE, SAMPLE, SAMPLE])
      expect(recorder.seen, arrival.name).toEqual(whole.recorder.seen)
      expect(used.length).toBe(12)
    }
  })

  it('gives way inside of what was found together when the time is over', () => {
    const { stream, recorder, clock } = start()
    const texts = Array.from({ length: 100 }, (_, i) => `SET k ${i}`)
    stream.push(Buffer.concat(texts.map((text) => encode(...text.split(' ')))))
    const slow = slowly(recorder, clock)
    let drains = 1
    for (; stream.drain(slow, Number.MAX_SAFE_INTEGER, 10) === 'more'; drains++) {
      expect(recorder.seen.length).toBe(drains * 16)
    }
    expect(recorder.seen.map((entry) => / (SET .*) @/.exec(entry)![1])).toEqual(texts)
  })
})

describe('hostile bytes', () => {
  const cases: [name: string, bytes: string, code: string, offset: number][] = [
    ['inline command', 'SET a b\r\n', 'PROTOCOL_UNEXPECTED_BYTE', 0],
    ['a reply', '+OK\r\n', 'PROTOCOL_UNEXPECTED_BYTE', 0],
    ['count that is no number', '*x\r\n', 'PROTOCOL_BAD_LENGTH', 1],
    ['negative count', '*-1\r\n', 'PROTOCOL_BAD_LENGTH', 1],
    ['empty count', '*\r\n', 'PROTOCOL_BAD_LENGTH', 1],
    ['count beyond int32', '*99999999999\r\n', 'PROTOCOL_BAD_LENGTH', 10],
    ['endless zeros', `*${'0'.repeat(100)}`, 'PROTOCOL_BAD_LENGTH', 25],
    ['count line without LF', '*1\rx', 'PROTOCOL_UNEXPECTED_BYTE', 3],
    ['argument that is no bulk string', '*1\r\n:1\r\n', 'PROTOCOL_UNEXPECTED_BYTE', 4],
    ['nil argument', '*1\r\n$-1\r\n', 'PROTOCOL_BAD_LENGTH', 5],
    ['length line without LF', '*1\r\n$1\rx', 'PROTOCOL_UNEXPECTED_BYTE', 7],
    ['length that is too long', '*1\r\n$2147483647\r\n', 'PROTOCOL_BAD_LENGTH', 14],
    ['length beyond the limit', '*1\r\n$1073741900\r\n', 'PROTOCOL_TOO_BIG', 17],
    ['argument longer than declared', '*1\r\n$1\r\nabc\r\n', 'PROTOCOL_UNEXPECTED_BYTE', 9],
    ['CR without LF between commands', '\rx', 'PROTOCOL_UNEXPECTED_BYTE', 1],
    ['SELECT of no database', '*2\r\n$6\r\nSELECT\r\n$2\r\n-1\r\n', 'PROTOCOL_BAD_LENGTH', 8],
    ['SELECT alone', '*1\r\n$6\r\nSELECT\r\n', 'PROTOCOL_BAD_LENGTH', 8],
  ]
  const before = encode('SET', 'a', '1')
  for (const [name, text, code, at] of cases) {
    it(`${name}: ${code} with the stream offset`, () => {
      for (const arrival of cuttings(Buffer.concat([before, Buffer.from(text)]), { seed: 9, rounds: 4 })) {
        const { stream, recorder } = start(1000)
        let error: unknown
        try {
          feed(stream, recorder, arrival.pieces)
        } catch (thrown) {
          error = thrown
        }
        expect(error, arrival.name).toBeInstanceOf(ProtocolError)
        expect((error as ProtocolError).code).toBe(code)
        expect((error as ProtocolError).byteOffset).toBe(1000 + before.length + at)
        expect(stream.appliedOffset).toBe(1000 + before.length)
      }
    })
  }

  it('bounds a group that never ends', () => {
    const { stream, recorder } = start(0, { unitBytesMax: 100_000 })
    feed(stream, recorder, [encode('MULTI')])
    const one = encode('SET', 'k', 'v')
    expect(() => {
      for (let i = 0; i < 10_000; i++) feed(stream, recorder, [one])
    }).toThrow(/MULTI group on the replication stream .* 100000/)
    expect(stream.appliedOffset).toBe(0)
  })

  it('survives random changes: an error with an offset, or other commands, never anything else', () => {
    const random = new SeededRandom(20261120)
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(SAMPLE)
      for (let i = 0; i <= random.int(0, 2); i++) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
      const { stream, recorder } = start()
      try {
        feed(stream, recorder, [bytes])
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
        expect((error as ProtocolError).byteOffset).toBeLessThanOrEqual(bytes.length)
      }
      expect(stream.appliedOffset).toBeLessThanOrEqual(bytes.length)
    }
  })
})
