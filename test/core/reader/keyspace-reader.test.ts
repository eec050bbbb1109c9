/** The typed reader of the public door, over values of every type and form. */
import { KeyspaceReader } from '@understudy/core'
import { dataCommandFamilies, Keyspace, LibraryStore, Readers } from '@understudy/core/internal'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { fillAllTypes } from '../../support/shared-runner.ts'

const families = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('nobody asks')
  },
})

let keyspace: Keyspace
let writer: CommandRunner
let reader: KeyspaceReader

beforeEach(() => {
  keyspace = new Keyspace({ databaseCount: 4, hashSeed: new Uint8Array(16).map((_, i) => i + 1) })
  writer = new CommandRunner(families, { keyspace })
  reader = new KeyspaceReader(new Readers(keyspace).attach())
  fillAllTypes(writer)
})

afterEach(() => {
  vi.restoreAllMocks()
  reader.close()
})

describe('strings', () => {
  it.each([
    ['empty', ''],
    ['one character', 'x'],
    ['UTF-8 of all lengths', 'aé€😀'],
    ['longer than a slab holds', 'y'.repeat(3000)],
    ['in nodes', 'z'.repeat(100_000)],
  ])('%s', (_name, value) => {
    writer.run('SET', 'k', value)
    expect(reader.get('k')).toBe(value)
    expect(reader.getBuffer('k')?.toString()).toBe(value)
    const view = reader.view('k')!
    expect(Buffer.from(view.bytes.subarray(view.start, view.end)).toString()).toBe(value)
    expect(view.validate()).toBe(true)
    expect(reader.mget(['nothing', 'k', 'hash', 'k'])).toEqual([undefined, value, undefined, value])
    expect(reader.mgetBuffer([Buffer.from('k')])[0]?.toString()).toBe(value)
  })

  it('what is too long for a string of JavaScript is given as bytes', () => {
    const length = 2 ** 29
    writer.run('SETRANGE', 'long', length - 1, 'x')
    const tooBig = expect.objectContaining({ code: 'KEYSPACE_VALUE_TOO_BIG' })
    expect(() => reader.get('long')).toThrow(tooBig)
    expect(() => reader.mget(['a', 'long'])).toThrow(tooBig)
    expect(() => reader.together(() => reader.get('long'))).toThrow(tooBig)
    expect(reader.getBuffer('long')).toHaveLength(length)
    const view = reader.view('long')!
    expect([view.end - view.start, view.bytes[view.end - 1], view.validate()]).toEqual([length, 0x78, true])
  })

  it('keys are UTF-8 text or bytes, of any length', () => {
    for (const key of ['käse 🧀', 'k'.repeat(5000), `${'k'.repeat(50)} 🧀 é`, '']) {
      writer.run('SET', key, key.length)
      expect([reader.get(key), reader.get(Buffer.from(key))]).toEqual([String(key.length), String(key.length)])
    }
    expect(reader.get('no such key')).toBeUndefined()
  })

  it('Buffers are copies, each its own', () => {
    writer.run('MSET', 'a', 'first', 'b', 'second')
    const [a, b] = [reader.getBuffer('a')!, reader.getBuffer('b')!]
    expect([a, b]).toStrictEqual([Buffer.from('first'), Buffer.from('second')])
    expect(a.subarray(1)).toStrictEqual(Buffer.from('irst'))
    a.fill(0)
    expect([reader.get('a'), b.toString()]).toEqual(['first', 'second'])
  })

  it('what is neither text nor bytes is refused, not read as another key', () => {
    writer.run('SET', 'a', 'first')
    for (const key of [
      new Uint16Array([0x161]),
      [97],
      undefined,
      null,
      {},
      new ArrayBuffer(1),
    ] as unknown as string[]) {
      for (const read of [() => reader.get(key), () => reader.mget(['a', key]), () => reader.hget('hash', key)]) {
        expect(read).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
      }
    }
    for (const keys of ['a', Buffer.from('a'), new Set(['a']), undefined, null, 5, {}] as unknown as string[][]) {
      for (const read of [() => reader.mget(keys), () => reader.mgetBuffer(keys)]) {
        expect(read).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
      }
    }
    expect(reader.get('a')).toBe('first')
  })

  it('a Buffer that is transferred to another thread takes no other one along', () => {
    writer.run('MSET', 'a', 'first', 'b', 'second')
    const [a, b] = [reader.getBuffer('a')!, reader.getBuffer('b')!]
    const { port1 } = new MessageChannel()
    try {
      port1.postMessage(a, [a.buffer as ArrayBuffer])
    } catch (error) {
      // Node 20 copies what is not to be transferred, later ones refuse it.
      expect(error).toHaveProperty('name', 'DataCloneError')
    } finally {
      port1.close()
    }
    expect([b.toString(), reader.getBuffer('b')!.toString()]).toEqual(['second', 'second'])
  })

  it('a view tells when the value has changed, and when another shard has it does not mind', () => {
    const view = reader.view('string')!
    writer.run('SET', 'some other key', 'x')
    expect(view.validate()).toBe(true)
    writer.run('APPEND', 'string', '!')
    expect(view.validate()).toBe(false)
    expect(reader.view('nothing')).toBeUndefined()
  })

  it('another type is an error, not an absent key', () => {
    for (const read of [() => reader.get('list'), () => reader.view('zset'), () => reader.hget('string', 'f')]) {
      expect(read).toThrow(expect.objectContaining({ code: 'WRONG_TYPE' }))
    }
  })

  it('expired keys are absent', () => {
    writer.run('SET', 'k', 'v', 'PXAT', 2_000_000_000_000)
    expect([reader.get('k'), reader.expireAtMs('k')]).toEqual(['v', 2_000_000_000_000])
    vi.spyOn(Date, 'now').mockReturnValue(2_000_000_000_001)
    expect([reader.get('k'), reader.mget(['k']), reader.exists('k'), reader.ttl('k')]).toEqual([
      undefined,
      [undefined],
      0,
      -2,
    ])
  })
})

describe('other types', () => {
  it('keys', () => {
    expect(reader.exists('string', 'nothing', 'list', 'string')).toBe(3)
    expect(['string', 'hash', 'set:large', 'zset', 'list', 'stream', 'nothing'].map((key) => reader.type(key))).toEqual(
      ['string', 'hash', 'set', 'zset', 'list', 'stream', 'none'],
    )
    expect([reader.ttl('string'), reader.ttl('string:expiring'), reader.expireAtMs('nothing')]).toEqual([
      -1, 10_000, -2,
    ])
  })

  it('scan meets every key once, filtered as SCAN filters', () => {
    const collect = (options: Parameters<KeyspaceReader['scan']>[1]): string[] => {
      const found: string[] = []
      let page = reader.scan(0, options)
      for (; page.cursor !== 0; page = reader.scan(page.cursor, options)) found.push(...page.keys)
      return [...found, ...page.keys].toSorted()
    }
    expect(collect({ count: 3, match: 'set*' })).toEqual(['set', 'set:ints', 'set:large'])
    expect(collect({ type: 'zset' })).toEqual(['geo', 'zset', 'zset:large'])
    expect(reader.scanBuffer(0, { count: 1000 }).keys).toHaveLength(keyspace.size(0))
  })

  it('hashes', () => {
    expect([reader.hget('hash', 'b'), reader.hgetBuffer('hash:large', 'field 7')?.toString()]).toEqual([
      'two',
      'value 7',
    ])
    expect([reader.hget('hash', 'x'), reader.hget('nothing', 'x')]).toEqual([undefined, undefined])
    expect([...reader.hgetall('hash')]).toEqual([
      ['a', '1'],
      ['b', 'two'],
      ['c', '3.5'],
    ])
    expect(reader.hgetall('hash:large').get('field 1999')).toBe('value 1999')
    expect(reader.hgetallBuffer('hash').map(([field, value]) => `${field.toString()}=${value.toString()}`)).toEqual([
      'a=1',
      'b=two',
      'c=3.5',
    ])
    expect(reader.hgetall('nothing').size).toBe(0)
  })

  it('lists', () => {
    expect(reader.lrange('list', 0, 2)).toEqual(['a', 'b', '3'])
    expect(reader.lrange('list:large', 1990, -2)).toEqual(Array.from({ length: 10 }, (_, i) => `element ${1990 + i}`))
    expect(reader.lrangeBuffer('list', 1, 1)).toEqual([Buffer.from('b')])
    expect(reader.lrange('nothing', 0, -1)).toEqual([])
  })

  it('sets', () => {
    expect(reader.smembers('set').toSorted()).toEqual(['a', 'b', 'c', 'x'])
    expect(reader.smembersBuffer('set:ints').map(String)).toEqual(['1', '2', '3', '70000'])
    expect([reader.sismember('set:large', 'member 1234'), reader.sismember('set', 'member 1234')]).toEqual([
      true,
      false,
    ])
  })

  it('sorted sets', () => {
    expect([reader.zscore('zset', 'c'), reader.zscore('zset:large', 'member 9'), reader.zscore('zset', 'x')]).toEqual([
      2.5,
      2.25,
      undefined,
    ])
    writer.run('ZADD', 'edges', '-inf', 'low', '+inf', 'high')
    expect(reader.zrangeWithScores('edges', 0, -1)).toEqual([
      ['low', -Infinity],
      ['high', Infinity],
    ])
    expect(reader.zrange('zset', 0, 1)).toEqual(['a', 'b'])
    expect(reader.zrangeBuffer('zset:large', -1, -1).map(String)).toEqual(['member 1999'])
  })

  it('streams', () => {
    expect(reader.xrange('stream', '2', '3')).toEqual([
      {
        id: '2-0',
        fields: [
          ['field', 'value 1'],
          ['other', '1'],
        ],
      },
      {
        id: '3-0',
        fields: [
          ['field', 'value 2'],
          ['other', '2'],
        ],
      },
    ])
    expect(reader.xrange('stream', '-', '+', 7)).toHaveLength(7)
    expect(() => reader.xrange('stream', 'no ID', '+')).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
  })
})

describe('a reader', () => {
  it('reads the database it is told to', () => {
    writer.db = 3
    writer.run('SET', 'string', 'in database 3')
    const other = new KeyspaceReader(new Readers(keyspace).attach(), { db: 3 })
    expect([other.db, other.get('string')]).toEqual([3, 'in database 3'])
    other.db = 0
    expect(other.get('string')).toBe('the quick brown fox')
    // JavaScript passes what it likes: the last is what an environment variable holds.
    for (const db of [4, -1, 1.5, Number.NaN, '3' as unknown as number]) {
      expect(() => (other.db = db)).toThrow(expect.objectContaining({ code: 'KEYSPACE_BAD_DATABASE' }))
    }
    expect(other.db).toBe(0)
    other.close()
  })

  it('makes several reads of one moment', () => {
    writer.run('SET', 'a', '0')
    writer.run('HSET', 'h', 'f', '0')
    let attempts = 0
    const seen = reader.together(() => {
      const a = reader.get('a')
      if (attempts++ < 2) {
        keyspace.begin()
        keyspace.end()
        writer.run('SET', 'a', attempts)
        writer.run('HSET', 'h', 'f', attempts)
      }
      return [a, reader.hget('h', 'f'), reader.together(() => reader.mget(['a']))]
    })
    expect(seen).toEqual(['2', '2', ['2']])
    expect([attempts, reader.retries]).toEqual([3, 2])
  })

  it('the id of the stream is one of several reads, and does not end those before it', () => {
    writer.run('MSET', 'a', '0', 'b', '0')
    let attempts = 0
    const seen = reader.together(() => {
      const a = reader.get('a')
      const { replid } = reader
      if (attempts++ === 0) writer.run('MSET', 'a', '1', 'b', '1')
      return [a, replid, reader.get('b')]
    })
    expect(seen).toEqual(['1', '0'.repeat(40), '1'])
    expect(attempts).toBe(2)
  })

  it('an error inside of several reads is thrown, and the next read is one of its own', () => {
    expect(() => reader.together(() => reader.get('list'))).toThrow(expect.objectContaining({ code: 'WRONG_TYPE' }))
    expect(reader.get('string')).toBe('the quick brown fox')
  })

  it.each([undefined, null, {}, 'handle', { handle: {} }])('is not opened with %j', (handle) => {
    const refused = expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringMatching(/attach/) })
    expect(() => new KeyspaceReader(handle as never)).toThrow(refused)
  })

  it('several reads that wait in between are none of one moment', async () => {
    let attempts = 0
    const read = async (): Promise<unknown> => {
      const first = reader.get('string')
      if (attempts++ === 0) writer.run('SET', 'string', 'another')
      await Promise.resolve()
      return [first, reader.get('list')]
    }
    expect(() => reader.together(read)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
    expect(attempts).toBe(2)
    // What it does behind that, and how it fails, is nobody's.
    await new Promise((resolve) => setImmediate(resolve))
    expect(reader.get('string')).toBe('another')
  })

  it('tells the offset of what it read, and how old it is', () => {
    const note = (offset: number): void => {
      keyspace.begin()
      keyspace.position.note(offset, Date.now() - 1500)
      keyspace.end()
    }
    note(4711)
    reader.get('string')
    expect(reader.offset).toBe(4711)
    expect(reader.lagMs).toBeGreaterThanOrEqual(1500)
    note(4712)
    expect(reader.offset).toBe(4711)
    reader.lrange('list', 0, 0)
    expect(reader.offset).toBe(4712)
  })

  it('takes no more than it is given when closed', () => {
    reader.close()
    for (const read of [
      () => reader.get('string'),
      () => reader.lrange('list', 0, 1),
      () => reader.together(() => 1),
    ]) {
      expect(read).toThrow(expect.objectContaining({ code: 'NOT_READY' }))
    }
  })

  it('has no valid views when it is closed: the writer, then alone, does not count changes', async () => {
    const view = reader.view('string')!
    reader.close()
    await vi.waitFor(() => expect(keyspace.counters.active).toBe(false))
    writer.run('SETRANGE', 'string', 0, 'THE')
    expect(view.validate()).toBe(false)
  })

  it('that could not be opened is none: the writer is told of it', async () => {
    reader.close()
    const readers = new Readers(keyspace)
    const handle = readers.attach()
    expect(() => new KeyspaceReader(handle, { db: 4 })).toThrow(
      expect.objectContaining({ code: 'KEYSPACE_BAD_DATABASE' }),
    )
    await vi.waitFor(() => expect(readers.count).toBe(0))
  })
})
