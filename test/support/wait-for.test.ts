import { describe, expect, it } from 'vitest'
import { waitFor, waitForValue } from './wait-for.ts'

describe('waitFor', () => {
  it('asks until there is a result and returns it; 0 and an empty string are results', async () => {
    let asked = 0
    expect(await waitFor('three', () => (++asked < 3 ? undefined : asked), { intervalMs: 1 })).toBe(3)
    expect(asked).toBe(3)
    expect(await waitFor('zero', () => 0)).toBe(0)
    expect(await waitFor('nothing much', () => Promise.resolve(''))).toBe('')
  })

  it('takes a throwing probe for a failed try', async () => {
    let asked = 0
    const probe = (): string => {
      if (++asked < 2) throw new Error('not yet')
      return 'now'
    }
    expect(await waitFor('now', probe, { intervalMs: 1 })).toBe('now')
  })

  it('says what it waited for, how long, and what it saw last', async () => {
    const options = { timeoutMs: 20, intervalMs: 1 }
    await expect(waitFor('rain', () => false, options)).rejects.toThrow('waited 20 ms for rain (last result: false)')
    const broken = (): never => {
      throw new Error('no sky')
    }
    await expect(waitFor('rain', broken, options)).rejects.toThrow('waited 20 ms for rain (last error: Error: no sky)')
    await expect(waitForValue('the count', () => 4, 5, options)).rejects.toThrow(
      'waited 20 ms for the count to be 5 (last error: Error: it is 4)',
    )
  })

  it('asks once more after the time is over, so that a slow machine does not lose', async () => {
    let asked = 0
    expect(await waitFor('the second try', () => ++asked === 2, { timeoutMs: 5, intervalMs: 30 })).toBe(true)
  })
})
