/** What lives for milliseconds, on a replica beside its primary, across link cuts; see test/fuzz/expiring.ts. */
import { expiring } from '../fuzz/expiring.ts'
import type { Soak } from '../support/soak.ts'

export const soak: Soak = {
  about:
    'a round runs some 800 random commands with times to live of milliseconds, cuts the link, and compares the replica',
  stated: { count: 3_000 },
  slice: { count: Infinity, seconds: 6 },
  run: expiring,
}
