/** How reads of other threads become known to the writer; both ends in this thread. */
import { AccessBits, AccessMarks, Keyspace, KeyPlace, Readers, SharedKeyspace } from '@understudy/core/internal'
import { afterEach, describe, expect, it } from 'vitest'
import { KeyspaceModel } from '../../support/keyspace-model.ts'

const MARKS_MAX = 2048

function placeOf(order: number): KeyPlace {
  const place = new KeyPlace()
  place.order = order
  place.tag = order + 1
  place.root = 7
  return place
}

describe('the ring', () => {
  it('carries marks in order, leaves out what does not fit, and goes round', () => {
    const writer = new AccessMarks()
    const reader = new AccessMarks(writer.memory)
    const taken: number[] = []
    const takeAll = (): void => writer.take((order) => taken.push(order), Number.POSITIVE_INFINITY)
    for (let round = 0; round < 3; round++) {
      reader.begin(new AccessBits())
      for (let i = 0; i < MARKS_MAX + 10; i++) reader.note(placeOf(i), 1)
      takeAll()
      expect(taken).toEqual([])
      reader.publish()
      takeAll()
      expect(taken).toEqual(Array.from({ length: MARKS_MAX }, (_, i) => i))
      taken.length = 0
    }
  })

  it('is emptied by as many as are asked for, the oldest first', () => {
    const writer = new AccessMarks()
    const reader = new AccessMarks(writer.memory)
    reader.begin(new AccessBits())
    for (let i = 0; i < 10; i++) reader.note(placeOf(i), 1)
    reader.publish()
    const taken: number[] = []
    for (const count of [4, 4]) writer.take((order) => taken.push(order), count)
    expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    writer.take((order) => taken.push(order), 4)
    expect(taken).toHaveLength(10)
  })

  it('forgets what an attempt noted that was not valid', () => {
    const writer = new AccessMarks()
    const reader = new AccessMarks(writer.memory)
    reader.begin(new AccessBits())
    reader.note(placeOf(1), 11)
    reader.begin(new AccessBits())
    reader.note(placeOf(2), 22)
    reader.publish()
    const taken: number[][] = []
    writer.take((...mark) => taken.push(mark), Number.POSITIVE_INFINITY)
    expect(taken).toEqual([[2, 3, 7, 22]])
  })

  it('tells the reader clock and policy', () => {
    const writer = new AccessMarks()
    const told = new AccessBits()
    Object.assign(told, { clock: 5, minute: 6, tracksFrequency: true, logFactor: 7, decayMinutes: 8 })
    writer.tell(told)
    const reader = new AccessMarks(writer.memory)
    const access = new AccessBits()
    reader.begin(access)
    expect(access).toEqual(told)
    told.clock = 9
    told.tracksFrequency = false
    writer.tell(told)
    reader.begin(access)
    expect(access).toEqual(told)
  })
})

describe('reads through a shared keyspace', () => {
  const keyspace = new Keyspace({ databaseCount: 2 })
  const model = new KeyspaceModel(keyspace)
  const readers = new Readers(keyspace)
  const shared = new SharedKeyspace(readers.attach())
  afterEach(() => {
    keyspace.access.tracksFrequency = false
  })

  function read(key: string): void {
    const run = (): void => {
      if (shared.lookup(1, Buffer.from(key), 0, key.length)) shared.markAccess()
    }
    shared.attempt({ run, undo: () => {} }, 0)
  }

  function idleSeconds(key: string): number {
    keyspace.lookup(1, Buffer.from(key), 0, key.length)
    return keyspace.access.idleSeconds(keyspace.entry)
  }

  it('make a key recently used, once a tick; keys that are gone are passed over', () => {
    keyspace.access.clock = 100
    for (const key of ['read', 'unread', 'gone']) model.put(1, key, 0, Buffer.from('v'))
    keyspace.access.clock = 110
    readers.exchangeMarks()
    read('read')
    read('gone')
    model.delete(1, 'gone')
    expect(idleSeconds('read')).toBe(20)
    readers.exchangeMarks()
    expect(idleSeconds('read')).toBe(0)
    expect(idleSeconds('unread')).toBe(20)
    expect(keyspace.lookup(1, Buffer.from('gone'), 0, 4)).toBe(false)
    // The record tells that it was read in this tick: nothing more is to be said.
    keyspace.access.clock = 111
    read('read')
    readers.exchangeMarks()
    expect(idleSeconds('read')).toBe(2)
  })

  it('count under an LFU policy', () => {
    keyspace.access.tracksFrequency = true
    readers.exchangeMarks()
    model.put(1, 'often', 0, Buffer.from('v'))
    for (let i = 0; i < 2000; i++) {
      read('often')
      readers.exchangeMarks()
    }
    keyspace.lookup(1, Buffer.from('often'), 0, 5)
    expect(keyspace.access.frequency(keyspace.entry)).toBeGreaterThan(12)
  })
})
