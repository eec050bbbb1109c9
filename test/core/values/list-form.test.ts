import {
  byteOffsetOf,
  bytesSource,
  dumpCommands,
  encodeDump,
  keyCommands,
  listCommands,
  objectCommands,
  RDB_TYPE_LIST,
  RDB_TYPE_LIST_QUICKLIST,
  RDB_TYPE_LIST_QUICKLIST_2,
  RDB_TYPE_LIST_ZIPLIST,
  RdbBuffer,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { buildListpack, buildZiplist } from '../../support/packed-builder.ts'
import { readAllReplies } from '../../support/resp-reader.ts'

const TABLES = [listCommands, keyCommands, dumpCommands, objectCommands]
const ITEMS = ['', 'a', '12', '-4097', '9223372036854775807', 'b'.repeat(70), 'c'.repeat(5000)]
const PACKED = ITEMS.map((text) => (/^-?\d+$/.test(text) ? BigInt(text) : text))

function restore(rdbType: number, write: (out: RdbBuffer) => void): CommandRunner {
  const out = new RdbBuffer()
  write(out)
  const runner = new CommandRunner(TABLES)
  const payload = encodeDump(rdbType, bytesSource(out.bytes, 0, out.length))
  expect(runner.text('RESTORE', 'list', 0, payload)).toBe('+OK\r\n')
  expect(runner.text('TYPE', 'list')).toBe('+list\r\n')
  expect(runner.text('OBJECT', 'ENCODING', 'list')).toBe('$9\r\nquicklist\r\n')
  return runner
}

function elementsOf(runner: CommandRunner, key = 'list'): unknown {
  return readAllReplies(runner.run('LRANGE', key, 0, -1))[0]
}

function string(out: RdbBuffer, bytes: Uint8Array): void {
  out.string(bytes, 0, bytes.length)
}

describe('a list of a snapshot', () => {
  it('as plain strings', () => {
    const runner = restore(RDB_TYPE_LIST, (out) => {
      out.count(ITEMS.length)
      for (const item of ITEMS) string(out, Buffer.from(item))
    })
    expect(elementsOf(runner)).toEqual(ITEMS)
    checkKeyspace(runner.keyspace)
  })

  it('as one ziplist', () => {
    const runner = restore(RDB_TYPE_LIST_ZIPLIST, (out) => string(out, buildZiplist(PACKED)))
    expect(elementsOf(runner)).toEqual(ITEMS)
  })

  it('as ziplists', () => {
    const runner = restore(RDB_TYPE_LIST_QUICKLIST, (out) => {
      out.count(3)
      for (let i = 0; i < 3; i++) string(out, buildZiplist(PACKED))
    })
    expect(elementsOf(runner)).toEqual([...ITEMS, ...ITEMS, ...ITEMS])
  })

  it('as listpacks and plain nodes, compressed and empty ones among them', () => {
    const long = 'plain'.repeat(10_000)
    const runner = restore(RDB_TYPE_LIST_QUICKLIST_2, (out) => {
      out.count(5)
      out.count(2)
      string(out, buildListpack(PACKED))
      out.count(1)
      string(out, Buffer.from(long))
      out.count(2)
      string(out, buildListpack([]))
      out.count(2)
      string(out, buildListpack(Array.from({ length: 4000 }, () => 'same again')))
      out.count(1)
      string(out, Buffer.from('7'))
    })
    const expected = [...ITEMS, long, ...Array.from({ length: 4000 }, () => 'same again'), '7']
    expect(elementsOf(runner)).toEqual(expected)
    checkKeyspace(runner.keyspace)
    runner.run('COPY', 'list', 'copy')
    runner.run('RENAME', 'list', 'renamed to a name of another region')
    expect(elementsOf(runner, 'copy')).toEqual(expected)
    expect(elementsOf(runner, 'renamed to a name of another region')).toEqual(expected)
    checkKeyspace(runner.keyspace)
    runner.run('DEL', 'copy', 'renamed to a name of another region')
    while (runner.keyspace.freeSlice(100));
    checkKeyspace(runner.keyspace)
  })

  it('is dumped as it was read', () => {
    const runner = new CommandRunner(TABLES)
    for (let i = 0; i < 3000; i++) runner.run('RPUSH', 'list', `element ${i}`, i)
    runner.run('RPUSH', 'list', 'x'.repeat(20_000), 'y'.repeat(1_000_000))
    const reply = runner.run('DUMP', 'list')
    const payload = reply.subarray(reply.indexOf(10) + 1, reply.length - 2)
    expect(payload[0]).toBe(RDB_TYPE_LIST_QUICKLIST_2)
    runner.run('RESTORE', 'again', 0, payload)
    expect(elementsOf(runner, 'again')).toEqual(elementsOf(runner))
    checkKeyspace(runner.keyspace)
  })
})

describe('memory of lists', () => {
  const bytesOf = (elements: readonly string[]): number => {
    const runner = new CommandRunner(TABLES)
    runner.run('RPUSH', 'zz', ...elements)
    expect(runner.keyspace.lookup(0, Buffer.from('zz'), 0, 2)).toBe(true)
    return runner.keyspace.footprint()
  }

  it('of few elements is three quarters of what MEMORY USAGE says in redis 7.0.15', () => {
    expect(bytesOf(['element'])).toBeLessThan(0.75 * 144)
    expect(bytesOf(Array.from({ length: 10 }, (_, i) => `element:000${i}`))).toBeLessThan(0.75 * 288)
  })
})

describe('docs/formats/list.md', () => {
  it('shows the bytes of a packed list', () => {
    const runner = new CommandRunner(TABLES)
    runner.run('RPUSH', 'fruit', 'apple', '7')
    expect(runner.peek('fruit')?.value.toString('hex')).toBe('100000000200856170706c65060701ff')
  })

  it('shows the bytes of a node', () => {
    const runner = new CommandRunner(TABLES)
    runner.run('RPUSH', 'fruit', 'apple', '7', 'too long for a record'.repeat(50))
    runner.run('RPOP', 'fruit')
    expect(runner.keyspace.lookup(0, Buffer.from('fruit'), 0, 5)).toBe(true)
    const { region, words, at } = runner.keyspace.openLarge()
    const node = words[at + 2]!
    expect([...words.subarray(at + 1, at + 5)]).toEqual([2, node, 0, 0])
    const from = byteOffsetOf(node)
    const bytes = region.memory.u8[node >>> 28]!.subarray(from, from + 17)
    expect(Buffer.from(bytes).toString('hex')).toBe('0800110002000000856170706c65060701')
  })
})
