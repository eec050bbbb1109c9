/** Requests for a turn, several readers and the writer in one thread: each call waits at most its millisecond. */
import { C_READERS_TURN, giveTurn, readersAsk, ReadersTurns, TurnRequest } from '@understudy/core/internal'
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, vi } from 'vitest'

function newControl(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(64))
}

describe('a turn of readers', () => {
  it('is asked for until the last one who asked is done', () => {
    const control = newControl()
    const [first, second] = [new TurnRequest(), new TurnRequest()]
    first.ask(control)
    first.ask(control)
    second.ask(control)
    first.withdraw()
    expect(readersAsk(control)).toBe(true)
    first.withdraw()
    expect(readersAsk(control)).toBe(true)
    second.withdraw()
    expect(readersAsk(control)).toBe(false)
  })

  it('is given once for each request, also for those of a reader that is no more', () => {
    const control = newControl()
    const [gone, living] = [new TurnRequest(), new TurnRequest()]
    gone.ask(control)
    giveTurn(control, 1)
    expect(readersAsk(control)).toBe(false)
    living.ask(control)
    // Of a turn that is over: the request of another reader is not touched.
    gone.withdraw()
    expect(readersAsk(control)).toBe(true)
    living.withdraw()
    gone.ask(control)
    expect(readersAsk(control)).toBe(true)
  })

  it('does not follow a reader into another generation', () => {
    const [old, next] = [newControl(), newControl()]
    const request = new TurnRequest()
    request.ask(old)
    request.ask(next)
    request.withdraw()
    expect(readersAsk(next)).toBe(false)
    expect(readersAsk(old)).toBe(true)
  })

  it('leaves the writer twice as much time for itself, however often it is asked for', () => {
    const control = newControl()
    const turns = new ReadersTurns()
    let nowMs = 1000
    const now = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    // Who asked is never done: a turn takes all of its millisecond.
    const waits = vi.spyOn(Atomics, 'wait').mockImplementation((_array, _index, _value, timeoutMs = 0) => {
      nowMs += timeoutMs
      return 'timed-out'
    })
    let givenMs = 0
    for (const endMs = nowMs + 300; nowMs < endMs; nowMs += 0.01) {
      control[C_READERS_TURN]! |= 1
      const beforeMs = nowMs
      turns.giveIfAsked(control)
      givenMs += nowMs - beforeMs
    }
    now.mockRestore()
    waits.mockRestore()
    expect(givenMs).toBeGreaterThan(90)
    expect(givenMs).toBeLessThanOrEqual(101)
  })

  it('is longer behind a long group', () => {
    const control = newControl()
    const turns = new ReadersTurns()
    let nowMs = 1000
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    vi.spyOn(Atomics, 'wait').mockImplementation((_array, _index, _value, timeoutMs = 0) => {
      nowMs += timeoutMs
      return 'timed-out'
    })
    const lengthOfTurn = (workedMs: number): number => {
      nowMs += workedMs
      control[C_READERS_TURN]! |= 1
      const beforeMs = nowMs
      turns.giveIfAsked(control)
      return nowMs - beforeMs
    }
    lengthOfTurn(0)
    expect([30, 12, 10, 6, 3.5].map(lengthOfTurn)).toEqual([4, 3, 2.5, 1.5, 1])
    vi.restoreAllMocks()
  })

  it('need not be waited for while it is there', () => {
    const control = newControl()
    const waits = vi.spyOn(Atomics, 'wait')
    control[C_READERS_TURN] = 0x1001
    new TurnRequest().ask(control)
    expect(waits).not.toHaveBeenCalled()
    waits.mockRestore()
  })

  it('comes to a thread that waits for it', async () => {
    const control = newControl()
    const worker = new Worker(
      `
      const { workerData: { core, control } } = require('node:worker_threads')
      import(core).then(({ C_READERS_TURN, TurnRequest }) => {
        const request = new TurnRequest()
        for (let turns = 0; turns < 10;) {
          request.ask(control)
          if ((Atomics.load(control, C_READERS_TURN) & 0x1000) !== 0) turns++
          request.withdraw()
        }
      })`,
      { eval: true, workerData: { core: import.meta.resolve('@understudy/core/internal'), control } },
    )
    let hasEnded = false
    const ended = once(worker, 'exit').then(() => (hasEnded = true))
    let given = 0
    while (!hasEnded) {
      if (readersAsk(control)) {
        giveTurn(control, 1)
        given++
      } else await nextTurn()
    }
    await ended
    // Several may be had of one, by a reader that asks again before the writer wakes.
    expect(given).toBeGreaterThan(0)
  })
})
