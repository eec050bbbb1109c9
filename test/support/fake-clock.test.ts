import { expect, it } from 'vitest'
import { FakeClock } from './fake-clock.ts'

it('stands still until it is moved; only the wall clock jumps', () => {
  const clock = new FakeClock({ monotonicMs: 100, wallMs: 5000 })
  clock.advance(7)
  expect([clock.monotonicMs(), clock.wallMs()]).toEqual([107, 5007])
  clock.jumpWall(-2000)
  expect([clock.monotonicMs(), clock.wallMs()]).toEqual([107, 3007])
  expect(() => clock.advance(-1)).toThrow('does not go back')
})
