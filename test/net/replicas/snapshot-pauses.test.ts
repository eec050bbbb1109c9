import { SnapshotPauses, type SnapshotWish } from '@understudy/net/internal'
import { expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'

const WISH: SnapshotWish = { rdbVersion: 10, filter: { data: true, functions: true }, needsLength: true }

it('after a failure the next is begun after a pause: a second, then twice as long each time, up to ten', () => {
  const clock = new FakeClock()
  const pauses = new SnapshotPauses()
  for (const lengthMs of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
    expect(pauses.mayBegin(WISH, clock.monotonicMs())).toBe(true)
    expect(pauses.failed(WISH, clock.monotonicMs())).toBe(lengthMs)
    // The others that shared it.
    expect(pauses.failed(WISH, clock.monotonicMs())).toBeUndefined()
    clock.advance(lengthMs - 1)
    expect(pauses.mayBegin(WISH, clock.monotonicMs())).toBe(false)
    clock.advance(1)
  }
})

it('a success ends it, and so does time', () => {
  const clock = new FakeClock()
  const pauses = new SnapshotPauses()
  const failed = (): number | undefined => pauses.failed(WISH, clock.monotonicMs())
  failed()
  clock.advance(1000)
  expect(failed()).toBe(2000)
  pauses.succeeded(WISH)
  expect(pauses.mayBegin(WISH, clock.monotonicMs())).toBe(true)
  expect(failed()).toBe(1000)
  clock.advance(60_000)
  expect(failed()).toBe(1000)
})

it('who wants something else need not wait', () => {
  const clock = new FakeClock()
  const pauses = new SnapshotPauses()
  pauses.failed(WISH, clock.monotonicMs())
  for (const other of [
    { ...WISH, rdbVersion: 12 },
    { ...WISH, needsLength: false },
    { ...WISH, filter: { data: false, functions: true } },
  ]) {
    expect(pauses.mayBegin(other, clock.monotonicMs())).toBe(true)
  }
  expect(pauses.mayBegin({ ...WISH }, clock.monotonicMs())).toBe(false)
})
