import { expect, test } from 'vitest'
import { ReplyPace } from '@understudy/net/internal'

/** Ticks of 100 ms in which nothing is taken. */
function pause(pace: ReplyPace, ms: number): void {
  for (let i = 0; i < ms; i += 100) pace.tick(100, 1000)
}

test('who takes nothing is overdue after two seconds', () => {
  const pace = new ReplyPace()
  pause(pace, 1900)
  expect(pace.overdue).toBeLessThan(1)
  pause(pace, 200)
  expect(pace.overdue).toBeGreaterThan(1)
})

test('who takes a piece, or some of one, is not', () => {
  const pace = new ReplyPace()
  pause(pace, 1900)
  pace.tick(100, 999)
  expect(pace.overdue).toBe(0)
  pause(pace, 1900)
  pace.took()
  pace.tick(100, 1000)
  expect(pace.overdue).toBe(0)
})

test('who went on after a pause is let have three times as long, and half a minute at most', () => {
  const pace = new ReplyPace()
  pause(pace, 5000)
  pace.took()
  pause(pace, 14_900)
  expect(pace.overdue).toBeLessThan(1)
  pause(pace, 400)
  expect(pace.overdue).toBeGreaterThan(1)
  pace.took()
  pause(pace, 30_500)
  expect(pace.overdue).toBeGreaterThan(1)
})
