/** What goes in comes out, in order, whatever is in memory or in the file, and whatever the file does. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSpillFile, type OpenSpillFile, type SpillFile, SpillQueue } from '@understudy/net/internal'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'
import { waitFor } from '../../support/wait-for.ts'

const CHUNK = 256 << 10

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spill-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

interface Told {
  room: number
  readable: number
  write: unknown[]
  read: unknown[]
  letGo: number
}

function newQueue(
  memoryBytesMax: number,
  fileBytesMax: number,
  open: OpenSpillFile = openSpillFile,
): { queue: SpillQueue; told: Told } {
  const told: Told = { room: 0, readable: 0, write: [], read: [], letGo: 0 }
  const queue = new SpillQueue({ memoryBytesMax, fileBytesMax }, join(directory, 'spill'), open, {
    onRoom: () => told.room++,
    onReadable: () => told.readable++,
    onWriteFault: (error) => told.write.push(error),
    onReadFault: (error) => told.read.push(error),
    letGo: () => told.letGo++,
  })
  return { queue, told }
}

/** The byte at a position of an endless sequence. */
function fill(target: Uint8Array, position: number): void {
  for (let i = 0; i < target.length; i++) target[i] = ((position + i) * 31 + ((position + i) >>> 13)) & 0xff
}

function check(bytes: Uint8Array, position: number): void {
  const expected = new Uint8Array(bytes.length)
  fill(expected, position)
  if (!Buffer.from(expected).equals(bytes)) throw new Error(`other bytes at ${position}`)
}

/** Receives as a socket does: with a view that was asked for before the last bytes were dealt with. */
class Source {
  position = 0
  #view: Uint8Array
  readonly #queue: SpillQueue

  constructor(queue: SpillQueue) {
    this.#queue = queue
    this.#view = queue.view()
  }

  receive(count: number): void {
    const view = this.#view
    const received = Math.min(count, view.length)
    fill(view.subarray(0, received), this.position)
    this.position += received
    this.#queue.received(received, view)
    this.#view = this.#queue.view()
  }
}

function take(queue: SpillQueue, position: number, count: number): number {
  const bytes = queue.peek()
  if (bytes === undefined) return position
  const taken = Math.min(count, bytes.length)
  check(bytes.subarray(0, taken), position)
  queue.consume(taken)
  return position + taken
}

describe('the queue', () => {
  it.each([1, 2, 3, 4, 5])('gives in order what it got, through memory and file (seed %i)', async (seed) => {
    const random = new SeededRandom(seed)
    const { queue, told } = newQueue(2 * CHUNK, 20 * CHUNK)
    const source = new Source(queue)
    let taken = 0
    const total = 30 * CHUNK
    while (taken < total) {
      // Phases in which one side is faster, so that the file fills and empties.
      const isFilling = Math.floor(source.position / (8 * CHUNK)) % 2 === 0
      for (let i = random.int(1, 6); i > 0; i--) {
        if (!queue.isFull && source.position < total) source.receive(random.int(1, CHUNK))
      }
      for (let i = random.int(0, isFilling ? 2 : 8); i > 0 || source.position >= total; i--) {
        const before = taken
        taken = take(queue, taken, random.int(1, 2 * CHUNK))
        if (taken === before) break
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(queue.byteLength).toBe(0)
    expect(queue.spilledBytes).toBeGreaterThan(0)
    expect(queue.peakBytes).toBeGreaterThan(2 * CHUNK)
    expect(told.write).toEqual([])
    expect(told.read).toEqual([])
    queue.dispose()
  })

  it('uses the memory of chunks again', () => {
    const { queue } = newQueue(8 * CHUNK, 0)
    const source = new Source(queue)
    const memory = new Set<ArrayBufferLike>()
    let taken = 0
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 3; j++) source.receive(CHUNK - 1)
      memory.add(queue.view().buffer)
      while (taken < source.position) taken = take(queue, taken, CHUNK)
    }
    expect(memory.size).toBeLessThan(3)
    queue.dispose()
  })

  it('also of chunks that somebody had a view of while they were used up', () => {
    const { queue } = newQueue(8 * CHUNK, 0)
    const memory = new Set<ArrayBufferLike>()
    for (let i = 0; i < 100; i++) {
      memory.add(queue.view().buffer)
      queue.push(new Uint8Array(2 * CHUNK))
      while (queue.byteLength > 0) queue.consume(queue.peek()!.length)
    }
    expect(memory.size).toBeLessThan(3)
    queue.dispose()
  })

  it('says at its end that much memory is to be collected', () => {
    for (const [chunks, letGo] of [
      [31, 1],
      [28, 0],
    ] as const) {
      const { queue, told } = newQueue(40 * CHUNK, 0)
      queue.push(new Uint8Array(chunks * CHUNK))
      while (queue.byteLength > 0) queue.consume(queue.peek()!.length)
      queue.dispose()
      queue.dispose()
      expect(told.letGo).toBe(letGo)
    }
  })

  it('but not the memory of a view that may still be written to', () => {
    const { queue } = newQueue(8 * CHUNK, 0)
    const view = queue.view()
    const sent = new Uint8Array(2 * CHUNK + 1)
    fill(sent, 0)
    queue.push(sent)
    let taken = take(queue, 0, CHUNK)
    expect(taken).toBe(CHUNK)
    const more = new Uint8Array(3 * CHUNK)
    fill(more, sent.length)
    queue.push(more)
    view.fill(0xff)
    while (taken < sent.length + more.length) taken = take(queue, taken, CHUNK)
    queue.dispose()
  })

  it('bounds memory and file, and says when there is room again', async () => {
    const { queue, told } = newQueue(2 * CHUNK, 4 * CHUNK)
    const source = new Source(queue)
    await waitFor('the queue to be full', () => {
      if (!queue.isFull) source.receive(CHUNK)
      return queue.isFull && queue.fileBytes >= 3 * CHUNK
    })
    // One chunk of the file may be in memory again, to be taken.
    expect(queue.byteLength).toBeLessThanOrEqual(4 * CHUNK + 2 * CHUNK + 5 * CHUNK)
    const before = told.room
    let taken = 0
    await waitFor('room', () => {
      taken = take(queue, taken, CHUNK)
      return told.room > before
    })
    expect(queue.isFull).toBe(false)
    await waitFor('the end', () => {
      taken = take(queue, taken, CHUNK)
      return taken === source.position
    })
    queue.dispose()
  })

  it('says so, too, when what came back from the file has filled it up', async () => {
    // Both wait for the test: it is read while the memory is as full as it may be with a chunk on its way to the file.
    const writes: (() => void)[] = []
    const reads: (() => void)[] = []
    const open: OpenSpillFile = async (path) => {
      const file = await openSpillFile(path)
      return {
        close: () => file.close(),
        write: async (bytes, position) => {
          await file.write(bytes, position)
          await new Promise<void>((resolve) => writes.push(resolve))
        },
        read: async (target, position) => {
          const count = await file.read(target, position)
          await new Promise<void>((resolve) => reads.push(resolve))
          return count
        },
      }
    }
    const { queue, told } = newQueue(2 * CHUNK, 100 * CHUNK, open)
    const bytes = new Uint8Array(CHUNK)
    const push = (): void => queue.push(bytes)
    push()
    push()
    await waitFor('the first chunk to be written', () => writes.length > 0)
    writes.pop()!()
    await waitFor('it to be read back', () => reads.length > 0)
    while (queue.byteLength < 6 * CHUNK) push()
    await waitFor('the next one to be written', () => writes.length > 0)
    queue.push(bytes.subarray(1))
    expect(queue.isFull).toBe(false)
    reads.pop()!()
    await waitFor('bytes', () => queue.peek() !== undefined)
    expect(queue.isFull).toBe(true)
    expect(told.room).toBe(0)
    queue.consume(queue.peek()!.length)
    expect(queue.isFull).toBe(false)
    expect(told.room).toBe(1)
    queue.dispose()
    for (const resolve of [...writes, ...reads]) resolve()
  })

  it('leaves no file: it has no name while it is used', async () => {
    const { queue } = newQueue(2 * CHUNK, 100 * CHUNK)
    const source = new Source(queue)
    await waitFor('bytes in the file', () => {
      if (!queue.isFull) source.receive(CHUNK)
      return queue.fileBytes > 0
    })
    expect(await readdir(directory)).toEqual([])
    queue.dispose()
    expect(queue.byteLength).toBe(0)
  })

  it.each(['ENOSPC', 'EIO', 'EACCES'])('goes on in memory when the file fails with %s', async (code) => {
    const fault = Object.assign(new Error(`${code}: of the test`), { code })
    let writes = 0
    const open: OpenSpillFile = async (path) => {
      if (code === 'EACCES') throw fault
      const file = await openSpillFile(path)
      const faulty: SpillFile = {
        ...file,
        write: async (bytes, position) => {
          if (++writes > 2) throw fault
          await file.write(bytes, position)
        },
      }
      return faulty
    }
    const { queue, told } = newQueue(3 * CHUNK, 100 * CHUNK, open)
    const source = new Source(queue)
    await waitFor('the fault', () => {
      if (!queue.isFull) source.receive(CHUNK)
      return told.write.length > 0 && queue.isFull
    })
    expect(told.write).toEqual([fault])
    let taken = 0
    // Nothing is lost, and when there is room it is used again.
    await waitFor('all bytes', () => {
      taken = take(queue, taken, CHUNK)
      if (!queue.isFull && source.position < 40 * CHUNK) source.receive(CHUNK)
      return taken === 40 * CHUNK
    })
    expect(told.write).toEqual([fault])
    expect(told.read).toEqual([])
    queue.dispose()
  })

  it('tells when its file cannot be read', async () => {
    const fault = new Error('EIO: of the test')
    const open: OpenSpillFile = async (path) => {
      const file = await openSpillFile(path)
      return { ...file, read: () => Promise.reject(fault) }
    }
    const { queue, told } = newQueue(2 * CHUNK, 100 * CHUNK, open)
    const source = new Source(queue)
    await waitFor('bytes in the file', () => {
      if (!queue.isFull) source.receive(CHUNK)
      return queue.fileBytes > 0
    })
    let taken = 0
    await waitFor('the fault', () => {
      taken = take(queue, taken, CHUNK)
      return told.read.length > 0
    })
    expect(told.read).toEqual([fault])
    queue.dispose()
  })

  it('does not take over a file that exists', async () => {
    await writeFile(join(directory, 'spill'), 'of somebody else')
    const { queue, told } = newQueue(2 * CHUNK, 100 * CHUNK)
    const source = new Source(queue)
    await waitFor('the fault', () => {
      if (!queue.isFull) source.receive(CHUNK)
      return told.write.length > 0
    })
    expect(told.write[0]).toMatchObject({ code: 'EEXIST' })
    expect(await readdir(directory)).toEqual(['spill'])
    queue.dispose()
  })

  it.each(['write', 'read'] as const)('counts nothing that ends after it was disposed of: a %s', async (operation) => {
    let begun = false
    let goOn = (): void => {}
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const closed: boolean[] = []
    const open: OpenSpillFile = async (path) => {
      const file = await openSpillFile(path)
      const hold = async <Result>(which: string, work: () => Promise<Result>): Promise<Result> => {
        const result = await work()
        if (which === operation) {
          begun = true
          await held
        }
        return result
      }
      return {
        write: (bytes, position) => hold('write', () => file.write(bytes, position)),
        read: (target, position) => hold('read', () => file.read(target, position)),
        close: async () => {
          await file.close()
          closed.push(true)
        },
      }
    }
    const { queue, told } = newQueue(2 * CHUNK, 100 * CHUNK, open)
    const source = new Source(queue)
    // What was written is read back by itself, to be taken.
    await waitFor('the file to be used', () => {
      if (!queue.isFull) source.receive(CHUNK)
      return begun
    })
    const { spilledBytes, peakBytes } = queue
    const before = { ...told }
    queue.dispose()
    goOn()
    await waitFor('the file to be closed', () => closed.length === 1)
    expect([queue.byteLength, queue.fileBytes]).toEqual([0, 0])
    expect([queue.spilledBytes, queue.peakBytes]).toEqual([spilledBytes, peakBytes])
    expect(queue.isFull).toBe(false)
    expect(told).toEqual(before)
  })

  // Whatever was under way when the queue was not wanted any more, and however it ends.
  it.each(['write', 'read'] as const)('closes its file when a %s fails after it was disposed of', async (operation) => {
    const state = { closes: 0, begun: false, writing: 0 }
    let fail = (): void => {}
    const failing = (): Promise<never> => {
      state.begun = true
      return new Promise((_, reject) => {
        fail = () => reject(new Error('EIO: of the test'))
      })
    }
    const open: OpenSpillFile = async (path) => {
      const file = await openSpillFile(path)
      const close = (): Promise<void> => {
        state.closes++
        return file.close()
      }
      const write = async (bytes: Uint8Array, position: number): Promise<void> => {
        state.writing++
        await file.write(bytes, position)
        state.writing--
      }
      return { ...file, write, close, [operation]: failing }
    }
    const { queue, told } = newQueue(2 * CHUNK, 100 * CHUNK, open)
    const source = new Source(queue)
    let taken = 0
    await waitFor(`a ${operation}`, () => {
      if (!queue.isFull) source.receive(CHUNK)
      // What comes out last is what the file has: it is read when memory in front of it is used up.
      if (operation === 'read' && queue.fileBytes > 0) taken = take(queue, taken, CHUNK)
      return state.begun
    })
    // What is under way is this operation alone: the end of another one would close the file as well.
    await waitFor('the writes before', () => state.writing === 0)
    queue.dispose()
    expect(state.closes).toBe(0)
    fail()
    await waitFor('the file to be closed', () => state.closes === 1)
    // Nobody is there to be told.
    expect(told.write).toEqual([])
    expect(told.read).toEqual([])
  })

  it.each(['write', 'read'] as const)(
    'closes its file when it is disposed of after a %s has failed',
    async (operation) => {
      let closes = 0
      const open: OpenSpillFile = async (path) => {
        const file = await openSpillFile(path)
        let writes = 0
        return {
          read: (target, position) =>
            operation === 'read' ? Promise.reject(new Error('EIO: of the test')) : file.read(target, position),
          write: (bytes, position) =>
            operation === 'write' && writes++ > 0
              ? Promise.reject(new Error('ENOSPC: of the test'))
              : file.write(bytes, position),
          close: () => {
            closes++
            return file.close()
          },
        }
      }
      const { queue, told } = newQueue(2 * CHUNK, 100 * CHUNK, open)
      const source = new Source(queue)
      let taken = 0
      await waitFor('the fault', () => {
        if (!queue.isFull) source.receive(CHUNK)
        if (operation === 'read' && queue.fileBytes > 0) taken = take(queue, taken, CHUNK)
        return told[operation].length > 0
      })
      queue.dispose()
      await waitFor('the file to be closed', () => closes === 1)
    },
  )
})
