import {
  dumpCommands,
  keyCommands,
  Keyspace,
  objectCommands,
  RdbBuffer,
  streamCommands,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { NO_STREAM_KEY, STREAM_KEYS, StreamCommands } from '../../support/stream-commands.ts'

const TABLES = [streamCommands, dumpCommands, keyCommands, objectCommands]

function newRunner(): CommandRunner {
  return new CommandRunner(TABLES, { keyspace: new Keyspace({ databaseCount: 2 }) })
}

function freeAll(runner: CommandRunner): void {
  while (runner.keyspace.freeSlice(1000));
}

describe('streams in the keyspace', () => {
  it('leave no memory behind, whatever was done to them', () => {
    for (const seed of [1, 2, 3]) {
      const runner = newRunner()
      const random = new SeededRandom(seed)
      const commands = new StreamCommands(random)
      if (seed === 2) runner.settings.encodings.streamNodeMaxBytes = 100_000
      if (seed === 3) runner.settings.encodings.streamNodeMaxEntries = 3
      const used = runner.keyspace.usedBytes
      for (let round = 0; round < 2; round++) {
        runner.run('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
        for (let i = 0; i < 1000; i++) {
          const command = commands.next()
          if (!command.includes(NO_STREAM_KEY)) runner.run(...command)
          if (i % 100 === 0) {
            runner.run('COPY', 's', `copy${i % 7}`, 'REPLACE')
            runner.run('RENAME', `copy${i % 7}`, `moved${i % 5}`)
            runner.run('MOVE', `moved${i % 5}`, 1)
          }
        }
        runner.run('XGROUP', 'CREATE', 's', 'x'.repeat(20_000), '0', 'MKSTREAM')
        freeAll(runner)
        checkKeyspace(runner.keyspace)
        const keys = [...STREAM_KEYS, ...[0, 1, 2, 3, 4].map((n) => `moved${n}`)]
        runner.run('DEL', ...keys)
        runner.db = 1
        runner.run('DEL', ...keys)
        runner.db = 0
        freeAll(runner)
        expect(runner.keyspace.keyCount).toBe(0)
        // What is left are the pages of the tables.
        const tables = runner.keyspace.tableBytes(0) + runner.keyspace.tableBytes(1)
        expect(runner.keyspace.usedBytes - used - tables).toBeLessThan(10_000)
      }
      const before = runner.keyspace.usedBytes
      runner.run('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
      runner.run('XADD', 's', '1-1', 'a', 'b')
      runner.run('DEL', 's')
      freeAll(runner)
      expect(runner.keyspace.usedBytes).toBe(before)
    }
  })

  it('with many pending entries are freed in slices', () => {
    const runner = newRunner()
    runner.run('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
    runner.run('XGROUP', 'CREATE', 's', 'h', '0')
    for (let i = 1; i <= 5000; i++) runner.run('XADD', 's', `${i}-1`, 'name', 'value')
    const before = runner.keyspace.usedBytes
    runner.run('XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '4000', 'STREAMS', 's', '>')
    runner.run('XREADGROUP', 'GROUP', 'g', 'bob', 'STREAMS', 's', '>')
    expect(runner.text('XGROUP', 'DESTROY', 's', 'g')).toBe(':1\r\n')
    expect(runner.keyspace.lazyFreePending).toBe(1)
    runner.run('XGROUP', 'CREATE', 's', 'g', '0')
    freeAll(runner)
    expect(runner.keyspace.usedBytes).toBe(before)
    runner.run('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>')
    expect(runner.text('XGROUP', 'DELCONSUMER', 's', 'g', 'alice')).toBe(':5000\r\n')
    expect(runner.keyspace.usedBytes).toBe(before)
    runner.run('DEL', 's')
    expect(runner.keyspace.lazyFreePending).toBe(1)
    freeAll(runner)
    expect(runner.keyspace.usedBytes).toBeLessThan(3000)
  })

  it('with many consumers are freed in slices', () => {
    const runner = newRunner()
    runner.run('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
    const before = runner.keyspace.usedBytes
    for (let i = 0; i < 2000; i++) runner.run('XGROUP', 'CREATECONSUMER', 's', 'g', `consumer ${i}`)
    expect(runner.text('XGROUP', 'DESTROY', 's', 'g')).toBe(':1\r\n')
    expect(runner.keyspace.lazyFreePending).toBe(1)
    freeAll(runner)
    expect(runner.keyspace.usedBytes).toBeLessThan(before)
  })

  it('tell of their footprint about what they use', () => {
    const runner = newRunner()
    const before = runner.keyspace.usedBytes
    runner.run('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
    for (let i = 1; i <= 3000; i++) runner.run('XADD', 's', `${i}-1`, 'name', `value ${i}`)
    runner.run('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>')
    const used = runner.keyspace.usedBytes - before
    runner.keyspace.lookup(0, Buffer.from('s'), 0, 1)
    expect(Math.abs(runner.keyspace.footprint() - used)).toBeLessThan(1200)
  })
})

// ---- snapshots of other versions ----------------------------------------------------------------------------------

/** A payload without a checksum, as only the stream may carry it. */
function payload(type: number, write: (out: RdbBuffer) => void): Buffer {
  const out = new RdbBuffer(false)
  write(out)
  return Buffer.concat([Buffer.of(type), out.bytes.subarray(0, out.length), Buffer.of(11, 0), Buffer.alloc(8)])
}

function idBytes(ms: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(BigInt(ms), 0)
  bytes.writeBigUInt64BE(BigInt(sequence), 8)
  return bytes
}

/** A listpack of small numbers and short strings. */
function listpack(items: readonly (number | string)[]): Buffer {
  const parts = items.map((item) => {
    if (typeof item === 'string')
      return Buffer.concat([Buffer.of(0x80 | item.length), Buffer.from(item), Buffer.of(item.length + 1)])
    return Buffer.of(item, 1)
  })
  const body = Buffer.concat(parts)
  const header = Buffer.alloc(6)
  header.writeUInt32LE(body.length + 7, 0)
  header.writeUInt16LE(items.length, 4)
  return Buffer.concat([header, body, Buffer.of(0xff)])
}

/** Entries 1-1, 1-2 (deleted) and 2-1, the last with a field of its own. */
const ENTRIES = listpack([2, 1, 1, 'f', 0, 2, 0, 0, 'a', 4, 3, 0, 1, 'b', 4, 0, 1, 0, 1, 'g', 'c', 6])

function writeStream(out: RdbBuffer, version: 1 | 2 | 3): void {
  const string = (bytes: Uint8Array): void => out.string(bytes, 0, bytes.length)
  out.count(1)
  string(idBytes(1, 1))
  string(ENTRIES)
  out.count(2)
  for (const half of [5, 7]) out.count(half)
  if (version > 1) for (const half of [1, 1, 1, 2, 9]) out.count(half)
  out.count(1)
  string(Buffer.from('group'))
  out.count(1)
  out.count(1)
  if (version > 1) out.count(1)
  out.count(2)
  for (const [ms, sequence] of [
    [1, 1],
    [2, 1],
  ] as const) {
    out.raw(idBytes(ms, sequence), 0, 16)
    out.int64(1_700_000_000_000n)
    out.count(ms)
  }
  out.count(2)
  for (const [name, ms, sequence] of [
    ['alice', 2, 1],
    ['bob', 1, 1],
  ] as const) {
    string(Buffer.from(name))
    out.int64(1_700_000_000_001n)
    if (version === 3) out.int64(1_700_000_000_002n)
    out.count(1)
    out.raw(idBytes(ms, sequence), 0, 16)
  }
}

describe('streams of snapshots', () => {
  for (const [type, version] of [
    [15, 1],
    [19, 2],
    [21, 3],
  ] as const) {
    it(`of type ${type} come in`, () => {
      const runner = newRunner()
      runner.fromPrimary = true
      runner.run(
        'RESTORE',
        's',
        '0',
        payload(type, (out) => writeStream(out, version)),
      )
      runner.fromPrimary = false
      expect(runner.errorCount).toBe(0)
      expect(runner.text('XRANGE', 's', '-', '+').replaceAll('\r\n', ' ')).toBe(
        '*2 *2 $3 1-1 *2 $1 f $1 a *2 $3 2-1 *2 $1 g $1 c ',
      )
      expect(runner.text('XINFO', 'STREAM', 's').replaceAll('\r\n', ' ')).toContain(
        `$17 last-generated-id $3 5-7 $20 max-deleted-entry-id $3 ${version === 1 ? '0-0' : '1-2'} ` +
          `$13 entries-added :${version === 1 ? 2 : 9} $23 recorded-first-entry-id $3 1-1 `,
      )
      expect(runner.text('XINFO', 'GROUPS', 's').replaceAll('\r\n', ' ')).toContain(
        '$7 pending :2 $17 last-delivered-id $3 1-1 $12 entries-read :1 ',
      )
      expect(runner.text('XPENDING', 's', 'group').replaceAll('\r\n', ' ')).toBe(
        '*4 :2 $3 1-1 $3 2-1 *2 *2 $5 alice $1 1 *2 $3 bob $1 1 ',
      )
      expect(runner.text('OBJECT', 'ENCODING', 's')).toBe('$6\r\nstream\r\n')
      const dumped = runner.run('DUMP', 's')
      const body = dumped.subarray(dumped.indexOf(10) + 1)
      // What redis 7.0 does not know is kept, and written as 7.2 does.
      expect(body[0]).toBe(version === 3 ? 21 : 19)
      const value = payload(body[0]!, (out) => writeStream(out, version === 3 ? 3 : 2))
      if (version > 1) {
        expect(body.subarray(0, -12).toString('hex')).toBe(value.subarray(0, -10).toString('hex'))
      }
    })
  }

  it('refuse parts that contradict each other', () => {
    const runner = newRunner()
    runner.fromPrimary = true
    const used = runner.keyspace.usedBytes
    const good = payload(19, (out) => writeStream(out, 2))
    // A consumer's pending entry that the group does not have.
    const bad = Buffer.from(good)
    bad.write('carol', bad.indexOf('alice'), 'latin1')
    const pending = bad.lastIndexOf(idBytes(1, 1))
    bad.set(idBytes(3, 3), pending)
    expect(runner.text('RESTORE', 's', '0', bad)).toBe('-ERR Bad data format\r\n')
    // One that two consumers have.
    bad.set(idBytes(2, 1), pending)
    expect(runner.text('RESTORE', 's', '0', bad)).toBe('-ERR Bad data format\r\n')
    freeAll(runner)
    expect(runner.keyspace.usedBytes).toBe(used)
  })
})
