/** The data of the benchmark: what it sends must be what its checks expect, and the same for the same seed. */
import { CommandParser } from '@understudy/core/internal'
import { describe, expect, test } from 'vitest'
import { Dataset, KEY_BYTES } from '../../bench/support/dataset.mjs'
import { buildSets } from '../../bench/support/set-commands.mjs'

const COUNT = 20_000

describe('dataset', () => {
  test('keys are distinct, 16 bytes long and depend on the seed', () => {
    const keys = new Set<string>()
    const dataset = new Dataset(7)
    for (let i = 0; i < COUNT; i++) keys.add(dataset.key(i).toString('latin1'))
    expect(keys.size).toBe(COUNT)
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{16}$/)
    expect(new Dataset(7).key(3)).toEqual(dataset.key(3))
    expect(new Dataset(8).key(3)).not.toEqual(dataset.key(3))
  })

  test('numbered keys are those of redis-benchmark -r', () => {
    expect(new Dataset(1, { keys: 'numbered' }).key(1042).toString('latin1')).toBe('key:000000001042')
  })

  test('values differ by record, round and seed', () => {
    const dataset = new Dataset(7)
    const values = [dataset.value(1, 0), dataset.value(2, 0), dataset.value(1, 1), new Dataset(8).value(1, 0)]
    expect(new Set(values.map((value) => value.toString('hex'))).size).toBe(values.length)
    expect(dataset.value(1, 0)).toEqual(values[0])
  })
})

test('the stream consists of one SET per record, with its key and its value', () => {
  const dataset = new Dataset(7)
  const bytes = Buffer.concat(buildSets(dataset, 5, 5 + COUNT, 1))
  const parser = new CommandParser(bytes)
  parser.tail = bytes.length
  const { args } = parser
  let index = 5
  while (parser.cursor < bytes.length) {
    expect(parser.parse()).toBe(true)
    parser.unitStart = parser.cursor
    if (index % 1000 === 0 || index === 5 || index === 4 + COUNT) {
      const words = Array.from({ length: args.count }, (_, i) => bytes.subarray(args.start[i], args.end[i]))
      expect(words).toEqual([Buffer.from('SET'), dataset.key(index), dataset.value(index, 1)])
      expect(words[1]).toHaveLength(KEY_BYTES)
    }
    index++
  }
  expect(index).toBe(5 + COUNT)
})
