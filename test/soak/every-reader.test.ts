import { expect, it } from 'vitest'
import { soakSlice } from '../support/soak.ts'
import { type Broken, runEveryReader, soak } from './every-reader.soak.ts'

soakSlice('every-reader', soak)

// The test of the test: with one part of the protocol left out, somebody must see what nobody ever may.
const BROKEN: [string, Broken][] = [
  ['validation', { skipValidation: true, restMs: 0 }],
  ['the entering step', { counters: { enterStep: 0, leaveStep: 2 }, restMs: 0 }],
]
it.each(BROKEN)('the every-reader soak notices when %s is left out', { timeout: 60_000 }, async (_, broken) => {
  const run = runEveryReader({ seed: 1, count: Infinity, seconds: 20, log: () => {} }, broken)
  await expect(run).rejects.toThrow(/impossible things|in database|huge:/)
})
