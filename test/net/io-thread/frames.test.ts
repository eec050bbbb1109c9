import { describe, expect, test } from 'vitest'
import {
  FRAME_COMMANDS,
  FRAME_FINISH,
  FRAME_OPEN,
  FRAME_OUTPUT,
  FRAME_SETTLED,
  FrameReader,
  FrameWriter,
} from '@understudy/net/internal'
import { SeededRandom } from '../../support/seeded-random.ts'

interface Frame {
  readonly kind: number
  readonly id: number
  readonly payload: Buffer
}

function framesOf(batch: Uint8Array<ArrayBuffer>): Frame[] {
  const reader = new FrameReader(batch)
  const frames: Frame[] = []
  while (reader.next()) frames.push({ kind: reader.kind, id: reader.id, payload: Buffer.from(reader.payload) })
  return frames
}

describe('batches of frames', () => {
  test('every field comes back', () => {
    const writer = new FrameWriter()
    writer.facts(FRAME_OPEN, 2 ** 40 + 1, 1, 17, '10.0.0.1:80\0[::1]:6379')
    writer.bytes(FRAME_COMMANDS, 5, Buffer.from('*1\r\n$4\r\nPING\r\n'))
    writer.settled(5, 2 ** 33, 15, 3, 0x40000)
    writer.signal(FRAME_FINISH, 6)
    const reader = new FrameReader(writer.take(12_345))
    expect(reader.receivedBytes).toBe(12_345)
    expect(reader.next()).toBe(true)
    expect([reader.kind, reader.id, reader.number(0), reader.number(1), reader.text]).toEqual([
      FRAME_OPEN,
      2 ** 40 + 1,
      1,
      17,
      '10.0.0.1:80\0[::1]:6379',
    ])
    expect(reader.next()).toBe(true)
    expect([reader.kind, reader.id, reader.payload.toString()]).toEqual([FRAME_COMMANDS, 5, '*1\r\n$4\r\nPING\r\n'])
    expect(reader.next()).toBe(true)
    expect([reader.kind, reader.number(0), reader.word(2), reader.word(3), reader.word(4)]).toEqual([
      FRAME_SETTLED,
      2 ** 33,
      15,
      3,
      0x40000,
    ])
    expect(reader.next()).toBe(true)
    expect([reader.kind, reader.id, reader.payload.length]).toEqual([FRAME_FINISH, 6, 0])
    expect(reader.next()).toBe(false)
    expect(writer.isEmpty).toBe(true)
  })

  test('bytes of one connection in a row are one frame, whatever their lengths', () => {
    const random = new SeededRandom(4)
    for (let round = 0; round < 50; round++) {
      const writer = new FrameWriter()
      const expected: Frame[] = []
      for (let i = 0; i < 40; i++) {
        const id = random.int(1, 3)
        const kind = random.int(0, 1) === 0 ? FRAME_COMMANDS : FRAME_OUTPUT
        const source = Buffer.alloc(random.int(0, 3000), i)
        const start = random.int(0, source.length)
        writer.bytes(kind, id, source, start)
        const payload = source.subarray(start)
        const last = expected.at(-1)
        if (last !== undefined && last.kind === kind && last.id === id) {
          expected[expected.length - 1] = { kind, id, payload: Buffer.concat([last.payload, payload]) }
        } else expected.push({ kind, id, payload })
      }
      expect(framesOf(writer.take(0))).toEqual(expected)
    }
  })

  test('a frame of another sort in between keeps the order', () => {
    const writer = new FrameWriter()
    writer.bytes(FRAME_OUTPUT, 1, Buffer.from('a'))
    writer.signal(FRAME_FINISH, 2)
    writer.bytes(FRAME_OUTPUT, 1, Buffer.from('b'))
    expect(framesOf(writer.take(0)).map(({ id, payload }) => `${id}${payload.toString()}`)).toEqual(['1a', '2', '1b'])
  })

  test('frames beyond 2 GiB are found where they are', () => {
    // Never written to: the system gives no memory for what is not touched.
    const length = 2 ** 31 + 9
    const second = 8 + 16 + 2 ** 31 + 16
    const batch = new Uint8Array(second + 24)
    const words = new Uint32Array(batch.buffer)
    const numbers = new Float64Array(batch.buffer)
    words.set([FRAME_OUTPUT, length], 2)
    numbers[2] = 7
    words.set([FRAME_SETTLED, 8], second / 4)
    numbers.set([8, 12_345], second / 8 + 1)
    batch[8 + 16 + length - 1] = 0x5a
    const reader = new FrameReader(batch)
    expect(reader.next()).toBe(true)
    expect([reader.kind, reader.id, reader.payload.length]).toEqual([FRAME_OUTPUT, 7, length])
    expect(reader.payload[length - 1]).toBe(0x5a)
    expect(reader.next()).toBe(true)
    expect([reader.kind, reader.id, reader.payload.length, reader.number(0)]).toEqual([FRAME_SETTLED, 8, 8, 12_345])
    expect(reader.next()).toBe(false)
  })

  test('a long batch takes its memory along', () => {
    const writer = new FrameWriter()
    writer.bytes(FRAME_OUTPUT, 1, Buffer.alloc(1_000_000, 'x'))
    const [long] = framesOf(writer.take(0))
    writer.bytes(FRAME_OUTPUT, 2, Buffer.from('y'))
    expect(framesOf(writer.take(0))).toEqual([{ kind: FRAME_OUTPUT, id: 2, payload: Buffer.from('y') }])
    expect(long!.payload.equals(Buffer.alloc(1_000_000, 'x'))).toBe(true)
  })
})
