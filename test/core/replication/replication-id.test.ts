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

it('data of a primary that told no id have one of their own, which replicas below go on from and no primary is asked for', () => {
  const history = new ReplicationHistory()
  // A primary of old, which was asked with SYNC.
  history.adoptFullResync(REPLID_NONE, 0)
  const { replid } = history
  history.replOffset = 1000
  expect(replid).toMatch(/^[0-9a-f]{40}$/)
  expect(replid).not.toBe(REPLID_NONE)
  expect(history.isContinuation(replid, 500)).toBe(true)
  expect(history.resumable).toBe(false)
  history.becomePrimary()
  expect(history.isContinuation(replid, 1001)).toBe(true)
  // The same primary, asked again: nobody knows whether the data are the same.
  history.adoptFullResync(REPLID_NONE, 0)
  expect(history.isContinuation(replid, 1)).toBe(false)
})

it('no id is nobody’s, and is not remembered: two histories that have none are not the same', () => {
  const history = new ReplicationHistory(REPLID_NONE)
  history.replOffset = 1000
  expect(history.isContinuation(REPLID_NONE, 500)).toBe(false)
  history.becomePrimary()
  expect(history.past).toEqual([])
  expect(history.isContinuation(REPLID_NONE, 500)).toBe(false)
  expect(history.returnToPast()).toBe(false)
})
