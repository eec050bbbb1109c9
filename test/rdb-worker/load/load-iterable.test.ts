/** Snapshots from anything that gives bytes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { afterAll, describe, expect, it } from 'vitest'
import { adopt, keyspaceDigest } from '../../support/keyspace-digest.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { cutRandomly } from '../../support/short-reads.ts'

const hashSeed = new SeededRandom(81).bytes(16)
const options = { databaseCount: 16, hashSeed, verifyChecksum: true }
// Much less than the snapshot, so that the source has to wait.
const pool = new RdbLoaderPool({ threads: 2, parallelBytesMin: 0, ringBytes: 1 << 16 })
afterAll(() => pool.close())

const snapshot = ((): Buffer => {
  const builder = new RdbBuilder().selectDb(0)
  for (let key = 0; key < 30_000; key++) builder.text(`key ${key}`, 'v'.repeat(key % 100))
  return builder.end()
})()

describe('a load from an iterable', () => {
  it('takes pieces of any size, borrowed, and waits for room', async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      for (const piece of cutRandomly(snapshot, new SeededRandom(82), 300_000)) {
        const lent = Buffer.from(piece)
        yield lent
        lent.fill(0xa5)
        if (piece.length % 7 === 0) await sleep(1)
      }
    }
    const { generation, keyCount } = await loadIterable(pool, source(), options)
    expect(keyCount).toBe(30_000)
    expect(keyspaceDigest(adopt(generation, hashSeed))).toBe(scanBytes(snapshot).sink.digest())
  })

  it('does not look at what follows the snapshot', async () => {
    const { keyCount } = await loadIterable(pool, [snapshot, Buffer.from('something else')], options)
    expect(keyCount).toBe(30_000)
  })

  it('asks for no more once the snapshot is refused, and closes the source', async () => {
    const state = { given: 0, isClosed: false }
    function* source(): Generator<Uint8Array> {
      try {
        yield Buffer.from('REDIS0099')
        for (;;) {
          state.given++
          yield snapshot
        }
      } finally {
        state.isClosed = true
      }
    }
    await expect(loadIterable(pool, source(), options)).rejects.toMatchObject({
      code: 'RDB_BAD_VERSION',
      byteOffset: 0,
    })
    expect(state.isClosed).toBe(true)
    expect(state.given).toBeLessThan(10)
  })

  it('waits for nothing more from a source when the snapshot is there, or refused', async () => {
    const state = { closed: 0 }
    function silentBehind(bytes: Uint8Array): AsyncIterable<Uint8Array> {
      const pieces = [bytes]
      return {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            const value = pieces.pop()
            return value === undefined ? new Promise(() => {}) : Promise.resolve({ done: false, value })
          },
          return: () => {
            state.closed++
            return new Promise(() => {})
          },
        }),
      }
    }
    expect((await loadIterable(pool, silentBehind(snapshot), options)).keyCount).toBe(30_000)
    await expect(loadIterable(pool, silentBehind(Buffer.from('REDIS0099')), options)).rejects.toMatchObject({
      code: 'RDB_BAD_VERSION',
    })
    expect(state.closed).toBe(2)
  })

  it('tells a source that ends too early, and passes on what it throws', async () => {
    await expect(loadIterable(pool, [snapshot.subarray(0, 1000)], options)).rejects.toMatchObject({
      code: 'RDB_TRUNCATED',
      byteOffset: 1000,
    })
    function* failing(): Generator<Uint8Array> {
      yield snapshot.subarray(0, 1000)
      throw new Error('the download broke off')
    }
    await expect(loadIterable(pool, failing(), options)).rejects.toThrow('the download broke off')
    expect((await loadIterable(pool, [snapshot], options)).keyCount).toBe(30_000)
  })

  it.each<[string, () => unknown]>([
    ['null, as fetch() gives for a 204', () => null],
    ['nothing', () => undefined],
    ['a number', () => 5],
    ['an object', () => ({})],
    ['text', () => 'REDIS0011'],
    ['bytes, which are numbers', () => snapshot],
    ['pieces of text', () => ['REDIS0011']],
    ['ArrayBuffers', () => [new Uint8Array(snapshot).buffer]],
    ['DataViews', () => [new DataView(new Uint8Array(snapshot).buffer)]],
    ['wider elements', () => [new Uint16Array(snapshot)]],
    ['pieces that are null', () => [null]],
  ])('refuses %s as a source, and loads what comes next', async (_name, source) => {
    // More often than there are loads at a time.
    for (let i = 0; i < 3; i++) {
      await expect(loadIterable(pool, source() as Uint8Array[], options)).rejects.toMatchObject({
        code: 'BAD_ARGUMENT',
      })
    }
    expect((await loadIterable(pool, [snapshot], options)).keyCount).toBe(30_000)
  })

  it('passes on what a source throws before its first piece, and loads what comes next', async () => {
    const locked = new ReadableStream<Uint8Array>()
    locked.getReader()
    const throwing = {
      [Symbol.asyncIterator]: () => {
        throw new Error('no such download')
      },
    }
    for (let i = 0; i < 3; i++) {
      await expect(loadIterable(pool, locked, options)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
      await expect(loadIterable(pool, throwing, options)).rejects.toThrow('no such download')
    }
    expect((await loadIterable(pool, [snapshot], options)).keyCount).toBe(30_000)
  })

  it.each([
    { databaseCount: 0 },
    { databaseCount: -1 },
    { databaseCount: 1.5 },
    { databaseCount: '16' },
    { databaseCount: undefined },
    { hashSeed: undefined },
    { hashSeed: hashSeed.subarray(0, 15) },
    { hashSeed: Buffer.alloc(17) },
    { hashSeed: 'a seed of 16 byte' },
  ])('refuses %o, and closes the source', async (wrong) => {
    let isClosed = false
    const source = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false as const, value: snapshot }),
        return: () => {
          isClosed = true
          return { done: true as const, value: undefined }
        },
      }),
    }
    const wrongOptions = { ...options, ...wrong } as typeof options
    await expect(loadIterable(pool, source, wrongOptions)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    expect(isClosed).toBe(true)
    await expect(pool.loadFile('no matter which', wrongOptions)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })

  it('may be prepared: threads that are up before the load, and nothing else', async () => {
    const prepared = new RdbLoaderPool({ threads: 3, parallelBytesMin: 0 })
    prepared.prepare(1000)
    expect((await loadIterable(prepared, [snapshot], options)).keyCount).toBe(30_000)
    await prepared.close()
    prepared.prepare(1000)
  })
})
