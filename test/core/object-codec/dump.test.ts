import {
  bytesSource,
  countElements,
  decodeRestore,
  encodeDump,
  parseCanonicalInt32,
  type RdbError,
  rdbTypeFacts,
  rdbTypeOf,
  rdbVersionFor,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { buildIntset, buildListpack, buildZiplist } from '../../support/packed-builder.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { corpus, corpusBytes } from '../../support/rdb-corpus.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

function roundTrip(rdbType: number, value: Uint8Array, compress = true): Uint8Array {
  const restored = decodeRestore(encodeDump(rdbType, bytesSource(value), compress))
  expect(restored.rdbType).toBe(rdbType)
  return restored.bytes.subarray(restored.start, restored.end)
}

function refusal(payload: Uint8Array): RdbError {
  try {
    decodeRestore(payload)
  } catch (error) {
    return error as RdbError
  }
  throw new Error('the payload was taken')
}

describe('DUMP and RESTORE', () => {
  it('bring strings back as they were', () => {
    const random = new SeededRandom(21)
    const texts = [
      '',
      '0',
      '-0',
      '1',
      '-1',
      '007',
      '+7',
      '127',
      '128',
      '-128',
      '-129',
      '32767',
      '32768',
      '2147483647',
      '2147483648',
      '-2147483648',
      '-2147483649',
      '12a',
      ' 1',
      'a'.repeat(20),
      'a'.repeat(21),
      'ab'.repeat(10_000),
      random.text(70_000),
    ]
    for (const text of texts) {
      for (const compress of [true, false]) {
        expect(Buffer.from(roundTrip(0, Buffer.from(text), compress)).toString(), text.slice(0, 30)).toBe(text)
      }
    }
  })

  it('write strings in their shortest form', () => {
    const dump = (text: string): string => Buffer.from(encodeDump(0, bytesSource(Buffer.from(text)))).toString('hex')
    // As redis-server 7.0.15 answers DUMP.
    expect(dump('10')).toMatch(/^00c00a0a00/)
    expect(dump('1000')).toMatch(/^00c1e8030a00/)
    expect(dump('100000')).toMatch(/^00c2a08601000a00/)
    expect(dump('5000000000')).toMatch(/^000a35/)
    expect(dump('a'.repeat(100)).length / 2).toBeLessThan(25)
  })

  it('bring every value of the corpus back as it was', () => {
    let values = 0
    for (const { file, redis_7_0_15: redis7, redis_8_dev_2024_10: redis8 } of corpus()) {
      if (redis7.refused !== undefined && redis8.refused !== undefined) continue
      for (const entries of scanBytes(corpusBytes(file)).sink.databases.values()) {
        for (const [key, { rdbType, value }] of entries) {
          expect(Buffer.compare(roundTrip(rdbType, value), value), `${file} ${key}`).toBe(0)
          values++
        }
      }
    }
    expect(values).toBeGreaterThan(500)
  })

  it('carry the lowest version that knows the type, 10 at the least', () => {
    const version = (type: number): number => encodeDump(type, bytesSource(new Uint8Array(3))).at(4)!
    expect([1, 18, 19, 20, 21, 24, 25].map(version)).toEqual([10, 10, 10, 11, 11, 12, 12])
    expect(rdbVersionFor(5)).toBe(10)
  })

  it('refuse damage', () => {
    const list = new RdbBuilder('').length(2).string('a').string('b').bytes()
    const good = encodeDump(1, bytesSource(list))
    for (let at = 0; at < good.length; at++) {
      const bad = Uint8Array.from(good)
      bad[at]! ^= 0x10
      const { code } = refusal(bad)
      // The version is looked at first, as in Redis.
      expect(code).toBe(at === good.length - 10 || at === good.length - 9 ? 'RDB_BAD_VERSION' : 'RDB_BAD_CHECKSUM')
    }
    for (let length = 0; length < 11; length++) expect(refusal(good.subarray(0, length)).code).toBe('RDB_TRUNCATED')
  })

  it('refuse what is no value, whatever the checksum says', () => {
    const payload = (rdbType: number, value: Uint8Array, version = 10): Uint8Array =>
      Buffer.concat([Buffer.of(rdbType), value, Buffer.of(version, 0), Buffer.alloc(8)])
    expect(refusal(payload(1, Buffer.of(2, 1, 0x61))).code).toBe('RDB_BAD_VALUE')
    expect(refusal(payload(1, Buffer.of(0))).code).toBe('RDB_BAD_VALUE')
    expect(refusal(payload(1, Buffer.of(1, 0x80, 0x20, 0, 0, 0, 1))).code).toBe('RDB_BAD_LENGTH')
    expect(refusal(payload(7, Buffer.of(5, 0))).code).toBe('RDB_BAD_TYPE')
    expect(refusal(payload(8, Buffer.of(5, 0))).code).toBe('RDB_BAD_TYPE')
    expect(refusal(payload(16, Buffer.of(1, 0x61))).code).toBe('RDB_BAD_VALUE')
    expect(refusal(payload(0, Buffer.of(1, 0x61), 17)).code).toBe('RDB_BAD_VERSION')
    const restored = decodeRestore(payload(0, Buffer.of(1, 0x61)))
    expect(Buffer.from(restored.bytes.subarray(restored.start, restored.end)).toString()).toBe('a')
  })

  it("take a hash of Valkey by its payload's version", () => {
    const value = Buffer.concat([
      Buffer.of(1, 1, 0x66, 1, 0x76),
      Buffer.from('ffffffffffffffff', 'hex'),
      Buffer.of(80, 0),
      Buffer.alloc(8),
    ])
    const restored = decodeRestore(Buffer.concat([Buffer.of(22), value]))
    expect(restored.rdbType).toBe(24)
    expect(Buffer.from(restored.bytes.subarray(restored.start, restored.end)).toString('hex')).toBe(
      '0000000000000000010001660176',
    )
  })
})

describe('the number of elements', () => {
  const blob = (bytes: Uint8Array): Uint8Array => new RdbBuilder('').string(bytes).bytes()

  it.each<[string, number, Uint8Array, number]>([
    ['list', 1, new RdbBuilder('').length(3).string('a').string('b').string('c').bytes(), 3],
    ['set of an intset', 11, blob(buildIntset(4, [1n, 2n, 3n])), 3],
    ['hash of a ziplist', 13, blob(buildZiplist(['a', 'b', 'c', 'd'])), 2],
    ['list of a ziplist', 10, blob(buildZiplist(['a', 'b', 'c', 'd'])), 4],
    ['set of a listpack', 20, blob(buildListpack(['a', 'b', 'c'])), 3],
    ['sorted set of a listpack', 17, blob(buildListpack(['a', 1n])), 1],
    ['list of nodes', 18, Buffer.concat([Buffer.of(2, 1, 1, 0x61, 2), blob(buildListpack(['a', 'b']))]), 3],
    ['hash with TTLs', 24, Buffer.concat([Buffer.alloc(8), Buffer.of(1, 0, 1, 0x61, 1, 0x62)]), 1],
    ['hash listpack with TTLs', 25, Buffer.concat([Buffer.alloc(8), blob(buildListpack(['f', 'v', 0n]))]), 1],
  ])('of a %s', (_name, rdbType, value, count) => {
    expect(countElements(rdbType, bytesSource(value))).toBe(count)
  })

  it('does not depend on the header knowing it', () => {
    const listpack = buildListpack(Array.from({ length: 500 }, (_, i) => `${i}`))
    listpack.fill(0xff, 4, 6)
    expect(countElements(20, bytesSource(blob(listpack)))).toBe(500)
    const dump = encodeDump(0, bytesSource(listpack))
    expect(countElements(20, bytesSource(dump, 1, dump.length - 10))).toBe(500)
  })
})

describe('facts about types', () => {
  it('tell the families apart', () => {
    expect(rdbTypeOf('redis', 22)).toBe(22)
    expect(rdbTypeOf('valkey', 22)).toBe(256 + 22)
    expect(rdbTypeOf('valkey', 23)).toBe(-1)
    expect([6, 8, 26, 200].map((type) => rdbTypeOf('redis', type))).toEqual([-1, -1, -1, -1])
    expect(rdbTypeFacts(18)).toMatchObject({ typeName: 'list', encodingName: 'quicklist', sinceVersion: 10 })
  })

  it('know which strings are integers', () => {
    const parse = (text: string): number | undefined => parseCanonicalInt32(Buffer.from(text), 0, text.length)
    expect(['0', '-1', '2147483647', '-2147483648'].map(parse)).toEqual([0, -1, 2147483647, -2147483648])
    expect(['', '-', '-0', '00', '01', '2147483648', '-2147483649', '1 ', '99999999999'].map(parse)).toEqual(
      Array.from({ length: 9 }, () => undefined),
    )
  })
})
