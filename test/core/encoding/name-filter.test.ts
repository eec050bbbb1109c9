import { expect, test } from 'vitest'
import { LISTPACK_EMPTY_BYTES, listpackAppend, listpackCreate, NameFilter } from '@understudy/core/internal'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Strings as short, medium and long items, and integers of every length. */
function nameOf(random: SeededRandom): Buffer {
  switch (random.int(0, 5)) {
    case 0:
      return Buffer.from(String(random.int(-200, 200)))
    case 1:
      return Buffer.from(String(random.int(-(2 ** 48), 2 ** 48)))
    case 2:
      return random.bytes(random.int(0, 5))
    case 3:
      return Buffer.concat([random.bytes(random.int(60, 70)), Buffer.from('end')])
    case 4:
      return random.bytes(random.int(4090, 4100))
    default:
      return Buffer.from(`field:${random.int(0, 1000)}`)
  }
}

function listpackOf(items: readonly Buffer[]): { bytes: Buffer; length: number } {
  const bytes = Buffer.alloc(items.reduce((sum, { length }) => sum + length + 20, LISTPACK_EMPTY_BYTES))
  let length = listpackCreate(bytes, 0)
  for (const item of items) length = listpackAppend(bytes, 0, item, 0, item.length)
  return { bytes, length }
}

test.each([1, 2])('no name of a listpack is ever taken for a new one (every %ith item is a name)', (stride) => {
  const random = new SeededRandom(11)
  const filter = new NameFilter()
  for (let round = 0; round < 300; round++) {
    const names = Array.from({ length: random.int(0, 40) }, () => nameOf(random))
    const { bytes, length } = listpackOf(names.flatMap((name) => (stride === 1 ? [name] : [name, nameOf(random)])))
    filter.begin(bytes, 0, length, stride)
    const added = Array.from({ length: 10 }, () => nameOf(random))
    for (const name of added) filter.add(name, 0, name.length)
    for (const name of [...names, ...added]) expect(filter.add(name, 0, name.length)).toBe(true)
  }
})

test('of names that are new few have to be looked for', () => {
  const filter = new NameFilter()
  const { bytes, length } = listpackOf(Array.from({ length: 64 }, (_, i) => Buffer.from(`member:${i}`)))
  filter.begin(bytes, 0, length, 1)
  let lookedFor = 0
  for (let i = 64; i < 128; i++) {
    const name = Buffer.from(`member:${i}`)
    if (filter.add(name, 0, name.length)) lookedFor++
  }
  expect(lookedFor).toBeLessThan(8)
})

test('values are not taken for names, and nothing is left of what was noted before', () => {
  const filter = new NameFilter()
  const [name, value] = [Buffer.from('name'), Buffer.from('value')]
  const { bytes, length } = listpackOf([name, value])
  filter.begin(bytes, 0, length, 2)
  expect(filter.add(value, 0, value.length)).toBe(false)
  expect(filter.add(name, 0, name.length)).toBe(true)
  const empty = listpackOf([])
  filter.begin(empty.bytes, 0, empty.length, 2)
  expect(filter.add(name, 0, name.length)).toBe(false)
})
