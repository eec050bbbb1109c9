import { describe, expect, it } from 'vitest'
import { soakSlice } from '../support/soak.ts'
import { runConsistency, soak } from './consistency.soak.ts'
import type { Sabotage } from './reading-threads.ts'

soakSlice('consistency', soak)

// The test of the test: with one part of the protocol left out, readers must see what they never may.
describe('the consistency soak notices when', () => {
  const SABOTAGES: Exclude<Sabotage, 'none'>[] = ['skip-validation', 'skip-entering', 'skip-leaving']
  it.each(SABOTAGES)('the protocol does %s', { timeout: 60_000 }, async (sabotage) => {
    const run = async (): Promise<void> => {
      for (let seed = 1; seed <= 15; seed++) {
        await runConsistency({ seed, count: Infinity, seconds: 3, log: () => {} }, { sabotage })
      }
    }
    await expect(run()).rejects.toThrow(/impossible things/)
  })
})
