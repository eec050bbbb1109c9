/** Who reads while a dataset is replaced must notice every answer that is of neither, and every one that goes back. */
import { expect, test } from 'vitest'
import { Dataset } from '../../bench/support/dataset.mjs'
import { SwapAnswers } from '../../bench/support/swap-answers.mjs'

const dataset = new Dataset(3)
const KEYS = [4, 0, 9, 4, 7, 2]

function answersTo(indexes: readonly number[]): SwapAnswers {
  const answers = new SwapAnswers(dataset, 0, 1)
  for (const index of indexes) answers.asked(index)
  return answers
}

const bulk = (value: Buffer): Buffer => Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')])
/** Replies to `KEYS`, the first `before` of them of the old dataset. */
const replies = (before: number): Buffer =>
  Buffer.concat(KEYS.map((index, i) => bulk(dataset.value(index, i < before ? 0 : 1))))

test.each([0, 1, 4, KEYS.length])('old answers, then new ones: %i of them old', (before) => {
  const whole = answersTo(KEYS)
  whole.take(replies(before))
  expect(whole).toMatchObject({ reads: KEYS.length, before, unanswered: 0 })
  expect(whole.latenciesMs).toHaveLength(KEYS.length)
  const byteByByte = answersTo(KEYS)
  for (const byte of replies(before)) byteByByte.take(Buffer.of(byte))
  expect(byteByByte).toMatchObject({ reads: KEYS.length, before, unanswered: 0 })
})

test('an old answer behind a new one', () => {
  const turned = Buffer.concat([bulk(dataset.value(4, 1)), bulk(dataset.value(0, 0))])
  expect(() => answersTo([4, 0]).take(turned)).toThrow('read 2, 0 of the old dataset before it')
})

test('a value of another key, of another round, or none', () => {
  expect(() => answersTo([4]).take(bulk(dataset.value(5, 0)))).toThrow('read 1')
  expect(() => answersTo([4]).take(bulk(dataset.value(4, 2)))).toThrow('read 1')
  expect(() => answersTo([4]).take(Buffer.from('$-1\r\n'))).toThrow('read 1')
})

test('an error', () => {
  expect(() => answersTo([4]).take(Buffer.from('-LOADING the dataset is being loaded\r\n'))).toThrow('-LOADING')
})
