import { encodedStringBytesMax, encodeString, type RdbError, ReplicaError } from '@understudy/core/internal'
import { RdbScanner, ScanWindow } from '@understudy/rdb-worker'
import { describe, expect, it } from 'vitest'
import { MemorySink } from '../../support/memory-sink.ts'
import { buildListpack, buildZiplist } from '../../support/packed-builder.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { corpus, corpusBytes } from '../../support/rdb-corpus.ts'
import { scanBytes, scanPieces, type ScanRunOptions } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cuttings } from '../../support/short-reads.ts'

function failure(bytes: Uint8Array, options?: ScanRunOptions): RdbError {
  try {
    scanBytes(bytes, options)
  } catch (error) {
    return error as RdbError
  }
  throw new Error('the snapshot was taken')
}

function compressed(bytes: Uint8Array): Uint8Array {
  const target = new Uint8Array(encodedStringBytesMax(bytes.length))
  return target.subarray(0, encodeString(bytes, 0, bytes.length, true, target, 0))
}

/** An entry of every shape, larger than the smallest window in every part that can be. */
function everything(): Buffer {
  const random = new SeededRandom(11)
  const long = random.text(5000)
  const listpack = buildListpack(Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? BigInt(i * 1000) : `item ${i}`)))
  const ziplist = buildZiplist(Array.from({ length: 200 }, (_, i) => `field ${i} ${'.'.repeat(i % 20)}`))
  const list = new RdbBuilder('').length(300)
  for (let i = 0; i < 300; i++) list.string(i === 7 ? long : `element ${i}`)
  const quicklist = new RdbBuilder('')
    .length(3)
    .length(2)
    .string(listpack)
    .length(1)
    .string(long)
    .length(2)
    .raw(compressed(listpack))
  return new RdbBuilder()
    .aux('redis-ver', '7.0.15')
    .aux('long', long)
    .raw(245)
    .string(`#!lua name=x\n${long}`)
    .selectDb(0)
    .raw(251)
    .length(10)
    .length(2)
    .text('plain', 'value')
    .raw(0)
    .string('int')
    .raw(0xc1, 0x39, 0x30)
    .raw(0, 0xc0, 0x85)
    .raw(0xc2, 1, 2, 3, 4)
    .expireAtMs(1_900_000_000_123n)
    .raw(249, 77)
    .text('with ttl', 'v')
    .raw(248)
    .length(1234)
    .text('idle', 'v')
    .text('long value', long)
    .text(`long key ${long}`, 'v')
    .text(`long both ${long}`, long)
    .raw(0)
    .string('compressed')
    .raw(compressed(Buffer.alloc(3000, 'abc')))
    .raw(0)
    .string('compressed, still long')
    .raw(compressed(Buffer.from(long + long)))
    .raw(0)
    .raw(compressed(Buffer.from(`compressed key${long.slice(0, 600)}${long}`)))
    .string('v')
    .entry(1, 'list', list.bytes())
    .entry(18, 'quicklist', quicklist.bytes())
    .entry(13, 'ziplist hash', new RdbBuilder('').string(ziplist).bytes())
    .entry(13, 'compressed ziplist hash', compressed(ziplist))
    .entry(7, 'module', moduleValue(long))
    .raw(247)
    .raw(moduleId('testmodul'))
    .length(2)
    .length(1)
    .raw(5)
    .string(long)
    .raw(0)
    .raw(244)
    .length(5)
    .length(100_000)
    .length(20)
    .selectDb(3)
    .text('plain', 'in another database')
    .end()
}

function moduleId(name: string): Uint8Array {
  const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  let id = 0n
  for (const character of name) id = (id << 6n) | BigInt(characters.indexOf(character))
  const bytes = Buffer.alloc(9, 0x81)
  bytes.writeBigUInt64BE((id << 10n) | 1n, 1)
  return bytes
}

function moduleValue(text: string): Buffer {
  return new RdbBuilder('')
    .raw(moduleId('testmodul'))
    .raw(2)
    .length(7)
    .raw(1)
    .length(8)
    .raw(3)
    .raw(Buffer.alloc(4))
    .raw(4)
    .raw(Buffer.alloc(8))
    .raw(5)
    .string(text)
    .raw(0)
    .bytes()
}

describe('the scanner', () => {
  it('gives every part of a snapshot to the sink', () => {
    const { sink, summary, keyCount } = scanBytes(everything())
    expect(sink.counts()).toEqual({ db0: 15, db3: 1 })
    expect(keyCount).toBe(16)
    expect(summary).toMatchObject({
      version: 10,
      skippedModules: { testmodul: 1 },
      skippedModuleAux: 1,
      emptyKeysDropped: 0,
      checksumVerified: true,
      keysByType: { 0: 12, 1: 1, 13: 2, 18: 1 },
    })
    expect(summary.aux[0]).toEqual(['redis-ver', '7.0.15'])
    expect(summary.functions).toHaveLength(1)
    const db = sink.databases.get(0)!
    const text = (key: string): string => Buffer.from(db.get(key)!.value).toString()
    expect(text('int')).toBe('12345')
    expect(text('-123')).toBe('67305985')
    expect(text('compressed')).toBe('abc'.repeat(1000))
    expect(db.get('with ttl')).toMatchObject({ expireAtMs: 1_900_000_000_123, freq: 77, idleSeconds: -1 })
    expect(db.get('idle')).toMatchObject({ expireAtMs: -1, freq: -1, idleSeconds: 1234 })
    expect(db.get('plain')).toMatchObject({ expireAtMs: -1, freq: -1, idleSeconds: -1 })
  })

  it('gives the same whatever the pieces and the window are', () => {
    const bytes = everything()
    const expected = scanBytes(bytes)
    for (const windowBytes of [1024, 1500, 4096, 20_000, undefined]) {
      for (const cutting of cuttings(bytes, { seed: 12, rounds: 6 })) {
        const options = windowBytes === undefined ? {} : { windowBytes }
        const { sink, summary } = scanPieces(cutting.pieces, options)
        expect(sink.content(), `${cutting.name}, window ${windowBytes}`).toEqual(expected.sink.content())
        expect(summary, `${cutting.name}, window ${windowBytes}`).toEqual(expected.summary)
      }
    }
  })

  it('gives the same for the corpus whatever the pieces are', () => {
    for (const { file, bytes: length } of corpus()) {
      const bytes = corpusBytes(file)
      const run = (pieces: readonly Uint8Array[], options: ScanRunOptions): unknown => {
        try {
          const { sink, summary } = scanPieces(pieces, options)
          return [sink.content(), summary]
        } catch (error) {
          const { code, byteOffset, opcode } = error as RdbError
          return { code, byteOffset, opcode }
        }
      }
      const expected = run([bytes], {})
      const rounds = length > 20_000 ? 2 : 5
      for (const windowBytes of [1024, 5000]) {
        for (const { name, pieces } of cuttings(bytes, { seed: 13, rounds })) {
          expect(run(pieces, { windowBytes }), `${file}, ${name}, window ${windowBytes}`).toEqual(expected)
        }
      }
    }
  })

  it('says where the snapshot ends, and leaves what follows', () => {
    const snapshot = everything()
    const bytes = Buffer.concat([snapshot, Buffer.from('the next bytes')])
    const scanner = new RdbScanner(new MemorySink(16), { verifyChecksum: true })
    const window = new ScanWindow(scanner, 2048)
    const at = window.write(bytes, 0, bytes.length)
    expect(scanner.finished).toBe(true)
    expect(scanner.summary().byteCount).toBe(snapshot.length)
    expect(Buffer.concat([window.rest(), bytes.subarray(at)]).toString()).toBe('the next bytes')
  })

  it('gives a value longer than the window in pieces', () => {
    const calls: string[] = []
    const sink = new MemorySink(16)
    const put = sink.put.bind(sink)
    sink.begin = () => calls.push('begin')
    sink.append = (_bytes, start, end) => calls.push(`append ${end - start}`)
    sink.end = () => calls.push('end')
    sink.put = (...args) => {
      calls.push('put')
      put(...args)
    }
    const bytes = new RdbBuilder().selectDb(0).text('k', 'x'.repeat(3000)).text('l', 'y').end()
    const scanner = new RdbScanner(sink, { verifyChecksum: true })
    new ScanWindow(scanner, 1024).write(bytes, 0, bytes.length)
    expect(calls[0]).toBe('begin')
    expect(calls.slice(-2)).toEqual(['end', 'put'])
    const sizes = calls.filter((call) => call.startsWith('append')).map((call) => Number(call.slice(7)))
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3000)
  })

  it('never shows a sink bytes that are overwritten before it flushes', () => {
    // A sink that puts everything off, as the keyspace does.
    const bytes = everything()
    const late = new MemorySink(16)
    let waiting: Parameters<MemorySink['put']>[] = []
    const sink = new MemorySink(16)
    sink.put = (...args) => waiting.push(args)
    const drain = (): void => {
      for (const args of waiting) late.put(...args)
      waiting = []
    }
    sink.flush = drain
    sink.begin = (...args) => {
      drain()
      late.begin(...args)
    }
    sink.append = late.append.bind(late)
    sink.end = late.end.bind(late)
    for (const { pieces } of cuttings(bytes, { seed: 14, rounds: 3 })) {
      late.databases.clear()
      const window = new ScanWindow(new RdbScanner(sink, { verifyChecksum: true }), 3000)
      for (const piece of pieces) window.write(piece, 0, piece.length)
      expect(late.content()).toEqual(scanBytes(bytes).sink.content())
    }
  })

  it('takes negative and huge expiry times', () => {
    const bytes = new RdbBuilder()
      .selectDb(0)
      .expireAtMs(-5n)
      .text('a', '1')
      .expireAtMs(-1n)
      .text('b', '1')
      .expireAtMs(2n ** 63n - 1n)
      .text('c', '1')
      .raw(253, 0, 0, 0, 0x7f)
      .text('d', '1')
      .raw(253, 255, 255, 255, 255)
      .text('e', '1')
      .end()
    const db = scanBytes(bytes).sink.databases.get(0)!
    expect([...db.values()].map(({ expireAtMs }) => expireAtMs)).toEqual([0, -1, 2 ** 63, 0x7f000000 * 1000, -1])
  })
})

describe('the checksum', () => {
  const bytes = new RdbBuilder().selectDb(0).text('key', 'value').end()

  it('is compared unless it is switched off or zero', () => {
    const wrong = Buffer.from(bytes)
    wrong[wrong.length - 1]! ^= 1
    expect(failure(wrong)).toMatchObject({ code: 'RDB_BAD_CHECKSUM', byteOffset: bytes.length - 8 })
    expect(scanBytes(wrong, { verifyChecksum: false }).summary.checksumVerified).toBe(false)
    wrong.fill(0, bytes.length - 8)
    expect(scanBytes(wrong).summary.checksumVerified).toBe(false)
    expect(scanBytes(bytes).summary.checksumVerified).toBe(true)
  })
})

describe('later versions', () => {
  it.each(['REDIS0013', 'REDIS0014', 'REDIS0015', 'REDIS0016', 'VALKEY080', 'VALKEY081'])(
    '%s is read as far as its types are known',
    (magic) => {
      const { sink, summary } = scanBytes(new RdbBuilder(magic).text('a', 'b').entry(2, 's', 1, 1, 0x61).end())
      expect(sink.counts()).toEqual({ db0: 2 })
      expect(summary).toMatchObject({
        family: magic.startsWith('V') ? 'valkey' : 'redis',
        version: Number(magic.slice(-2)),
      })
    },
  )

  it('metadata of modules in front of a key are skipped and counted', () => {
    const meta = (name: string): Uint8Array =>
      new RdbBuilder('').raw(Buffer.from(name)).raw(2).length(7).raw(5).string('abc').raw(0).bytes()
    const rdb = new RdbBuilder('REDIS0013')
    rdb.raw(243).length(2).raw(meta('CLA0'), meta('CLA1')).text('a', 'b')
    rdb.expireAtMs(5n).raw(243).length(1).raw(meta('CLA0')).text('c', 'd')
    for (const { name, pieces } of cuttings(rdb.end(), { seed: 9, rounds: 4 })) {
      const { sink, summary } = scanPieces(pieces)
      expect(sink.counts(), name).toEqual({ db0: 2 })
      expect(sink.databases.get(0)!.get('c')!.expireAtMs, name).toBe(5)
      expect(summary.skippedKeyMeta, name).toBe(2)
    }
  })
})

describe('what is refused', () => {
  it.each<[string, Uint8Array, string, number]>([
    ['something else', Buffer.from('HTTP/1.1 200 OK'), 'RDB_BAD_MAGIC', 0],
    ['version 0', Buffer.from('REDIS0000\xff'), 'RDB_BAD_VERSION', 0],
    ['version 17', Buffer.from('REDIS0017\xff'), 'RDB_BAD_VERSION', 0],
    ["a version of Valkey's in the header of Redis", Buffer.from('REDIS0080\xff'), 'RDB_BAD_VERSION', 0],
    ['version 79 of Valkey', Buffer.from('VALKEY079\xff'), 'RDB_BAD_VERSION', 0],
    ['version 82 of Valkey', Buffer.from('VALKEY082\xff'), 'RDB_BAD_VERSION', 0],
    ['a version that is no number', Buffer.from('REDIS00x1\xff'), 'RDB_BAD_MAGIC', 0],
    ['nothing', new Uint8Array(0), 'RDB_TRUNCATED', 0],
    ['half a magic', Buffer.from('REDIS'), 'RDB_TRUNCATED', 5],
    ['no EOF', new RdbBuilder().text('a', 'b').bytes(), 'RDB_TRUNCATED', 14],
    ['half a checksum', new RdbBuilder().end().subarray(0, 14), 'RDB_TRUNCATED', 14],
    ['an unknown opcode', new RdbBuilder().raw(241, 1).end(), 'RDB_BAD_OPCODE', 9],
    ['a function of a release candidate', new RdbBuilder().raw(246, 1).end(), 'RDB_BAD_OPCODE', 9],
    ['an unknown type', new RdbBuilder().entry(8, 'k', 1).end(), 'RDB_BAD_TYPE', 9],
    ['an old module value', new RdbBuilder().entry(6, 'k', 1).end(), 'RDB_BAD_TYPE', 9],
    ['a type of a later version', new RdbBuilder().entry(26, 'k', 1).end(), 'RDB_BAD_TYPE', 9],
    ["a Redis type in Valkey's snapshot", new RdbBuilder('VALKEY080').entry(24, 'k', 1).end(), 'RDB_BAD_TYPE', 9],
    ['a database that does not exist', new RdbBuilder().selectDb(16).end(), 'KEYSPACE_BAD_DATABASE', 10],
    ['a database number that is none', new RdbBuilder().raw(254, 0xc0, 1).end(), 'RDB_BAD_LENGTH', 10],
    ['a length of an unknown form', new RdbBuilder().raw(254, 0x82).end(), 'RDB_BAD_LENGTH', 10],
    ['a key of 2^60 bytes', new RdbBuilder().raw(0, 0x81, 0x10, 0, 0, 0, 0, 0, 0, 0).end(), 'RDB_BAD_LENGTH', 10],
    ['an unknown string encoding', new RdbBuilder().raw(0, 0xc4, 1).end(), 'RDB_BAD_LENGTH', 10],
    [
      'a value that repeats from nowhere',
      new RdbBuilder().raw(0, 1, 0x6b, 0xc3, 2, 5, 0x60, 0).end(),
      'RDB_BAD_VALUE',
      12,
    ],
    [
      'compression beyond what is possible',
      new RdbBuilder().raw(0, 1, 0x6b, 0xc3, 2, 0x81, 16, 0, 0, 0, 0, 0, 0, 0).end(),
      'RDB_BAD_LENGTH',
      12,
    ],
    [
      'a score that is not a number',
      new RdbBuilder().entry(5, 'k', 1, 1, 0x61, 1, 0, 0, 0, 0, 0, 0xf0, 0x7f).end(),
      'RDB_BAD_VALUE',
      15,
    ],
    [
      'a score of old form that is no number',
      new RdbBuilder().entry(3, 'k', 1, 1, 0x61, 3, 0x31, 0x78, 0x32).end(),
      'RDB_BAD_VALUE',
      15,
    ],
    ['an old score that says so', new RdbBuilder().entry(3, 'k', 1, 1, 0x61, 253).end(), 'RDB_BAD_VALUE', 15],
    ['a list node of an unknown kind', new RdbBuilder().entry(18, 'k', 1, 3, 1, 0x61).end(), 'RDB_BAD_VALUE', 13],
    ['a stream ID of 15 bytes', new RdbBuilder().entry(15, 'k', 1, 15, ...Buffer.alloc(20)).end(), 'RDB_BAD_VALUE', 13],
    [
      'a hash listpack of an odd count',
      new RdbBuilder().entry(16, 'k', new RdbBuilder('').string(buildListpack(['a'])).bytes()).end(),
      'RDB_BAD_VALUE',
      13,
    ],
    ['an intset stored as an integer', new RdbBuilder().entry(11, 'k', 0xc0, 5).end(), 'RDB_BAD_VALUE', 12],
    ['an unknown module item', new RdbBuilder().entry(7, 'k', 5, 6).end(), 'RDB_BAD_VALUE', 13],
    [
      'a field TTL beyond 2^48',
      new RdbBuilder('REDIS0012').entry(22, 'k', 1, 0x81, 1, 0, 0, 0, 0, 0, 0, 0).end(),
      'RDB_BAD_VALUE',
      13,
    ],
  ])('%s', (_name, bytes, code, byteOffset) => {
    const error = failure(bytes)
    expect({ code: error.code, byteOffset: error.byteOffset }).toEqual({ code, byteOffset })
    expect(error.message).toContain(`(at byte ${byteOffset}`)
  })

  it.each<[string, string, number, RegExp]>([
    ['REDIS0013', 'RDB_BAD_TYPE', 26, /value type 26 \(STREAM_LISTPACKS_4, of Redis 8\.6\) is not supported/],
    ['REDIS0014', 'RDB_BAD_TYPE', 28, /value type 28 \(ARRAY, of Redis 8\.8\)/],
    ['REDIS0016', 'RDB_BAD_TYPE', 32, /value type 32 \(HASH_TMPL_ARRAY_REF, of Redis 8\.10\)/],
    ['REDIS0016', 'RDB_BAD_TYPE', 34, /unknown value type 34/],
    ['REDIS0016', 'RDB_BAD_OPCODE', 242, /opcode 242 \(HASH_TEMPLATES, of Redis 8\.10\)/],
    ['REDIS0016', 'RDB_BAD_OPCODE', 241, /unknown opcode 241/],
    ['VALKEY081', 'RDB_BAD_TYPE', 23, /value type 23 \(PATH_HASH, of Valkey 9\.2\)/],
    ['VALKEY080', 'RDB_BAD_TYPE', 24, /unknown value type 24/],
    ['VALKEY081', 'RDB_BAD_OPCODE', 242, /opcode 242 \(UPDATE, of Valkey 9\.2\)/],
  ])('by name, what %s may have (%s, %i)', (magic, code, number, message) => {
    const bytes = new RdbBuilder(magic).text('before', 'it').raw(number, 1, 0x6b, 0, 0, 0, 0).end()
    expect(failure(bytes)).toMatchObject({ code, byteOffset: 20, message: expect.stringMatching(message) })
  })

  it('says where a compressed string begins that is wrong, however it had to be gathered', () => {
    // 3000 literals, and then a copy from before the beginning.
    const literals = Buffer.concat(Array.from({ length: 100 }, () => Buffer.alloc(31, 0x61).fill(29, 0, 1)))
    const compressed = Buffer.concat([literals, Buffer.of(0xff, 0, 0xff)])
    const wrong = new RdbBuilder('').raw(0xc3).length(compressed.length).length(3009).raw(compressed).bytes()
    for (const [bytes, byteOffset] of [
      [new RdbBuilder().selectDb(0).raw(0).string('k').raw(wrong).end(), 14],
      [new RdbBuilder().selectDb(0).raw(0).raw(wrong).string('v').end(), 12],
      [new RdbBuilder().raw(250).string('name').raw(wrong).end(), 15],
    ] as const) {
      for (const windowBytes of [1024, 1 << 20]) {
        expect(failure(bytes, { windowBytes })).toMatchObject({ code: 'RDB_BAD_VALUE', byteOffset })
      }
    }
  })

  it('what is held whole and claims more than may be, before its bytes come', () => {
    const claims = (mebibytes: number): Buffer =>
      new RdbBuilder('')
        .raw(0xc3)
        .length(mebibytes << 18)
        .length(mebibytes << 20)
        .bytes()
    const plain = (mebibytes: number): Buffer => new RdbBuilder('').length(mebibytes << 20).bytes()
    for (const string of [claims, plain]) {
      for (const [bytes, byteOffset] of [
        [new RdbBuilder().raw(250).string('name').raw(string(65)).bytes(), 15],
        [new RdbBuilder().raw(250).raw(string(65)).bytes(), 10],
        [new RdbBuilder().raw(245).string('one').raw(245, string(256)).bytes(), 15],
        [new RdbBuilder().selectDb(0).raw(0).raw(string(1025)).bytes(), 12],
      ] as const) {
        expect(failure(bytes)).toMatchObject({ code: 'RDB_BAD_LENGTH', byteOffset })
      }
    }
  })

  it('names the key and the type', () => {
    const bytes = new RdbBuilder().selectDb(0).entry(18, "k\n'\x80", 1, 3, 1, 0x61).end()
    expect(failure(bytes)).toMatchObject({ opcode: 18, key: 'k\\x0a\\x27\\xc2\\x80' })
    expect(failure(bytes).message).toContain("key 'k\\x0a\\x27\\xc2\\x80'")
  })

  it('a length beyond the end of a snapshot of known length, at once', () => {
    const start = new RdbBuilder().selectDb(0).raw(0).string('k').raw(0x80, 0x20, 0, 0, 0).bytes()
    expect(failure(start, { totalBytes: 1000 })).toMatchObject({ code: 'RDB_BAD_LENGTH', byteOffset: 14, key: 'k' })
    expect(failure(start)).toMatchObject({ code: 'RDB_TRUNCATED', byteOffset: start.length })
    const element = new RdbBuilder().selectDb(0).entry(1, 'k', 1, 0x80, 0x20, 0, 0, 0).bytes()
    expect(failure(element, { totalBytes: 1000 })).toMatchObject({ code: 'RDB_BAD_LENGTH', byteOffset: 15, key: 'k' })
  })

  it('a key that comes twice, with the place', () => {
    const bytes = new RdbBuilder().selectDb(0).text('k', '1').text('other', '1').text('k', '2').end()
    const error = failure(bytes)
    expect(error).toMatchObject({ code: 'RDB_DUPLICATE_KEY', byteOffset: 25, name: 'RdbError' })
    expect(error.message).toContain("'k'")
  })

  it('leaves bugs as they are', () => {
    const sink = new MemorySink(16)
    sink.put = () => {
      throw new TypeError('a bug')
    }
    const bytes = new RdbBuilder().selectDb(0).text('k', '1').end()
    const window = new ScanWindow(new RdbScanner(sink, { verifyChecksum: true }))
    expect(() => window.write(bytes, 0, bytes.length)).toThrow(TypeError)
    sink.put = () => {
      throw new ReplicaError('KEYSPACE_OUT_OF_MEMORY', 'full')
    }
    const again = new ScanWindow(new RdbScanner(sink, { verifyChecksum: true }))
    expect(() => again.write(bytes, 0, bytes.length)).toThrow(
      expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY', byteOffset: 11 }),
    )
  })

  it('claimed lengths allocate nothing', () => {
    const huge = [0x81, 0, 0, 0, 0x80, 0, 0, 0, 0] // 2^39
    const before = process.memoryUsage().arrayBuffers
    for (const value of [
      [0, 1, 0x6b, ...huge],
      [0, ...huge],
      [1, 1, 0x6b, ...huge],
      [1, 1, 0x6b, 1, ...huge],
      [16, 1, 0x6b, 0x80, 0x20, 0, 0, 0],
      [250, ...huge],
      [245, ...huge],
      [251, ...huge, ...huge],
      [7, 1, 0x6b, 1, 5, ...huge],
    ]) {
      const bytes = new RdbBuilder().selectDb(0).raw(Uint8Array.from(value)).bytes()
      const tail = Buffer.alloc(3000, 0x61)
      try {
        scanPieces([bytes, tail], { windowBytes: 1024 })
        expect.unreachable()
      } catch (error) {
        expect((error as RdbError).code).toMatch(/^RDB_(TRUNCATED|BAD_LENGTH|BAD_VALUE|BAD_TYPE)$/)
      }
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20)
  })
})
