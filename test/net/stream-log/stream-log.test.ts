import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  BacklogWriter,
  CommandStream,
  generateReplid,
  KeyspaceError,
  ReplicationHistory,
  type StreamHandler,
} from '@understudy/core/internal'
import { type Replayed, replayLog, StreamLog, type StreamLogSettings } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryLogFiles } from '../../support/memory-log-files.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { waitFor } from '../../support/wait-for.ts'

const START = 1000
const RETRY_MS = 5000

/** A log, the backlog that it reads, and a stream whose every byte is remembered. */
class Bench {
  readonly clock = new FakeClock()
  readonly files = new MemoryLogFiles()
  readonly backlog = new BacklogWriter(16 * 1024, START)
  readonly history = new ReplicationHistory()
  readonly lines: string[] = []
  /** The stream behind number START. */
  stream = Buffer.alloc(0)
  saves = 0
  settings: StreamLogSettings = {
    isOn: true,
    sync: 'everysec',
    segmentBytesMax: 4096,
    bytesMax: 1_000_000,
    behindBytesMax: 100_000,
  }
  readonly log: StreamLog

  constructor() {
    this.history.adoptFullResync(generateReplid(), START)
    const note = (line: string): void => void this.lines.push(line)
    this.log = new StreamLog({
      backlog: this.backlog,
      clock: this.clock,
      logger: { debug: note, verbose: note, notice: note, warning: note },
      files: () => this.files,
      settings: () => this.settings,
      history: () => ({ replid: this.history.replid, past: this.history.past }),
      ensureStream: () => true,
      saveSnapshot: () => void this.saves++,
      isSaving: () => false,
      onOutcome: () => {},
      onProgress: () => {},
    })
  }

  append(text: string): void {
    const bytes = Buffer.from(text)
    this.stream = Buffer.concat([this.stream, bytes])
    this.backlog.append(bytes, 0, bytes.length)
    this.history.replOffset = this.backlog.endOffset
    this.log.appended()
  }

  /** A snapshot of now has its name. */
  snapshotSaved(): void {
    this.log.saved({ replid: this.history.replid, offset: this.backlog.endOffset, db: 0 })
  }

  async written(): Promise<void> {
    await waitFor('the log to have everything', () => {
      this.log.tick(true)
      return this.field('written_offset') === String(this.backlog.endOffset)
    })
  }

  field(name: string): string | undefined {
    return this.log.infoLines.find((line) => line.startsWith(`stream_log_${name}:`))?.slice(12 + name.length)
  }

  /** What a start makes of the segments, behind a snapshot at `offset`. */
  async replay(offset: number, replid: string = this.history.replid, applied = (): void => {}): Promise<Restarted> {
    const backlog = new BacklogWriter(this.backlog.capacityBytes)
    const stream = new CommandStream({ clock: this.clock, sink: backlog })
    stream.begin(offset, 0)
    const restarted: Restarted = { backlog, commands: [], lines: [], replayed: undefined }
    const note = (line: string): void => void restarted.lines.push(line)
    const handler: StreamHandler = {
      command: ({ bytes, start, end, count }) => {
        restarted.commands.push(Buffer.from(bytes.subarray(start[0], end[count - 1])).toString())
        applied()
      },
      group: () => {},
      getAck: () => {},
    }
    restarted.replayed = await replayLog(
      this.files,
      await this.files.list(),
      { replid, offset, db: 0 },
      {
        logger: { debug: note, verbose: note, notice: note, warning: note },
        backlog,
        stream,
        handler,
        isWanted: () => true,
      },
    )
    return restarted
  }
}

interface Restarted {
  readonly backlog: BacklogWriter
  readonly commands: string[]
  readonly lines: string[]
  replayed: Replayed | undefined
}

const command = (i: number, length: number): string => {
  const value = String(i).padEnd(length, '.')
  return `*2\r\n$4\r\nECHO\r\n$${value.length}\r\n${value}\r\n`
}

describe('a log and its replay', () => {
  it.each([1, 2, 3, 4])(
    'have every byte, in segments, under each id, on a disk of any speed (seed %i)',
    async (seed) => {
      const random = new SeededRandom(seed)
      const bench = new Bench()
      bench.settings = { ...bench.settings, sync: random.pick(['always', 'everysec', 'no']) }
      bench.files.onCall = async () => {
        for (let i = random.int(0, 3); i > 0; i--) await nextTurn()
      }
      bench.log.tick(true)
      const ids = [bench.history.replid]
      for (let i = 0; i < 300; i++) {
        bench.append(command(i, random.int(1, random.chance(0.03) ? 20_000 : 300)))
        if (random.chance(0.3)) await nextTurn()
        bench.clock.advance(random.int(0, 50))
        if (random.chance(0.01)) {
          bench.history.becomePrimary()
          ids.push(bench.history.replid)
          bench.log.historyChanged()
        }
      }
      await bench.written()
      const { replayed, commands, backlog } = await bench.replay(START, ids[0])
      expect(commands).toHaveLength(300)
      expect(replayed).toMatchObject({ offset: bench.backlog.endOffset, history: { replid: ids.at(-1) } })
      expect(replayed!.history.past.map(({ replid }) => replid)).toEqual(ids.slice(0, -1).toReversed().slice(0, 4))
      expect(bench.files.segments.size).toBeGreaterThan(5)
      // The backlog holds what it held before.
      const held = Buffer.alloc(backlog.histlen)
      for (let at = 0; at < held.length;) at += backlog.read(backlog.firstByteOffset + at, held.subarray(at))
      expect(backlog.histlen).toBe(bench.backlog.histlen)
      expect(held.equals(bench.stream.subarray(-held.length))).toBe(true)
    },
  )

  it(
    'apply whole commands alone, and the right ones, whatever became of the segments',
    { timeout: 30_000 },
    async () => {
      const bench = new Bench()
      bench.log.tick(true)
      for (let i = 0; i < 150; i++) {
        bench.append(command(i, 150))
        await nextTurn()
      }
      await bench.written()
      const whole = (await bench.replay(START)).commands
      expect(whole).toHaveLength(150)
      const good = new Map(bench.files.segments)
      const random = new SeededRandom(11)
      for (let round = 0; round < 150; round++) {
        for (const [sequence, bytes] of good) bench.files.segments.set(sequence, Buffer.from(bytes))
        for (let i = random.int(1, 3); i > 0; i--) {
          const sequence = random.pick([...good.keys()])
          const bytes = bench.files.segments.get(sequence)
          if (bytes === undefined) continue
          // Past the version, which is refused by name.
          const at = random.int(8, bytes.length - 1)
          if (random.chance(0.2)) bench.files.segments.delete(sequence)
          else if (random.chance(0.5)) bench.files.segments.set(sequence, bytes.subarray(0, at))
          else bytes[at]! ^= 1 << random.int(0, 7)
        }
        const { commands, replayed } = await bench.replay(START)
        expect(whole.slice(0, commands.length)).toEqual(commands)
        const bytes = commands.reduce((sum, text) => sum + text.length, 0)
        expect(replayed?.offset ?? START).toBeGreaterThanOrEqual(START + bytes)
        expect(
          bench.stream
            .subarray(0, (replayed?.offset ?? START) - START)
            .toString()
            .split('ECHO'),
        ).toHaveLength(commands.length + 1)
      }
    },
  )

  it('end a start where a command cannot be applied: what is behind it may not be left out', async () => {
    const bench = new Bench()
    bench.log.tick(true)
    for (let i = 0; i < 3; i++) bench.append(command(i, 10))
    await bench.written()
    let count = 0
    const outOfMemory = (): void => {
      if (++count === 2) throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', 'no more memory')
    }
    await expect(bench.replay(START, undefined, outOfMemory)).rejects.toThrow(
      `the stream log cannot be applied behind offset ${START + command(0, 10).length}: no more memory`,
    )
  })

  it('leave out what follows another snapshot', async () => {
    const bench = new Bench()
    bench.log.tick(true)
    for (let i = 0; i < 10; i++) bench.append(command(i, 10))
    await bench.written()
    for (const [offset, replid] of [
      [START - 1, bench.history.replid],
      [bench.backlog.endOffset + 1, bench.history.replid],
      [START, generateReplid()],
    ] as const) {
      const { replayed, commands, lines } = await bench.replay(offset, replid)
      expect(replayed).toBeUndefined()
      expect(commands).toEqual([])
      expect(lines).toEqual([expect.stringMatching(/^The stream log is not used: the snapshot is at offset /)])
    }
  })
})

describe('a full resync', () => {
  /** Data of another history take the place of logged ones. */
  async function resynced(file: 'kept' | 'not kept'): Promise<{ bench: Bench; oldId: string }> {
    const bench = new Bench()
    bench.log.tick(true)
    bench.append(command(1, 100))
    await bench.written()
    bench.log.saved({ replid: bench.history.replid, offset: START, db: 0 })
    const oldId = bench.history.replid
    bench.append(command(2, 100))
    bench.saves = 0
    bench.log.dataReplaced()
    bench.backlog.restart(7000)
    bench.history.adoptFullResync(generateReplid(), 7000)
    bench.log.dataAdopted(file === 'kept' ? { replid: bench.history.replid, offset: 7000, db: 0 } : undefined)
    bench.append(command(3, 100))
    await bench.written()
    return { bench, oldId }
  }

  it('that left a file begins a log that goes with it', async () => {
    const { bench, oldId } = await resynced('kept')
    expect(bench.saves).toBe(0)
    expect(bench.files.segments.size).toBe(1)
    expect((await bench.replay(7000)).commands).toHaveLength(1)
    expect((await bench.replay(START, oldId)).replayed).toBeUndefined()
  })

  it('that left none has a snapshot saved, and until then the old one is good', async () => {
    const { bench, oldId } = await resynced('not kept')
    await waitFor('a snapshot to be asked for', () => {
      bench.log.tick(true)
      return bench.saves > 0
    })
    expect((await bench.replay(START, oldId)).commands).toHaveLength(1)
    bench.snapshotSaved()
    expect(bench.field('snapshot_offset')).toBe(String(bench.backlog.endOffset))
    await waitFor('the old segments to go', () => bench.files.segments.size === 1)
    expect((await bench.replay(START, oldId)).replayed).toBeUndefined()
  })
})

describe('a disk that fails', () => {
  for (const call of ['create', 'append', 'sync'] as const) {
    it(`at ${call} costs the log until there is a snapshot again, and nothing is kept for it`, async () => {
      const bench = new Bench()
      bench.log.tick(true)
      bench.append(command(1, 100))
      await bench.written()
      bench.snapshotSaved()
      const fault = new Error(`EIO at ${call}`)
      bench.files.onCall = (now) => {
        if (now === call) throw fault
      }
      bench.clock.advance(1000)
      for (let i = 0; bench.log.fault === '' && i < 100; i++) {
        bench.append(command(i, 500))
        bench.log.tick(true)
        await nextTurn()
      }
      expect(bench.log.fault).toBe(fault.message)
      expect(bench.log.state).toBe('failed')
      expect(bench.lines).toHaveLength(1)
      for (let i = 0; i < 100; i++) bench.append(command(i, 500))
      expect(bench.backlog.overflow.byteLength).toBe(0)
      // It is tried again after a while, without another line.
      bench.clock.advance(RETRY_MS)
      bench.log.tick(true)
      await waitFor('the next fault', () => bench.field('faults') === '2')
      expect(bench.lines).toHaveLength(1)
      bench.files.onCall = () => {}
      const { saves } = bench
      bench.clock.advance(RETRY_MS)
      bench.log.tick(true)
      await waitFor('a snapshot to be asked for', () => {
        bench.log.tick(true)
        return bench.saves > saves
      })
      expect(bench.log.state).toBe('failed')
      bench.snapshotSaved()
      expect(bench.log.state).toBe('on')
      expect(bench.lines[1]).toBe('The stream log is whole again')
      const from = bench.backlog.endOffset
      bench.append(command(7, 100))
      await bench.written()
      expect((await bench.replay(from)).commands).toEqual([expect.stringMatching(/^ECHO\r\n\$100\r\n7\.+$/)])
    })
  }

  it('that is slower than the stream costs a bounded amount of memory', async () => {
    const bench = new Bench()
    bench.log.tick(true)
    await bench.written()
    bench.files.onCall = () => new Promise(() => {})
    for (let i = 0; i < 300; i++) bench.append(command(i, 1000))
    bench.log.tick(true)
    expect(bench.log.fault).toMatch(/^the disk is slower than the stream: \d+ bytes wait to be written$/)
    for (let i = 0; i < 300; i++) bench.append(command(i, 1000))
    expect(bench.backlog.overflow.byteLength).toBe(0)
  })
})

it('is removed when the snapshot that takes its place cannot be lost by a crash any more', async () => {
  const bench = new Bench()
  bench.log.tick(true)
  bench.append(command(1, 100))
  await bench.written()
  bench.snapshotSaved()
  const old = [...bench.files.segments.keys()]
  let isOnDisk = (): void => {}
  bench.files.onCall = (call) => (call === 'sync-names' ? new Promise((resolve) => (isOnDisk = resolve)) : undefined)
  bench.log.dataReplaced()
  bench.history.adoptFullResync(generateReplid(), 5000)
  bench.backlog.restart(5000)
  bench.log.dataAdopted({ replid: bench.history.replid, offset: 5000, db: 0 })
  bench.append(command(2, 100))
  await bench.written()
  expect([...bench.files.segments.keys()]).toEqual(expect.arrayContaining(old))
  isOnDisk()
  await waitFor('the old run to go', () => old.every((sequence) => !bench.files.segments.has(sequence)))
  // A directory that cannot be synced: what is there stays.
  bench.files.onCall = (call) => {
    if (call === 'sync-names') throw new Error('EIO')
  }
  const kept = [...bench.files.segments.keys()]
  bench.log.dataReplaced()
  bench.backlog.restart(6000)
  bench.log.dataAdopted({ replid: bench.history.replid, offset: 6000, db: 0 })
  await waitFor('the fault to be told', () => bench.lines.includes('EIO'))
  expect([...bench.files.segments.keys()]).toEqual(expect.arrayContaining(kept))
})

it('that is opened anew while a segment is being made leaves that one its number', async () => {
  const bench = new Bench()
  let make = (): void => {}
  bench.files.onCall = (call) => (call === 'create' ? new Promise((resolve) => (make = resolve)) : undefined)
  bench.log.tick(true)
  bench.files.onCall = () => {}
  await bench.log.reopen()
  bench.log.tick(true)
  bench.append(command(1, 100))
  await bench.written()
  make()
  await nextTurn()
  expect([...bench.files.segments.keys()]).toEqual([2])
  bench.snapshotSaved()
  expect(bench.field('faults')).toBe('0')
})

describe('replies to clients', () => {
  it('wait for the disk with fsync always alone', async () => {
    const bench = new Bench()
    bench.log.tick(true)
    await bench.written()
    bench.append(command(1, 10))
    expect(bench.log.holdsReplies).toBe(false)
    bench.settings = { ...bench.settings, sync: 'always' }
    expect(bench.log.holdsReplies).toBe(true)
    await waitFor('the sync', () => !bench.log.holdsReplies)
    expect(bench.field('synced_offset')).toBe(String(bench.backlog.endOffset))
  })
})
