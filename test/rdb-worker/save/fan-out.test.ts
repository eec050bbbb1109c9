/** Several targets of one snapshot, without I/O: each gets all pieces in order, at its own pace, and who holds up others is counted. */
import { FanOut, type FanOutTarget } from '@understudy/rdb-worker'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const SLOTS = 4

interface Fake {
  readonly target: FanOutTarget
  /** Probability that it takes a piece in a step. */
  readonly pace: number
  readonly leavesAfter: number
  readonly got: number[]
  hasLeft: boolean
}

/** Pieces that are written when there is a slot, and targets that take them by chance. */
function run(seed: number, paces: readonly { pace: number; leavesAfter?: number }[], pieces: number, hasFile = false) {
  const random = new SeededRandom(seed)
  const clock = new FakeClock()
  const fanOut = new FanOut(SLOTS, hasFile)
  const slots: number[] = []
  let written = 0
  const fakes: Fake[] = paces.map(({ pace, leavesAfter = Number.POSITIVE_INFINITY }) => ({
    target: fanOut.join(clock.monotonicMs())!,
    pace,
    leavesAfter,
    got: [],
    hasLeft: false,
  }))
  const isDone = (): boolean => fakes.every(({ hasLeft, got, pace }) => hasLeft || pace === 0 || got.length === pieces)
  let steps = 0
  for (; steps < 100_000 && !isDone(); steps++) {
    clock.advance(1)
    const nowMs = clock.monotonicMs()
    if (written < pieces && written - fanOut.freed < SLOTS) {
      slots[written % SLOTS] = written
      fanOut.wrote(++written, nowMs)
      if (written === pieces) fanOut.end(nowMs)
    }
    for (const fake of fakes) {
      if (fake.hasLeft || !random.chance(fake.pace) || !fanOut.hasNext(fake.target)) continue
      fake.got.push(slots[fake.target.position % SLOTS]!)
      fanOut.took(fake.target, nowMs)
      if (fake.got.length < fake.leavesAfter) continue
      fake.hasLeft = true
      fanOut.leave(fake.target, nowMs)
    }
  }
  return { fakes, fanOut, clock, written, steps }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('targets of one snapshot', () => {
  it.each([1, 2, 3, 4, 5])('that take at random speeds get every piece once, in order (seed %i)', (seed) => {
    const paces = [{ pace: 1 }, { pace: 0.5 }, { pace: 0.1 }, { pace: 0.9, leavesAfter: 17 }]
    const { fakes, fanOut, written } = run(seed, paces, 200)
    expect(written).toBe(200)
    for (const { got, leavesAfter } of fakes) expect(got).toEqual(upTo(Math.min(200, leavesAfter)))
    expect(fanOut.freed).toBe(200)
  })

  it('that stop hold up the others by as many pieces as there are slots, and no longer when they have left', () => {
    const { fakes, fanOut, clock } = run(6, [{ pace: 1 }, { pace: 0 }, { pace: 0.7, leavesAfter: 2 }], 50)
    const [fast, stopped, gone] = fakes
    expect(fast!.got).toEqual(upTo(SLOTS))
    expect(fanOut.freed).toBe(0)
    const before = fanOut.heldUpMs(stopped!.target, clock.monotonicMs())
    clock.advance(1000)
    expect(fanOut.heldUpMs(stopped!.target, clock.monotonicMs())).toBe(before + 1000)
    expect(fanOut.heldUpMs(fast!.target, clock.monotonicMs())).toBe(0)
    expect(fanOut.heldUpMs(gone!.target, clock.monotonicMs())).toBe(0)
    fanOut.leave(stopped!.target, clock.monotonicMs())
    expect(fanOut.freed).toBe(SLOTS)
  })

  it('that are slow alone hold up nobody, unless the same pieces go into a file', () => {
    const alone = run(7, [{ pace: 0.05 }], 100)
    expect(alone.fanOut.heldUpMs(alone.fakes[0]!.target, alone.clock.monotonicMs())).toBe(0)
    const beside = run(7, [{ pace: 0.05 }], 100, true)
    expect(beside.fanOut.heldUpMs(beside.fakes[0]!.target, beside.clock.monotonicMs())).toBeGreaterThan(
      beside.steps / 2,
    )
  })

  it('only the slowest is counted, and only while others have nothing to take', () => {
    const { fakes, fanOut, clock } = run(8, [{ pace: 1 }, { pace: 0.3 }, { pace: 0.1 }], 300)
    const [fast, middle, slow] = fakes.map(({ target }) => fanOut.heldUpMs(target, clock.monotonicMs()))
    expect(fast).toBe(0)
    expect(slow).toBeGreaterThan(10 * middle!)
  })

  it('may join as long as the first piece is there', () => {
    const fanOut = new FanOut(SLOTS, false)
    const first = fanOut.join(0)!
    for (let written = 1; written <= SLOTS; written++) fanOut.wrote(written, 0)
    const second = fanOut.join(0)
    expect(second?.position).toBe(0)
    fanOut.took(first, 0)
    expect(fanOut.freed).toBe(0)
    fanOut.took(second!, 0)
    expect(fanOut.freed).toBe(1)
    expect(fanOut.join(0)).toBeUndefined()
  })

  it('without targets nothing is kept', () => {
    const fanOut = new FanOut(SLOTS, true)
    fanOut.wrote(3, 0)
    expect(fanOut.freed).toBe(3)
  })
})
