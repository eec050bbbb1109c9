import { describe, expect, it } from 'vitest'
import {
  encodeHistory,
  encodeSegmentStart,
  type LoggedHistory,
  RECORD_HEADER_BYTES,
  RECORD_PAYLOAD_MAX,
  sealBytes,
  SEGMENT_HEADER_BYTES,
  SegmentReader,
} from '@understudy/core/internal'
import { SeededRandom } from '../../support/seeded-random.ts'

const replid = (digit: string): string => digit.repeat(40)

/** A record of stream bytes behind number `offset`. */
function bytesRecord(offset: number, text: string): Buffer {
  const buffer = Buffer.concat([Buffer.alloc(RECORD_HEADER_BYTES), Buffer.from(text, 'latin1')])
  return Buffer.from(sealBytes(buffer, offset, text.length))
}

interface Read {
  readonly histories: LoggedHistory[]
  readonly text: string
  readonly goodBytes: number
  readonly endOffset: number
  readonly fault: string | undefined
}

/** Reads `segment` in pieces that end at the given places. */
function read(segment: Uint8Array, ends: Iterable<number> = []): Read {
  const histories: LoggedHistory[] = []
  let text = ''
  const reader = new SegmentReader('segment', {
    history: (logged) => histories.push(logged),
    bytes: (offset, bytes) => {
      expect(offset).toBe(FIRST_OFFSET + text.length)
      text += Buffer.from(bytes).toString('latin1')
    },
  })
  let at = 0
  for (const end of [...ends, segment.length]) {
    // A piece of its own, which is gone afterwards: nothing may be borrowed from it.
    const piece = new Uint8Array(segment.subarray(at, end))
    reader.push(piece)
    piece.fill(0xff)
    at = end
  }
  reader.end()
  return { histories, text, goodBytes: reader.goodBytes, endOffset: reader.endOffset, fault: reader.fault }
}

const FIRST_OFFSET = 5000
const FIRST: LoggedHistory = {
  offset: FIRST_OFFSET,
  beginsRun: true,
  history: { replid: replid('a'), past: [{ replid: replid('b'), endsBefore: 4001 }] },
}
const PROMOTED: LoggedHistory = {
  offset: FIRST_OFFSET + 12,
  beginsRun: false,
  history: {
    replid: replid('c'),
    past: [
      { replid: replid('a'), endsBefore: FIRST_OFFSET + 13 },
      { replid: replid('b'), endsBefore: 4001 },
    ],
  },
}
const RECORDS = [
  encodeSegmentStart(FIRST),
  bytesRecord(FIRST_OFFSET, 'first bytes '),
  encodeHistory(PROMOTED),
  bytesRecord(FIRST_OFFSET + 12, 'of another id'),
  bytesRecord(FIRST_OFFSET + 25, 'x'.repeat(3000)),
]
const SEGMENT = Buffer.concat(RECORDS)
const WHOLE: Read = {
  histories: [FIRST, PROMOTED],
  text: `first bytes of another id${'x'.repeat(3000)}`,
  goodBytes: SEGMENT.length,
  endOffset: FIRST_OFFSET + 3025,
  fault: undefined,
}
/** What is good of the segment when its byte `at` is the first that is not. */
function goodUpTo(at: number): Pick<Read, 'goodBytes' | 'endOffset' | 'text'> {
  const ends = [SEGMENT_HEADER_BYTES]
  for (const record of RECORDS) ends.push((ends.length === 1 ? 0 : ends.at(-1)!) + record.length)
  const goodBytes = ends.findLast((end) => end <= at) ?? 0
  const texts = ['', '', WHOLE.text.slice(0, 12), WHOLE.text.slice(0, 12), WHOLE.text.slice(0, 25), WHOLE.text]
  const text = texts[ends.indexOf(goodBytes)] ?? ''
  return { goodBytes, text, endOffset: goodBytes <= SEGMENT_HEADER_BYTES ? -1 : FIRST_OFFSET + text.length }
}

describe('SegmentReader', () => {
  it('reads a segment whole, byte by byte and in random pieces', () => {
    expect(read(SEGMENT)).toEqual(WHOLE)
    expect(read(SEGMENT, SEGMENT.keys())).toEqual(WHOLE)
    const random = new SeededRandom(1)
    for (let round = 0; round < 200; round++) {
      const ends = Array.from({ length: random.int(1, 20) }, () => random.int(0, SEGMENT.length))
      expect(
        read(
          SEGMENT,
          ends.toSorted((a, b) => a - b),
        ),
      ).toEqual(WHOLE)
    }
  })

  it('cuts a segment that ends anywhere behind its last whole record', () => {
    for (let length = 0; length < SEGMENT.length; length++) {
      const found = read(SEGMENT.subarray(0, length))
      expect(found).toMatchObject(goodUpTo(length))
      const isBetweenRecords = length > SEGMENT_HEADER_BYTES && found.goodBytes === length
      expect(found.fault === undefined).toBe(isBetweenRecords || length === SEGMENT_HEADER_BYTES)
    }
  })

  it('cuts a segment before the record in which any bit is another', () => {
    for (let at = 0; at < SEGMENT.length; at++) {
      // The version is refused by name.
      if (at >= 4 && at < 8) continue
      const damaged = Buffer.from(SEGMENT)
      damaged[at]! ^= 1 << (at % 8)
      const found = read(damaged)
      expect(found.fault).toBeDefined()
      expect(found).toMatchObject(goodUpTo(at < SEGMENT_HEADER_BYTES ? 0 : at))
    }
  })

  it('takes nothing that was never written from a segment of seeded mutations', () => {
    const random = new SeededRandom(7)
    for (let round = 0; round < 2000; round++) {
      const parts: Buffer[] = []
      // Pieces of the segment, repeated, left out, with noise between them.
      for (let i = random.int(1, 6); i > 0; i--) {
        const from = random.int(0, SEGMENT.length - 1)
        parts.push(
          random.chance(0.2)
            ? Buffer.from(random.bytes(random.int(0, 60)))
            : SEGMENT.subarray(from, random.int(from, SEGMENT.length)),
        )
      }
      const whole = Buffer.concat(
        random.chance(0.7) ? [SEGMENT.subarray(0, random.int(8, SEGMENT.length)), ...parts] : parts,
      )
      if (whole.length >= 8 && whole.readUInt32LE(0) === SEGMENT.readUInt32LE(0)) whole.writeUInt32LE(1, 4)
      const found = read(whole)
      expect(WHOLE.text.startsWith(found.text)).toBe(true)
      expect(found.goodBytes).toBeLessThanOrEqual(whole.length)
      expect([FIRST, PROMOTED].slice(0, found.histories.length)).toEqual(found.histories)
    }
  })

  it('refuses another version by name', () => {
    const newer = Buffer.from(SEGMENT)
    newer.writeUInt32LE(2, 4)
    expect(() => read(newer)).toThrow('segment is a stream log of version 2, and this program reads version 1')
  })

  it('refuses records that are checked and do not belong there', () => {
    const start = encodeSegmentStart(FIRST)
    for (const [record, fault] of [
      [bytesRecord(FIRST_OFFSET + 1, 'gap'), /offset 5001 behind offset 5000/],
      [bytesRecord(FIRST_OFFSET, 'x'.repeat(RECORD_PAYLOAD_MAX + 1)), /a record of 262145 bytes/],
      [
        encodeHistory({ ...PROMOTED, offset: FIRST_OFFSET, history: { replid: 'Z'.repeat(40), past: [] } }),
        /cannot be meant/,
      ],
    ] as const) {
      const found = read(Buffer.concat([start, record]))
      expect(found.fault).toMatch(fault)
      expect(found.goodBytes).toBe(start.length)
    }
    const headless = Buffer.concat([start.subarray(0, SEGMENT_HEADER_BYTES), bytesRecord(FIRST_OFFSET, 'bytes')])
    expect(read(headless)).toMatchObject({ fault: 'a record of kind 2', endOffset: -1, histories: [] })
  })
})
