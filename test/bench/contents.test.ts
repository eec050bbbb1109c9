/** A benchmark of wrong contents must fail. */
import { expect, test } from 'vitest'
import type { Contender } from '../../bench/support/contenders.mjs'
import { expectedReplies } from '../../bench/get-mixed.mjs'
import { checkContents, checkReplies, compareDigests } from '../../bench/support/contents.mjs'
import { Dataset } from '../../bench/support/dataset.mjs'

const dataset = new Dataset(3)
const COUNT = 100

/** What checkContents asks of a server, over a Map. */
function server(values: Map<string, Buffer>, digest = '1'.repeat(40)): Contender {
  const fake = {
    name: 'redis',
    call: async (name: string) => (name === 'DBSIZE' ? values.size : Buffer.from(digest)),
    getMany: async (keys: Buffer[]) => keys.map((key) => values.get(key.toString('latin1')) ?? null),
  }
  return fake as unknown as Contender
}

function rightValues(): Map<string, Buffer> {
  return new Map(
    Array.from({ length: COUNT }, (_, i) => [dataset.key(i).toString('latin1'), dataset.value(i, 0)] as const),
  )
}

test('right contents pass', async () => {
  await checkContents(server(rightValues()), { dataset, count: COUNT })
})

test('a missing key, another value and the values of another round do not', async () => {
  const missing = rightValues()
  missing.delete(dataset.key(7).toString('latin1'))
  await expect(checkContents(server(missing), { dataset, count: COUNT })).rejects.toThrow('holds 99 keys')
  missing.set('another key', dataset.value(7, 0))
  await expect(checkContents(server(missing), { dataset, count: COUNT })).rejects.toThrow('is missing')
  const changed = rightValues().set(dataset.key(COUNT - 1).toString('latin1'), dataset.value(0, 0))
  await expect(checkContents(server(changed), { dataset, count: COUNT })).rejects.toThrow('is right')
  const checked = checkContents(server(rightValues()), { dataset, count: COUNT, round: 1 })
  await expect(checked).rejects.toThrow('is right')
})

test('digests must be equal and not of an empty dataset', async () => {
  const values = rightValues()
  expect(await compareDigests(server(values), server(values))).toMatch(/^equal/)
  await expect(compareDigests(server(values), server(values, '2'.repeat(40)))).rejects.toThrow('differs')
  const empty = '0'.repeat(40)
  await expect(compareDigests(server(values, empty), server(values, empty))).rejects.toThrow('differs')
})

test('replies of all the reads of get-mixed are compared, and each of them is a hit', async () => {
  const expected = expectedReplies(dataset, COUNT)
  const wrong = new Map<string, unknown>()
  const contender = {
    name: 'redis',
    call: async (...words: string[]) => {
      const text = words.join(' ')
      return wrong.get(text) ?? expected.find((each) => each.words.join(' ') === text)?.reply
    },
  } as unknown as Contender
  await checkReplies(contender, expected)
  const names = new Set(expected.map(({ words }) => words[0]))
  expect([...names]).toEqual(['GET', 'HGET', 'ZRANGE', 'LRANGE', 'SISMEMBER', 'MGET'])
  for (const name of names) {
    const { words = [] } = expected.find((each) => each.words[0] === name) ?? {}
    wrong.clear()
    wrong.set(words.join(' '), name === 'SISMEMBER' ? 0 : Buffer.from('something else'))
    await expect(checkReplies(contender, expected)).rejects.toThrow(`answers ${words.join(' ')} with`)
  }
})
