/** Which histories a replica below may go on from. */
import { REPLID_NONE, ReplicationHistory } from '@understudy/core/internal'
import { expect, it } from 'vitest'

const ID = 'a'.repeat(40)

it('the ids before that of now are good up to where they ended', () => {
  const history = new ReplicationHistory(ID)
  history.replOffset = 100
  history.becomePrimary()
  history.replOffset = 200
  expect(history.isContinuation(history.replid, 150)).toBe(true)
  expect(history.isContinuation(ID, 101)).toBe(true)
  expect(history.isContinuation(ID, 102)).toBe(false)
  history.forget()
  expect(history.isContinuation(ID, 101)).toBe(false)
  expect(history.resumable).toBe(false)
})

it('no id is nobody’s, and is not remembered: two histories that have none are not the same', () => {
  const history = new ReplicationHistory()
  // A primary of old, which was asked with SYNC.
  history.adoptFullResync(REPLID_NONE, 0)
  history.replOffset = 1000
  expect(history.isContinuation(REPLID_NONE, 500)).toBe(false)
  history.becomePrimary()
  expect(history.past).toEqual([])
  expect(history.isContinuation(REPLID_NONE, 500)).toBe(false)
  expect(history.returnToPast()).toBe(false)
})
