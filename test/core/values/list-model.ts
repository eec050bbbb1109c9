/** Lists against arrays: the same random changes on both, which must be equal then. */
import { strict as assert } from 'node:assert'
import { type ListNodeRule, type ListValue, prepareElement } from '@understudy/core/internal'
import type { SeededRandom } from '../../support/seeded-random.ts'

export function elements(list: ListValue, backward = false): string[] {
  const found: string[] = []
  for (let more = backward ? list.last() : list.first(); more; more = backward ? list.previous() : list.next()) {
    assert.equal(list.load(), true)
    const bytes = Buffer.alloc(list.elementLength)
    list.copyElement(bytes, 0)
    found.push(bytes.toString('latin1'))
  }
  return found
}

export function elementAt(list: ListValue, position: number): string | undefined {
  if (!list.seek(position)) return undefined
  list.load()
  const bytes = Buffer.alloc(list.elementLength)
  list.copyElement(bytes, 0)
  return bytes.toString('latin1')
}

export function prepare(text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  prepareElement(bytes, 0, bytes.length)
}

const LENGTHS = [
  0, 1, 5, 20, 63, 64, 200, 1000, 4000, 5000, 8100, 8200, 16_300, 16_370, 16_371, 16_372, 20_000, 100_000,
]

export function randomElement(random: SeededRandom, huge: boolean): string {
  if (random.chance(0.4)) {
    const bits = random.int(0, 63)
    return String((random.chance(0.5) ? 1n : -1n) * (2n ** BigInt(bits) - BigInt(random.int(0, 2))))
  }
  const lengths = huge ? LENGTHS : LENGTHS.slice(0, 7)
  return String.fromCharCode(random.int(33, 255)).repeat(random.pick(lengths))
}

/** Makes `steps` random changes of an empty list, which grows and shrinks. @returns what it must hold then. */
export function changeAtRandom(
  list: ListValue,
  rule: ListNodeRule,
  random: SeededRandom,
  huge: boolean,
  steps: number,
): string[] {
  let model: string[] = []
  const cycle = Math.min(steps, 2000)
  for (let step = 0; step < steps; step++) {
    const position = random.int(0, Math.max(0, model.length - 1))
    const text = randomElement(random, huge)
    prepare(text)
    const growing = step % cycle < cycle * 0.6
    switch (random.int(0, growing ? 5 : 9)) {
      case 0:
        list.push(true, rule)
        model.unshift(text)
        break
      case 1:
      case 2:
        list.push(false, rule)
        model.push(text)
        break
      case 3:
      case 4: {
        if (!list.seek(position)) break
        const behind = random.chance(0.5)
        list.insert(behind, rule)
        model.splice(behind ? position + 1 : position, 0, text)
        break
      }
      case 5:
        if (model.length === 0) break
        list.replace(position, rule)
        model[position] = text
        break
      case 6: {
        if (model.length < 2) break
        const from = random.chance(0.5) ? random.int(0, Math.min(3, model.length - 1)) : 0
        const to = Math.max(from + 1, model.length - random.int(0, 3))
        list.trim(from, to)
        model = model.slice(from, to)
        break
      }
      default: {
        // A run of removals, as LREM makes them.
        if (!list.seek(position)) break
        const backward = random.chance(0.5)
        let at = position
        for (let left = random.int(1, 30); left > 0; left--) {
          model.splice(at, 1)
          const more = list.remove(backward)
          if (backward) at--
          assert.equal(more, backward ? at >= 0 : at < model.length)
          if (!more) break
          assert.equal(list.load(), true)
          if (random.chance(0.3)) {
            if (!(backward ? list.previous() : list.next())) break
            at += backward ? -1 : 1
          }
        }
      }
    }
    assert.equal(list.count, model.length)
    if (model.length > 0) {
      const probe = random.int(0, model.length - 1)
      assert.equal(elementAt(list, probe), model[probe])
    }
    if (step % 200 === 0) {
      assert.deepEqual(elements(list), model)
      assert.deepEqual(elements(list, true), model.toReversed())
    }
  }
  return model
}
