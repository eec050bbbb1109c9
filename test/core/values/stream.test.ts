import {
  BLOB_STREAM,
  checkBlob,
  type CommandArgs,
  createStreamRoot,
  HashSeed,
  MAX_ID,
  RegionMemory,
  RegionWriter,
  Stream,
  StreamGroups,
  StreamId,
  R_FIRST,
  R_LAST,
  ZERO_ID,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

function newRegion(): RegionWriter {
  return new RegionWriter(new RegionMemory([]), 0, new HashSeed(new Uint8Array(16).fill(7)), 64 << 20)
}

function argsOf(texts: readonly string[]): CommandArgs {
  const bytes = Buffer.from(texts.join(''), 'latin1')
  const start = new Int32Array(texts.length)
  const end = new Int32Array(texts.length)
  let at = 0
  for (const [i, text] of texts.entries()) {
    start[i] = at
    at += text.length
    end[i] = at
  }
  return { bytes, count: texts.length, start, end }
}

interface ModelEntry {
  ms: number
  sequence: number
  fields: string[]
}

function idOf(entry: { ms: number; sequence: number }): StreamId {
  const id = new StreamId().setTime(entry.ms)
  id.seqLo = entry.sequence
  return id
}

function entriesOf(stream: Stream, from: StreamId, to: StreamId, reverse: boolean): string[] {
  const found: string[] = []
  for (stream.seek(from, to, reverse); stream.next();) {
    const texts: string[] = []
    stream.node.visitFields({
      text: (bytes, start, end) => texts.push(Buffer.from(bytes.subarray(start, end)).toString('latin1')),
    })
    found.push(`${stream.node.id.toString()} ${texts.join('|')}`)
  }
  return found
}

function shown(entry: ModelEntry): string {
  return `${entry.ms}-${entry.sequence} ${entry.fields.join('|')}`
}

function checkNodes(stream: Stream): void {
  const { nodes, node } = stream
  let length = 0
  for (let more = nodes.first(); more; more = nodes.next()) {
    expect(stream.openNode(nodes.address)).toBe(true)
    expect(checkBlob(BLOB_STREAM, node.bytes, node.start, node.end)).toBe(nodes.weight)
    length += nodes.weight
  }
  expect(stream.length).toBe(length)
}

describe('stream', () => {
  for (const [name, nodeBytes, nodeEntries, valueBytes, steps] of [
    ['small nodes', 200, 5, 20, 2500],
    ['as configured', 4096, 100, 30, 4000],
    ['entries longer than a block', 4096, 100, 40_000, 150],
    ['nodes longer than a block', 100_000, 0, 600, 1500],
    ['without limits', 0, 0, 100, 3000],
  ] as const) {
    it(`does what a list of entries does: ${name}`, () => {
      const random = new SeededRandom(nodeBytes + valueBytes)
      const region = newRegion()
      const before = region.arena.usedBytes
      const root = createStreamRoot(region)
      const stream = new Stream().open(region, root)
      let model: ModelEntry[] = []
      let ms = 1000
      let sequence = 0
      const text = (): string => {
        const kind = random.int(0, 5)
        if (kind === 0) return String(random.int(-5, 200))
        if (kind === 1) return String(random.int(-(2 ** 40), 2 ** 52))
        if (kind === 2) return ''
        return 'v'.repeat(random.int(1, valueBytes))
      }
      for (let step = 0; step < steps; step++) {
        const action = random.int(0, 99)
        if (action < 70 || model.length === 0) {
          if (random.chance(0.3)) {
            ms += random.int(1, 70_000)
            sequence = 0
          } else sequence += random.int(1, 300)
          const fields = random.chance(0.8)
            ? ['name', text(), 'age', text()]
            : Array.from({ length: random.int(1, 5) * 2 }, text)
          const entry = { ms, sequence, fields }
          expect(stream.append(idOf(entry), argsOf(fields), 0, fields.length / 2, nodeBytes, nodeEntries)).toBe(true)
          model.push(entry)
          expect(stream.readId(R_LAST, new StreamId()).toString()).toBe(`${ms}-${sequence}`)
        } else if (action < 85) {
          const index = random.int(0, model.length - 1)
          expect(stream.delete(idOf(model[index]!))).toBe(true)
          expect(stream.delete(idOf(model[index]!))).toBe(false)
          model.splice(index, 1)
        } else if (action < 88) {
          const length = Math.max(0, model.length - random.int(0, 20))
          const removed = model.length - length
          expect(stream.trimToLength(length, false, 0)).toBe(removed)
          model = model.slice(removed)
        } else if (action < 90) {
          const entry = model[random.int(0, Math.min(model.length - 1, 20))]!
          const kept = model.filter((other) => idOf(other).compare(idOf(entry)) >= 0)
          expect(stream.trimToId(idOf(entry), false, 0)).toBe(model.length - kept.length)
          model = kept
        } else if (action < 92) {
          const removed = stream.trimToLength(Math.max(0, model.length - 30), true, random.pick([0, 7, 100]))
          expect(removed).toBeLessThanOrEqual(Math.min(30, model.length))
          model = model.slice(removed)
        } else {
          const [low, high] = [random.pick(model), random.pick(model)].toSorted((a, b) => idOf(a).compare(idOf(b)))
          const wanted = model.filter(
            (entry) => idOf(entry).compare(idOf(low!)) >= 0 && idOf(entry).compare(idOf(high!)) <= 0,
          )
          expect(entriesOf(stream, idOf(low!), idOf(high!), false)).toEqual(wanted.map(shown))
          expect(entriesOf(stream, idOf(low!), idOf(high!), true)).toEqual(wanted.map(shown).toReversed())
        }
        expect(stream.length).toBe(model.length)
        if (step % 500 === 0) checkNodes(stream)
      }
      checkNodes(stream)
      expect(entriesOf(stream, ZERO_ID, MAX_ID, false)).toEqual(model.map(shown))
      expect(entriesOf(stream, ZERO_ID, MAX_ID, true)).toEqual(model.map(shown).toReversed())
      stream.updateFirstId()
      if (model.length > 0) expect(stream.readId(R_FIRST, new StreamId()).compare(idOf(model[0]!))).toBe(0)
      expect(stream.trimToLength(0, false, 0)).toBe(model.length)
      expect(stream.nodes.entries).toBe(0)
      region.arena.free(root)
      expect(region.arena.usedBytes).toBe(before)
    })
  }
})

describe('a stream that memory ends for', () => {
  // The second node has 400 entries, so its counts become longer as entries go; the last entry's length fills its block, or makes chunks of it.
  const lengths = [...Array.from({ length: 24 }, (_, i) => i), 20_000, 40_000]
  const idOfNumber = (number: number): StreamId => idOf({ ms: number, sequence: 0 })

  function newStream(lastBytes: number): Stream {
    const region = newRegion()
    const stream = new Stream().open(region, createStreamRoot(region))
    for (let i = 1; i <= 410; i++) {
      const value = 'v'.repeat(i === 410 ? lastBytes : 1)
      stream.append(idOfNumber(i), argsOf(['f', value]), 0, 1, 0, i <= 11 ? 10 : 1000)
    }
    expect(stream.nodes.entries).toBe(2)
    stream.updateFirstId()
    return stream
  }

  it.each<[string, (stream: Stream) => unknown]>([
    ['a deletion', (stream) => stream.delete(idOfNumber(138))],
    ['trimming to a length', (stream) => stream.trimToLength(250, false, 0)],
    ['trimming to an ID', (stream) => stream.trimToId(idOfNumber(200), false, 0)],
    ['trimming to a length by a policy', (stream) => stream.trimAgreed(250, undefined, false, 0, () => true)],
    ['trimming to an ID by a policy', (stream) => stream.trimAgreed(0, idOfNumber(200), false, 0, () => true)],
  ])('in %s has as many entries as it says', (name, change) => {
    let failed = 0
    for (const lastBytes of lengths) {
      const stream = newStream(lastBytes)
      if (name === 'a deletion') for (let i = 11; i < 138; i++) stream.delete(idOfNumber(i))
      const { arena } = stream.region
      arena.allocate = () => {
        throw new Error('no memory')
      }
      let hasFailed = false
      try {
        change(stream)
      } catch {
        hasFailed = true
        failed++
      }
      Reflect.deleteProperty(arena, 'allocate')
      checkNodes(stream)
      const left = entriesOf(stream, ZERO_ID, MAX_ID, false)
      expect(left.length).toBe(stream.length)
      // What was trimmed before memory ended is a whole node.
      if (hasFailed) expect(stream.length).toBe(name === 'a deletion' ? 410 - 127 : 410 - 10)
      if (name !== 'a deletion') expect(stream.readId(R_FIRST, new StreamId()).toString()).toBe(left[0]!.split(' ')[0])
      change(stream)
      checkNodes(stream)
    }
    expect(failed).toBeGreaterThan(1)
  })
})

describe('consumer groups', () => {
  it('do what maps do', () => {
    const random = new SeededRandom(5)
    const region = newRegion()
    const stream = new Stream().open(region, createStreamRoot(region))
    const groups = new StreamGroups().open(stream)
    const names = ['', 'a', 'ab', 'b', 'x'.repeat(9000), 'x'.repeat(9001)].map((text) => Buffer.from(text))
    const group = groups.create(names[1]!, 0, 1, ZERO_ID, 0)
    expect(groups.create(names[1]!, 0, 1, ZERO_ID, 0)).toBe(0)
    for (const name of names) if (name !== names[1]) groups.create(name, 0, name.length, ZERO_ID, -1)
    expect(groups.find(names[1]!, 0, 1)).toBe(group)
    const order: number[] = []
    groups.forEachGroup((address) => {
      const slot = groups.groupName(address)
      order.push(slot.end - slot.start)
    })
    expect(order).toEqual([0, 1, 2, 1, 9000, 9001])
    const used = region.arena.usedBytes

    const pending = new Map<number, { owner: number; count: number }>()
    const consumers: number[] = []
    for (const name of names) {
      expect(groups.findConsumer(group, name, 0, name.length)).toBe(0)
      consumers.push(groups.createConsumer(name, 0, name.length, 123))
    }
    const id = new StreamId()
    for (let step = 0; step < 20_000; step++) {
      const number = random.int(1, 3000)
      id.setTime(number)
      const found = groups.findPending(group, id)
      expect(found !== 0).toBe(pending.has(number))
      const owner = random.int(0, consumers.length - 1)
      if (found === 0) {
        groups.createPending(id, 2 ** 41 + step, 1, consumers[owner]!)
        pending.set(number, { owner, count: 1 })
      } else if (random.chance(0.3)) {
        groups.removePending()
        pending.delete(number)
      } else {
        groups.give(found, consumers[owner]!)
        groups.setDeliveryCount(found, BigInt(groups.deliveryCount(found)) + 1n)
        pending.set(number, { owner, count: pending.get(number)!.count + 1 })
      }
    }
    expect(groups.pendingCount(group)).toBe(pending.size)
    for (const [owner, consumer] of consumers.entries()) {
      const own = groups.openConsumerPending(consumer)
      const seen: string[] = []
      for (let more = own.first(); more; more = own.next()) {
        groups.pendingId(own.address, id)
        seen.push(`${id.toString()} ${groups.deliveryCount(own.address)}`)
      }
      const wanted = [...pending].filter(([, entry]) => entry.owner === owner).toSorted(([a], [b]) => a - b)
      expect(seen).toEqual(wanted.map(([number, entry]) => `${number}-0 ${entry.count}`))
    }
    for (const [index, name] of names.entries()) {
      const found = groups.findConsumer(group, name, 0, name.length)
      expect(found).toBe(consumers[index])
      groups.deleteConsumer(group, found)
    }
    expect(groups.pendingCount(group)).toBe(0)
    expect(groups.consumerCount(group)).toBe(0)
    expect(region.arena.usedBytes).toBe(used)
  })
})
