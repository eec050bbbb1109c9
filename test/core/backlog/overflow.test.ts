import { BacklogCursor, BacklogWriter } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const RING_BYTES: number = 16 * 1024

/** Byte number n of the test stream. */
const byteAt = (n: number): number => (n * 31 + (n >>> 8) * 7) & 0xff

function append(writer: BacklogWriter, count: number): void {
  const first = writer.endOffset + 1
  const bytes = Uint8Array.from({ length: count }, (_, i) => byteAt(first + i))
  writer.append(bytes, 0, count)
}

/** Reads up to `count` bytes at the cursor, checks them and moves it. */
function read(writer: BacklogWriter, cursor: BacklogCursor, count: number): number {
  const target = new Uint8Array(count)
  const got = writer.read(cursor.offset, target)
  for (let i = 0; i < got; i++) {
    if (target[i] !== byteAt(cursor.offset + i)) throw new Error(`byte ${cursor.offset + i} is another one`)
  }
  cursor.offset += got
  writer.overflow.moved()
  return got
}

it('cursors of any pace read every byte once, however far the ring is ahead', () => {
  const random = new SeededRandom(3)
  const writer = new BacklogWriter(RING_BYTES, 7_000_000_000)
  const cursors: BacklogCursor[] = []
  for (let step = 0; step < 3000; step++) {
    append(writer, random.int(0, step % 40 === 0 ? 60_000 : 3000))
    if (cursors.length < 4 && random.int(0, 50) === 0) {
      const cursor = new BacklogCursor(random.int(0, 1) === 0 ? writer.endOffset + 1 : writer.firstByteOffset)
      writer.overflow.add(cursor)
      cursors.push(cursor)
    }
    for (const [pace, cursor] of cursors.entries()) {
      for (let left = pace * 1500; left > 0;) {
        const got = read(writer, cursor, left)
        if (got === 0) break
        left -= got
      }
    }
    if (cursors.length > 0 && random.int(0, 300) === 0) {
      writer.overflow.remove(cursors.splice(random.int(0, cursors.length - 1), 1)[0]!)
    }
    if (step % 500 === 499) writer.resize(random.int(1, 4) * RING_BYTES)
    if (step % 3 === 0) writer.resizeSlice(1000)
  }
  for (const cursor of cursors) {
    while (read(writer, cursor, 50_000) > 0);
    expect(cursor.offset).toBe(writer.endOffset + 1)
  }
  expect(writer.overflow.byteLength).toBe(0)
})

it('keeps nothing while nobody is behind, and lets go of what the slowest has read', () => {
  const writer = new BacklogWriter(RING_BYTES)
  append(writer, 10 * RING_BYTES)
  expect(writer.overflow.byteLength).toBe(0)
  const cursor = new BacklogCursor(writer.endOffset + 1)
  writer.overflow.add(cursor)
  append(writer, 2_000_000)
  const kept = writer.overflow.byteLength
  expect(kept).toBeGreaterThanOrEqual(2_000_000 - RING_BYTES)
  expect(kept).toBeLessThan(2_000_000 + 512 * 1024)
  for (let left = 1_000_000; left > 0;) left -= read(writer, cursor, left)
  expect(writer.overflow.byteLength).toBeLessThan(kept - 500_000)
  writer.overflow.remove(cursor)
  expect(writer.overflow.byteLength).toBe(0)
})

it('a backlog cannot be replaced while somebody reads from it', () => {
  const writer = new BacklogWriter(RING_BYTES)
  const cursor = new BacklogCursor(1)
  writer.overflow.add(cursor)
  expect(() => writer.restart(500)).toThrow('still read')
  writer.overflow.remove(cursor)
  writer.restart(500)
  expect(writer.endOffset).toBe(500)
})

it('tells when so much was let go of that a collection of garbage is worth it', () => {
  const writer = new BacklogWriter(RING_BYTES)
  let told = 0
  writer.overflow.letGo = () => told++
  const keepAndDrop = (bytes: number) => {
    const cursor = new BacklogCursor(writer.endOffset + 1)
    writer.overflow.add(cursor)
    append(writer, bytes)
    writer.overflow.remove(cursor)
    expect(writer.overflow.byteLength).toBe(0)
  }
  keepAndDrop(5 << 20)
  expect(told).toBe(0)
  keepAndDrop(5 << 20)
  expect(told).toBe(1)
  keepAndDrop(5 << 20)
  expect(told).toBe(1)
})

it('without memory those that are behind are overrun, and the others read on', () => {
  const writer = new BacklogWriter(RING_BYTES)
  append(writer, 10)
  const behind = new BacklogCursor(1)
  const ahead = new BacklogCursor(writer.endOffset + 1)
  writer.overflow.add(behind)
  writer.overflow.add(ahead)
  append(writer, 2 * RING_BYTES)
  while (read(writer, ahead, 100_000) > 0);
  expect(behind.isOverrun).toBe(false)

  const { SharedArrayBuffer } = globalThis
  try {
    globalThis.SharedArrayBuffer = function () {
      throw new RangeError('Array buffer allocation failed')
    } as unknown as SharedArrayBufferConstructor
    append(writer, 1_000_000)
  } finally {
    globalThis.SharedArrayBuffer = SharedArrayBuffer
  }
  expect(writer.histlen).toBe(RING_BYTES)
  // Both: a million bytes are more than the ring has room for.
  expect([behind.isOverrun, ahead.isOverrun]).toEqual([true, true])
  expect(writer.overflow.byteLength).toBe(0)
  expect(writer.read(behind.offset, new Uint8Array(10))).toBe(0)

  // With memory again it goes on for others.
  const next = new BacklogCursor(writer.endOffset + 1)
  writer.overflow.add(next)
  append(writer, 500_000)
  let got = 0
  for (let count = read(writer, next, 100_000); count > 0; count = read(writer, next, 100_000)) got += count
  expect(got).toBe(500_000)
  writer.overflow.remove(behind)
})
