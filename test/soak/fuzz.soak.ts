/** The differential test over all types; what it does is in test/fuzz. `npx -y pnpm@12 fuzz` runs it with options of its own. */
import { fuzz } from '../fuzz/fuzz.ts'
import type { Soak } from '../support/soak.ts'

export const soak: Soak = {
  about:
    'a round runs some 2,500 random commands on a redis-server and on a writable Understudy, and compares both and a replica',
  stated: { count: Infinity, seconds: 1800 },
  slice: { count: Infinity, seconds: 10 },
  run: (options) => fuzz({ ...options, ...settings() }),
}

/** Of scripts/fuzz.mjs. */
function settings(): { keepGoing: boolean; showCoverage: boolean; without?: string[]; only?: string[] } {
  const { UNDERSTUDY_FUZZ_KEEP_GOING: keepGoing, UNDERSTUDY_FUZZ_COVERAGE: coverage } = process.env
  const { UNDERSTUDY_FUZZ_WITHOUT: without, UNDERSTUDY_FUZZ_ONLY: only } = process.env
  return {
    keepGoing: keepGoing === '1',
    showCoverage: coverage === '1',
    ...(without ? { without: without.split(',') } : {}),
    ...(only ? { only: only.split(',') } : {}),
  }
}
