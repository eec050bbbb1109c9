import {
  FORM_LIST_LISTPACK,
  Keyspace,
  LISTPACK_EMPTY_BYTES,
  listCommands,
  ListCursor,
  listNodeRule,
  listpackCheck,
  listpackCreate,
  ListWriter,
  PACKED_LIST_BYTES_MAX,
  viewOf,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { withBlocks } from '../../support/few-blocks.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { changeAtRandom, elements } from './list-model.ts'

const EMPTY = new Uint8Array(LISTPACK_EMPTY_BYTES)
listpackCreate(EMPTY, 0)

/** An empty packed list under a key. */
function newList(keyspace: Keyspace, key: Buffer): ListWriter {
  keyspace.put(0, key, 0, key.length, FORM_LIST_LISTPACK, 0, EMPTY, 0, EMPTY.length, -1)
  keyspace.lookup(0, key, 0, key.length)
  return new ListWriter().edit(keyspace, 0, key, 0, key.length)
}

function isPacked({ keyspace }: CommandRunner, key: string): boolean {
  const bytes = Buffer.from(key)
  expect(keyspace.lookup(0, bytes, 0, bytes.length)).toBe(true)
  const { entry } = keyspace
  if (entry.isLarge) return false
  expect(entry.rdbType).toBe(FORM_LIST_LISTPACK)
  expect(entry.length).toBeLessThanOrEqual(PACKED_LIST_BYTES_MAX)
  expect(listpackCheck(entry.bytes, entry.start, entry.start + entry.length)).toBeGreaterThan(0)
  return true
}

describe('ListWriter', () => {
  for (const [fill, seed] of [
    [-2, 11],
    [1, 12],
    [0, 13],
    [5, 14],
  ] as const) {
    it(`is what an array would be in both forms, fill ${fill}, seed ${seed}`, () => {
      const random = new SeededRandom(seed)
      const keyspace = new Keyspace({ databaseCount: 1 })
      const rule = listNodeRule(fill)
      const ended = { packed: 0, large: 0 }
      keyspace.begin()
      for (let round = 0; round < 150; round++) {
        const key = Buffer.from(`list:${round}`)
        const list = newList(keyspace, key)
        const model = changeAtRandom(list, rule, random, false, random.int(1, 90))
        keyspace.lookup(0, key, 0, key.length)
        expect(elements(new ListWriter().edit(keyspace, 0, key, 0, key.length))).toEqual(model)
        if (keyspace.entry.isLarge) ended.large++
        else ended.packed++
        if (model.length === 0 || random.chance(0.3)) keyspace.delete(0, key, 0, key.length)
      }
      keyspace.end()
      checkKeyspace(keyspace)
      expect(ended.packed).toBeGreaterThan(0)
      expect(ended.large).toBeGreaterThan(0)
    })
  }

  it.each([1, 2, 3, 4, 5, 9])('leaves a list of %i nodes as before when memory ends in a change', async (nodes) => {
    // Two to a node, each too long for a packed list.
    const text = (name: number | string): string => `${name}${'.'.repeat(700)}`
    const names = Array.from({ length: nodes * 2 }, (_, i) => i)
    const end = nodes * 2 - 1
    const changes = [
      ['LPUSH', 'list', text('new'), text('newer')],
      ['RPUSH', 'list', text('new'), text('newer')],
      ['LSET', 'list', end, text('new').repeat(30)],
      ...names.flatMap((name) => [
        ['LINSERT', 'list', 'BEFORE', text(name), text('new')],
        ['LINSERT', 'list', 'AFTER', text(name), text('new')],
      ]),
    ]
    for (const change of changes) {
      let hasEnded = true
      for (let blocks = 0; hasEnded; blocks++) {
        const runner = new CommandRunner([listCommands])
        runner.settings.encodings.listMaxListpackSize = 2
        runner.run('RPUSH', 'list', ...names.map(text))
        const before = runner.text('LRANGE', 'list', 0, -1)
        hasEnded = false
        await withBlocks(runner.keyspace, blocks, () => runner.run(...change)).catch(() => (hasEnded = true))
        checkKeyspace(runner.keyspace)
        // Of two elements the first may be there.
        const added = Number(runner.text('LLEN', 'list').slice(1)) - names.length
        if (hasEnded && added === 0) expect(runner.text('LRANGE', 'list', 0, -1)).toBe(before)
        const pop = blocks % 2 === 0 ? 'LPOP' : 'RPOP'
        for (let left = names.length + added; left > 0; left--) {
          runner.run(pop, 'list')
          expect(runner.text('LLEN', 'list')).toBe(`:${left - 1}\r\n`)
        }
        checkKeyspace(runner.keyspace)
      }
    }
  })
})

describe('a short list', () => {
  it('stands in its record until it is too long for that', () => {
    const runner = new CommandRunner([listCommands])
    runner.run('RPUSH', 'list', 'x'.repeat(1000))
    // Header, item, end: 6 + 1004 + 1 bytes.
    expect(isPacked(runner, 'list')).toBe(true)
    runner.run('LPUSH', 'list', 'y'.repeat(11))
    expect(isPacked(runner, 'list')).toBe(true)
    runner.run('LPUSH', 'list', '')
    expect(isPacked(runner, 'list')).toBe(false)
    expect(runner.text('LRANGE', 'list', 0, 1)).toBe(`*2\r\n$0\r\n\r\n$11\r\n${'y'.repeat(11)}\r\n`)
    checkKeyspace(runner.keyspace)
  })

  it('has no more elements than a node may have', () => {
    const runner = new CommandRunner([listCommands])
    runner.settings.encodings.listMaxListpackSize = 3
    runner.run('RPUSH', 'list', 1, 2, 3)
    expect(isPacked(runner, 'list')).toBe(true)
    runner.run('LINSERT', 'list', 'AFTER', 1, 4)
    expect(isPacked(runner, 'list')).toBe(false)
    expect(runner.text('LRANGE', 'list', 0, -1)).toBe('*4\r\n$1\r\n1\r\n$1\r\n4\r\n$1\r\n2\r\n$1\r\n3\r\n')
  })

  it('costs one block', () => {
    const runner = new CommandRunner([listCommands])
    runner.run('RPUSH', 'list', 'a', 'b')
    expect(isPacked(runner, 'list')).toBe(true)
    // Record header, key, listpack of 6 + 2 * 3 + 1 bytes, rounded up to 8; a slot.
    expect(runner.keyspace.footprint()).toBe(32 + 8)
  })

  it('always lets itself be read, whatever the memory holds', () => {
    const random = new SeededRandom(15)
    const { keyspace } = new CommandRunner([listCommands])
    const key = Buffer.from('list')
    keyspace.begin()
    changeAtRandom(newList(keyspace, key), listNodeRule(-2), random, false, 20)
    keyspace.lookup(0, key, 0, key.length)
    const { entry } = keyspace
    const needle = Buffer.from('x'.repeat(64))
    for (let round = 0; round < 500; round++) {
      for (let i = random.int(1, 40); i > 0; i--) entry.bytes[entry.start + random.int(0, 300)] = random.int(0, 255)
      const cursor = new ListCursor().openPacked(entry)
      for (const backward of [false, true]) {
        let there = backward ? cursor.last() : cursor.seek(random.int(0, 100))
        for (let steps = 0; there && steps < 300; steps++) {
          if (cursor.load() && cursor.elementLength < 1 << 20) {
            cursor.copyElement(new Uint8Array(cursor.elementLength), 0)
            cursor.equals(needle, viewOf(needle), 0, needle.length)
          }
          there = backward ? cursor.previous() : cursor.next()
        }
      }
    }
    keyspace.end()
  })
})
