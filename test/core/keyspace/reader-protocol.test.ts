/**
 * The corners of the readers' protocol that a race meets too seldom to be tested by racing (test/soak/consistency does
 * that): each is brought about on purpose, with reader and writer in one thread and the hook between looking and
 * validating.
 */
import { once } from 'node:events'
import { receiveMessageOnPort, Worker } from 'node:worker_threads'
import {
  C_READERS_TURN,
  hashKey,
  hashOrder,
  Keyspace,
  KeyspaceReader,
  Readers,
  SharedKeyspace,
  REGION_COUNT,
  regionOf,
  shardOf,
} from '@understudy/core/internal'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { waitFor } from '../../support/wait-for.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

function put(keyspace: Keyspace, key: string, value: string | Buffer, expireAtMs = -1): void {
  const k = bytes(key)
  const v = Buffer.from(value as string)
  keyspace.put(0, k, 0, k.length, 0, 0, v, 0, v.length, expireAtMs)
}

function unit(keyspace: Keyspace, change: () => void): void {
  keyspace.begin()
  change()
  keyspace.end()
}

function open(): { keyspace: Keyspace; readers: Readers; reader: KeyspaceReader } {
  const keyspace = new Keyspace({ databaseCount: 2, hashSeed: new Uint8Array(16).map((_, i) => i + 1) })
  const readers = new Readers(keyspace)
  // The first block makes the memory grow; opened after it, a reader need not look twice for that reason.
  for (let i = 0; i < 64; i++) unit(keyspace, () => put(keyspace, `filler ${i}`, ''))
  return { keyspace, readers, reader: new KeyspaceReader(readers.attach()) }
}

function replace(keyspace: Keyspace): void {
  unit(keyspace, () => keyspace.swapGeneration(keyspace.newGeneration(2)))
}

function get(reader: KeyspaceReader, ...keys: string[]): (string | undefined)[] {
  return reader.mget(keys)
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('RANDOMKEY', () => {
  it('ends when the last key goes while it looks for one', () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const reader = new SharedKeyspace(new Readers(keyspace).attach())
    unit(keyspace, () => put(keyspace, 'only', 'value'))
    let isFound = true
    const run = (): void => {
      isFound = reader.randomKey(0, () => {
        unit(keyspace, () => keyspace.delete(0, bytes('only'), 0, 4))
        return 0.5
      })
    }
    reader.attempt({ run, undo: () => {} }, 1000)
    expect(isFound).toBe(false)
  })
})

describe('a read', () => {
  it('is repeated when one of its shards was changed before the validation', () => {
    const { keyspace, reader } = open()
    unit(keyspace, () => {
      put(keyspace, 'a', 'old')
      put(keyspace, 'b', 'old')
    })
    let changes = 0
    reader.beforeValidation = () => {
      if (changes++ > 0) return
      unit(keyspace, () => {
        put(keyspace, 'a', 'new')
        put(keyspace, 'b', 'new')
      })
    }
    expect(get(reader, 'a', 'b')).toEqual(['new', 'new'])
    expect(reader.retries).toBe(1)
  })

  it('follows a segment that got the number of one that was dropped', () => {
    const { keyspace, reader } = open()
    // Of one region: an unknown segment of another would make the reader look at its port.
    const names = Array.from({ length: 800 }, (_, i) => `key ${i}`).filter((name) => {
      hashKey(keyspace.generation.seed, bytes(name), 0, name.length)
      return regionOf(shardOf(hashOrder)) === 0
    })
    const write = (letter: string): void => unit(keyspace, () => names.forEach((name) => put(keyspace, name, letter)))
    const { compaction } = keyspace
    const evacuate = (): void => {
      compaction.begin(-1, -1)
      while (compaction.step(1));
    }
    write('a')
    // All regions once; from then on it is the turn of the first.
    for (let i = 0; i < REGION_COUNT; i++) evacuate()
    const segments = (): boolean[] => [1, 2].map((index) => keyspace.generation.regions[0]!.memory.hasSegment(index))
    expect(segments()).toEqual([false, true])
    expect(get(reader, ...names)).toEqual(names.map(() => 'a'))
    evacuate()
    expect(segments()).toEqual([true, false])
    expect(get(reader, ...names)).toEqual(names.map(() => 'a'))
    // The next segment of this number has every block where the reader's has it, with another letter.
    write('b')
    evacuate()
    evacuate()
    expect(segments()).toEqual([true, false])
    expect(get(reader, ...names)).toEqual(names.map(() => 'b'))
  })

  it('is not disturbed by a change of another shard', () => {
    const { keyspace, reader } = open()
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    reader.beforeValidation = () => unit(keyspace, () => put(keyspace, 'b', 'x')) // in another shard with this seed
    expect(get(reader, 'a')).toEqual(['old'])
    expect(reader.retries).toBe(0)
  })

  it('sees keys that expire together, together, though the clock moves between them', () => {
    const { keyspace, reader } = open()
    unit(keyspace, () => {
      put(keyspace, 'a', 'v', 5000)
      put(keyspace, 'b', 'v', 5000)
    })
    for (const [first, wanted] of [
      [4998, ['v', 'v']],
      [5000, ['v', 'v']],
      [5001, [undefined, undefined]],
    ] as const) {
      let now: number = first
      vi.spyOn(Date, 'now').mockImplementation(() => now++)
      expect(get(reader, 'a', 'b'), `at ${first}`).toEqual(wanted)
    }
  })
})

describe('a unit that replaces the generation', () => {
  it('never shows what it did before, even to a reader that has just found the old one in force', () => {
    const { keyspace, reader } = open()
    unit(keyspace, () => {
      put(keyspace, 'a', 'old')
      put(keyspace, 'b', 'old')
    })
    expect(get(reader, 'a', 'b')).toEqual(['old', 'old'])
    // As MULTI, SET a, FLUSHALL of a large dataset, SET b, EXEC; it begins between the reader's look at C_RETIRED and its first counter.
    const original = Atomics.load
    let loads = 0
    vi.spyOn(Atomics, 'load').mockImplementation(((array: Int32Array, index: number) => {
      loads++
      if (loads === 1) {
        expect(index).toBeGreaterThanOrEqual(keyspace.generation.counters)
        keyspace.begin()
        put(keyspace, 'a', 'half')
        keyspace.counters.enterAll()
        keyspace.swapGeneration(keyspace.newGeneration(2))
      } else if (loads === 8) {
        put(keyspace, 'b', 'whole')
        keyspace.end()
      }
      return original(array, index)
    }) as typeof Atomics.load)
    expect(get(reader, 'a', 'b')).toEqual([undefined, 'whole'])
  })

  it('leaves shards that it had not touched readable to the end', () => {
    const { keyspace, reader } = open()
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    let swaps = 0
    reader.beforeValidation = () => {
      if (swaps++ === 0) keyspace.adopt(keyspace.newGeneration(2).transfer())
    }
    expect(get(reader, 'a')).toEqual(['old'])
    expect(reader.retries).toBe(0)
    expect(get(reader, 'a')).toEqual([undefined])
  })
})

describe('a request to the writer to stay out', () => {
  it('costs the writer one moment when the thread that asked has ended', () => {
    const { keyspace } = open()
    keyspace.generation.control[C_READERS_TURN] = 1
    const waits = vi.spyOn(Atomics, 'wait')
    for (let i = 0; i < 20; i++) unit(keyspace, () => put(keyspace, 'a', String(i)))
    expect(waits).toHaveBeenCalledTimes(1)
  })
})

describe('a node without a dataset', () => {
  it('is not read, and says so, whatever the generation, until there is one', () => {
    const { keyspace, reader } = open()
    const notReady = expect.objectContaining({ code: 'NOT_READY', retryable: true })
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    unit(keyspace, () => keyspace.position.setHasDataset(false))
    expect(keyspace.position.hasDataset).toBe(false)
    for (const read of [
      () => reader.get('a'),
      () => get(reader, 'a'),
      () => reader.hgetall('a'),
      () => reader.replid,
    ]) {
      expect(read).toThrow(notReady)
    }
    // As FLUSHALL of a large dataset does it.
    unit(keyspace, () => {
      const empty = keyspace.newGeneration(2)
      keyspace.position.copyTo(empty)
      keyspace.swapGeneration(empty)
    })
    expect(() => reader.get('a')).toThrow(notReady)
    const loaded = keyspace.newGeneration(2)
    keyspace.adopt(loaded.transfer())
    expect(keyspace.position.hasDataset).toBe(true)
    expect(reader.get('a')).toBeUndefined()
  })

  it('is refused even if the dataset goes between looking and validating', () => {
    const { keyspace, reader } = open()
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    reader.beforeValidation = () => {
      if (keyspace.position.hasDataset) unit(keyspace, () => keyspace.position.setHasDataset(false))
    }
    expect(() => reader.get('a')).toThrow(expect.objectContaining({ code: 'NOT_READY' }))
  })
})

describe('a handle', () => {
  const used = expect.objectContaining({ code: 'BAD_ARGUMENT' })

  it('is for one reader, whose port nobody else can close', async () => {
    const { keyspace, readers } = open()
    const handle = readers.attach()
    const reader = new KeyspaceReader(handle)
    expect(() => new KeyspaceReader(handle)).toThrow(used)
    handle.port.close()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([readers.count, keyspace.counters.active]).toEqual([2, true])
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    expect(get(reader, 'a')).toEqual(['old'])
    reader.close()
    await waitFor('the writer to notice', () => readers.count === 1)
  })

  it('is opened where its port is, and nowhere when that is closed', () => {
    const { readers } = open()
    const handle = readers.attach()
    const arrived = structuredClone(handle, { transfer: [handle.port] })
    expect(() => new KeyspaceReader(handle)).toThrow(used)
    expect(get(new KeyspaceReader(arrived), 'filler 1')).toEqual([''])
    const closed = readers.attach()
    closed.port.close()
    expect(() => new KeyspaceReader(closed)).toThrow(used)
  })

  it('that is opened late, in the thread of the writer, is of the generation of then', () => {
    const { keyspace, readers } = open()
    const handle = readers.attach()
    for (const value of ['older', 'newer']) {
      replace(keyspace)
      unit(keyspace, () => put(keyspace, 'a', value))
    }
    const reader = new KeyspaceReader(handle)
    expect(get(reader, 'a')).toEqual(['newer'])
    replace(keyspace)
    expect(get(reader, 'a')).toEqual([undefined])
  })

  it('that is opened late in another thread is of the generation of then, for which it waits', async () => {
    const { keyspace, readers } = open()
    const handle = readers.attach()
    const read = `import('@understudy/core').then(({ KeyspaceReader }) =>
      require('node:worker_threads').parentPort.postMessage(
        new KeyspaceReader(require('node:worker_threads').workerData).get('a')))`
    replace(keyspace)
    unit(keyspace, () => put(keyspace, 'a', 'newer'))
    const worker = new Worker(read, { eval: true, workerData: handle, transferList: [handle.port] })
    expect(await once(worker, 'message')).toEqual(['newer'])
    await waitFor('the writer to notice its end', () => readers.count === 1)
  })

  it('that nobody opens gets one message, however many generations come', () => {
    const { keyspace, readers } = open()
    const { port } = readers.attach()
    for (let i = 0; i < 3; i++) {
      replace(keyspace)
      unit(keyspace, () => put(keyspace, 'a', 'new'))
    }
    expect([receiveMessageOnPort(port), receiveMessageOnPort(port)]).toEqual([
      { message: { kind: 'outdated' } },
      undefined,
    ])
  })

  it('is opened before the writer looks, and misses nothing', () => {
    const { keyspace, readers } = open()
    const reader = new SharedKeyspace(readers.attach())
    replace(keyspace)
    unit(keyspace, () => put(keyspace, 'a', 'new'))
    let isFound = false
    reader.attempt({ run: () => (isFound = reader.lookup(0, bytes('a'), 0, 1)), undo: () => {} }, 1000)
    expect(isFound).toBe(true)
  })

  it('that is taken back cannot be read by any more, whether it was opened or not', () => {
    const { keyspace, readers, reader: other } = open()
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    const [opened, waiting] = [readers.attach(), readers.attach()]
    const reader = new KeyspaceReader(opened)
    const view = reader.view('a')!
    readers.detach(opened)
    readers.detach(waiting)
    readers.detach(waiting)
    const ended = expect.objectContaining({ code: 'NOT_READY', retryable: false })
    expect(() => get(reader, 'a')).toThrow(ended)
    expect(() => get(new KeyspaceReader(waiting), 'a')).toThrow(ended)
    expect([readers.count, get(other, 'a'), view.validate()]).toEqual([1, ['old'], true])
    unit(keyspace, () => put(keyspace, 'a', 'new'))
    expect(view.validate()).toBe(false)
  })

  it('that is taken back leaves no port behind, whether something had happened or not', async () => {
    const { keyspace, readers } = open()
    const ports = [false, true].map((isOutdated) => {
      const handle = readers.attach()
      if (isOutdated) replace(keyspace)
      readers.detach(handle)
      return handle.port
    })
    await Promise.all(ports.map((port) => once(port, 'close')))
  })

  it('that is taken back in the middle of a read takes the writer out of the protocol, and the read with it', () => {
    const keyspace = new Keyspace({ databaseCount: 1, hashSeed: new Uint8Array(16).map((_, i) => i + 1) })
    const readers = new Readers(keyspace)
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    const handle = readers.attach()
    const reader = new KeyspaceReader(handle)
    reader.beforeValidation = () => {
      readers.detach(handle)
      unit(keyspace, () => put(keyspace, 'a', 'new'))
    }
    expect(() => reader.get('a')).toThrow(expect.objectContaining({ code: 'NOT_READY', retryable: false }))
    expect(keyspace.counters.active).toBe(false)
  })
})

describe('closing', () => {
  it('a reader ends its reads, since the writer may leave the protocol from then on', () => {
    const { reader } = open()
    reader.close()
    expect(() => get(reader, 'a')).toThrow(expect.objectContaining({ code: 'NOT_READY' }))
  })

  it('all readers from the writer keeps the counters in use: they may still be reading', async () => {
    const { keyspace, readers, reader } = open()
    unit(keyspace, () => put(keyspace, 'a', 'old'))
    readers.close()
    await new Promise((resolve) => setTimeout(resolve, 20))
    reader.beforeValidation = () => {
      reader.beforeValidation = undefined
      unit(keyspace, () => put(keyspace, 'a', 'new'))
    }
    expect(get(reader, 'a')).toEqual(['new'])
    expect(reader.retries).toBe(1)
  })

  it('the last reader lets the writer work without counters', async () => {
    const { keyspace, reader } = open()
    expect(keyspace.counters.active).toBe(true)
    reader.close()
    await waitFor('the writer to notice', () => !keyspace.counters.active)
  })
})
