import { describe, expect, test } from 'vitest'
import { ServerStatistics, ThreadStatistics } from '@understudy/net/internal'

describe('counters of several threads', () => {
  test('are added up, by command, error code and latency', () => {
    const whole = new ServerStatistics(3)
    const thread = new ThreadStatistics(3)
    // The link thread looks at the same memory from its side.
    whole.addThread(new ThreadStatistics(3, thread.memory))
    whole.countCommands(1, 2, 0.5, true)
    thread.countCommands(1, 3, 0.25, true)
    thread.countCommands(2, 1, 1, false)
    whole.countError('ERR one')
    thread.countError('WRONGTYPE two')
    thread.countError('ERR three')
    thread.hits = 4
    const sum = whole.whole()
    expect(sum.commandsProcessed).toBe(6)
    expect([...sum.calls]).toEqual([0, 5, 1])
    expect(sum.micros[1]).toBe(750)
    expect(whole.latencies(1).count).toBe(5)
    expect(whole.timed(2)).toBe(0)
    expect(new Map(sum.errors)).toEqual(
      new Map([
        ['ERR', 2],
        ['WRONGTYPE', 1],
      ]),
    )
    expect(sum.hits).toBe(4)
  })

  test('make one rate, before and after a reset', () => {
    const whole = new ServerStatistics(1)
    const thread = new ThreadStatistics(1)
    whole.addThread(thread)
    const rate = (): number => {
      whole.sampleRates(1000)
      whole.countCommands(0, 10, 1, false)
      thread.countCommands(0, 20, 1, false)
      whole.sampleRates(1100)
      return whole.commandRate.perSecond
    }
    expect(rate()).toBe(300)
    whole.reset()
    expect(rate()).toBe(300)
  })

  test('go on beyond what 32 bits hold', () => {
    const whole = new ServerStatistics(1)
    const thread = new ThreadStatistics(1)
    whole.addThread(thread)
    thread.histogram(0).record(100, 2 ** 32)
    thread.countCommands(0, 3, 0.0003, true)
    const histogram = whole.latencies(0)
    expect(histogram.count).toBe(2 ** 32 + 3)
    expect(histogram.percentile(50)).toBeLessThan(110)
    expect(histogram.cumulativeMicros().at(-1)?.[1]).toBe(2 ** 32 + 3)
  })

  test('of turns of the event loop are counted and timed, by thread', () => {
    const whole = new ServerStatistics(2)
    const thread = new ThreadStatistics(2)
    whole.addThread(thread)
    whole.countTurn(1)
    thread.countTurn(2)
    thread.countTurn(3)
    expect([whole.whole().turnCount, whole.whole().turnMicros]).toEqual([3, 6000])
    expect(whole.timed(whole.turnsId)).toBe(3)
    expect(whole.latencies(whole.turnsId).percentile(100)).toBeGreaterThan(2.9e6)
    expect(whole.timed(1)).toBe(0)
  })

  test('a reset leaves the other thread alone and counts from there on', () => {
    const whole = new ServerStatistics(2)
    const thread = new ThreadStatistics(2)
    whole.addThread(thread)
    thread.countCommands(0, 5, 1, true)
    thread.countError('ERR x')
    whole.countCommands(0, 1, 1, true)
    whole.reset()
    expect(whole.whole().commandsProcessed).toBe(0)
    expect(whole.latencies(0).count).toBe(0)
    expect(thread.commandsProcessed).toBe(5)
    thread.countCommands(0, 2, 1, true)
    thread.countError('ERR y')
    thread.countError('LATER z')
    expect(whole.whole().calls[0]).toBe(2)
    expect(whole.latencies(0).count).toBe(2)
    expect(whole.whole().errors).toEqual([
      ['ERR', 1],
      ['LATER', 1],
    ])
    whole.reset()
    thread.countError('LATER z')
    expect(whole.whole().errors).toEqual([['LATER', 1]])
  })

  test('what a thread counted stays when it has ended', () => {
    const whole = new ServerStatistics(1)
    const thread = new ThreadStatistics(1)
    whole.addThread(thread)
    thread.countCommands(0, 5, 1, true)
    whole.reset()
    thread.countCommands(0, 4, 1, true)
    whole.removeThread(thread)
    thread.countCommands(0, 9, 1, true)
    expect(whole.whole().calls[0]).toBe(4)
    expect(whole.latencies(0).count).toBe(4)
  })

  test('error codes beyond the bound are not counted, long ones by their beginning', () => {
    const thread = new ThreadStatistics(1)
    for (let i = 0; i < 300; i++) thread.countError(`CODE${i} text`)
    expect(thread.errors.length).toBe(128)
    expect(thread.errorReplies).toBe(300)
    const other = new ThreadStatistics(1)
    other.countError(`${'X'.repeat(50)} a`)
    other.countError(`${'X'.repeat(50)} b`)
    expect(other.errors).toEqual([['X'.repeat(32), 2]])
  })
})
