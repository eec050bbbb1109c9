import { BACKLOG_OUT_OF_RANGE, BacklogReader, BacklogWriter, clampBacklogBytes } from '@understudy/core/internal'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Byte number n of the test stream. */
const byteAt = (n: number): number => (n * 31 + (n >>> 8) * 7) & 0xff

function piece(first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  for (let i = 0; i < count; i++) bytes[i] = byteAt(first + i)
  return bytes
}

function expectHeld(writer: BacklogWriter): void {
  const reader = new BacklogReader(writer.shared)
  expect(reader.firstByteOffset).toBe(writer.firstByteOffset)
  expect(reader.endOffset).toBe(writer.endOffset)
  expect(reader.histlen).toBe(writer.histlen)
  const all = new Uint8Array(writer.histlen)
  expect(reader.read(writer.firstByteOffset, all)).toBe(all.length)
  expect(Buffer.from(all).equals(piece(writer.firstByteOffset, all.length))).toBe(true)
}

describe('backlog', () => {
  it('holds the newest bytes through many wraps', () => {
    const random = new SeededRandom(7)
    const writer = new BacklogWriter(16 * 1024, 5_000_000_000)
    for (let i = 0; i < 2000; i++) {
      const count = random.int(0, i % 50 === 0 ? 40_000 : 400)
      const bytes = piece(writer.endOffset + 1, count + 3)
      writer.append(bytes, 0, count)
      expect(writer.histlen).toBe(Math.min(writer.endOffset - 5_000_000_000, 16 * 1024))
      if (i % 37 === 0) expectHeld(writer)
    }
    expectHeld(writer)
  })

  it('answers in the numbering of PSYNC', () => {
    const writer = new BacklogWriter(16 * 1024, 100)
    expect([writer.firstByteOffset, writer.endOffset, writer.histlen]).toEqual([101, 100, 0])
    expect([writer.covers(100), writer.covers(101), writer.covers(102)]).toEqual([false, true, false])
    writer.append(piece(101, 50), 10, 30)
    const reader = new BacklogReader(writer.shared)
    const target = new Uint8Array(100)
    expect(reader.read(100, target)).toBe(BACKLOG_OUT_OF_RANGE)
    expect(reader.read(101, target)).toBe(20)
    expect(target[0]).toBe(byteAt(111))
    expect(reader.read(120, target)).toBe(1)
    expect(reader.read(121, target)).toBe(0)
    expect(reader.read(122, target)).toBe(BACKLOG_OUT_OF_RANGE)
    expect(reader.read(101, target.subarray(0, 5))).toBe(5)
  })

  it('keeps the newest bytes when it grows and when it shrinks, and tells readers to move', () => {
    const writer = new BacklogWriter(64 * 1024, 12_345)
    writer.append(piece(12_346, 100_000), 0, 100_000)
    const old = new BacklogReader(writer.shared)
    expect(old.retired).toBe(false)
    writer.resize(20_000)
    expect(writer.capacityBytes).toBe(20_000)
    expect(old.retired).toBe(false)
    expect(writer.resizeSlice(1 << 20)).toBe(true)
    expect(old.retired).toBe(true)
    expect(writer.histlen).toBe(20_000)
    expectHeld(writer)
    writer.append(piece(writer.endOffset + 1, 7_777), 0, 7_777)
    expectHeld(writer)
    writer.resize(300_001)
    expect(writer.resizeSlice(1 << 20)).toBe(true)
    expect(writer.histlen).toBe(20_000)
    writer.append(piece(writer.endOffset + 1, 99_999), 0, 99_999)
    expect(writer.histlen).toBe(119_999)
    expectHeld(writer)
    // The old ring can still be read to its end.
    const rest = new Uint8Array(10)
    expect(old.read(112_336, rest)).toBe(10)
    expect(rest[0]).toBe(byteAt(112_336))
  })

  it('is resized in slices while bytes are appended, and comes to an end', () => {
    const random = new SeededRandom(9)
    const writer = new BacklogWriter(200_000, 4_000_000_000)
    const append = (count: number): void => writer.append(piece(writer.endOffset + 1, count), 0, count)
    for (let round = 0; round < 60; round++) {
      const size = random.int(16 * 1024, 300_000)
      writer.resize(size)
      if (random.chance(0.2)) writer.resize(random.int(16 * 1024, 300_000)) // who changes his mind
      const wanted = writer.capacityBytes
      const before = writer.firstByteOffset
      // More than a slice each time: what was appended is copied beside it.
      let slices = 0
      for (; !writer.resizeSlice(5000); slices++) {
        expect(slices).toBeLessThan(200)
        append(random.int(0, 20_000))
        if (slices % 5 === 0) expectHeld(writer)
      }
      expect(writer.capacityBytes).toBe(wanted)
      expect(writer.histlen).toBeLessThanOrEqual(wanted)
      expect(writer.firstByteOffset).toBeGreaterThanOrEqual(before)
      expectHeld(writer)
      append(random.int(0, 100_000))
      expectHeld(writer)
    }
    expect(writer.resizeSlice(1)).toBe(true)
  })

  it('begins another history in the new size, also while it is resized', () => {
    const writer = new BacklogWriter(16 * 1024, 0)
    writer.append(piece(1, 500), 0, 500)
    writer.resize(50_000)
    writer.restart(77)
    expect([writer.capacityBytes, writer.endOffset, writer.histlen]).toEqual([50_000, 77, 0])
    expect(writer.resizeSlice(1)).toBe(true)
    expectHeld(writer)
  })

  it('begins another history empty', () => {
    const writer = new BacklogWriter(16 * 1024, 0)
    writer.append(piece(1, 500), 0, 500)
    const old = new BacklogReader(writer.shared)
    writer.restart(77)
    expect(old.retired).toBe(true)
    expect([writer.firstByteOffset, writer.endOffset, writer.histlen]).toEqual([78, 77, 0])
  })

  it('rounds sizes into its range', () => {
    expect(clampBacklogBytes(1)).toBe(16 * 1024)
    expect(clampBacklogBytes(1e12)).toBeLessThan(2 ** 31)
  })

  it('refuses memory that is no backlog', () => {
    expect(() => new BacklogReader(new SharedArrayBuffer(1024))).toThrow('not a backlog ring')
  })

  it('never shows a reader in another thread a byte that does not belong to its offset', async () => {
    const writer = new BacklogWriter(16 * 1024, 0)
    /** [0] good reads, [1] wrong bytes, [2] reads refused, [3] stop. */
    const counts = new Int32Array(new SharedArrayBuffer(16))
    const worker = new Worker(
      `
      const { workerData, parentPort } = require('node:worker_threads')
      const { counts, shared } = workerData
      import(workerData.door).then(({ BacklogReader }) => {
        const reader = new BacklogReader(shared)
        const target = new Uint8Array(3000)
        let tries = 0
        Atomics.add(counts, 0, 1)
        while (Atomics.load(counts, 3) === 0) {
          const from = Math.max(reader.firstByteOffset, 1) + ((tries++ * 997) % 16000)
          const count = reader.read(from, target)
          if (count <= 0) { Atomics.add(counts, 2, 1); continue }
          for (let i = 0; i < count; i++) {
            const n = from + i
            if (target[i] !== ((n * 31 + (n >>> 8) * 7) & 0xff)) Atomics.add(counts, 1, 1)
          }
          Atomics.add(counts, 0, 1)
        }
      })
      `,
      {
        eval: true,
        workerData: { shared: writer.shared, counts, door: import.meta.resolve('@understudy/core/internal') },
      },
    )
    const left = new Promise((resolve) => worker.on('exit', resolve))
    while (Atomics.load(counts, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    // byteAt repeats every 65536 bytes, so the source for any offset is in this piece.
    const bytes = piece(1, 65_536 * 2)
    const deadline = performance.now() + 10_000
    while (Atomics.load(counts, 0) < 3000 && performance.now() < deadline) {
      const start = writer.endOffset % 65_536
      writer.append(bytes, start, start + 1 + ((writer.endOffset * 7) % 4096))
    }
    Atomics.store(counts, 3, 1)
    await left
    expect(counts[1]).toBe(0)
    expect(counts[0]).toBeGreaterThanOrEqual(3000)
  })
})
