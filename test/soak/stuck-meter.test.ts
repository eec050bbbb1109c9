import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StuckMeter } from './stuck-meter.mjs'

const STUCK_MS = 80

/** Here reader and writer are one thread. On a busy machine part of the time is lost: half of it has to be noticed. */
describe('the meter of reads that do not get through', () => {
  const { wait } = Atomics
  let meter: StuckMeter
  beforeEach(() => {
    meter = new StuckMeter()
    meter.begin()
  })
  // It puts its own in the place of this, and other files run in this process.
  afterEach(() => void Object.assign(Atomics, { wait }))

  it('counts what was run', () => {
    const before = process.cpuUsage()
    const ranMs = (): number => process.cpuUsage(before).user / 1000
    while (ranMs() < STUCK_MS);
    meter.end()
    expect(meter.longestMs).toBeGreaterThan(STUCK_MS / 2)
  })

  it('knows a sleep only by the whole time', () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STUCK_MS)
    meter.end()
    expect(meter.longestMs).toBeLessThan(STUCK_MS / 2)
    expect(meter.longestWholeMs).toBeGreaterThan(STUCK_MS / 2)
  })
})
