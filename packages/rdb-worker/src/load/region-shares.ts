/** Who inserts what: each of a generation's regions has one thread that may touch it (regions share no memory). */
import { strict as assert } from 'node:assert'
import { REGION_COUNT } from '@understudy/core/loading'

/** More could not all have a region. */
export const LOAD_THREADS_MAX: number = REGION_COUNT
/** What scanning, checking, hashing and handing over cost, for all keys together, in insertions of one region's keys. */
const SCAN_COST_REGIONS = 3.5

/**
 * Shares the regions out so that all threads have about the same to do.
 * @returns one bit set of regions per inserting thread; what is in none of them is the scanning thread's
 */
export function inserterShares(threads: number): number[] {
  assert.ok(threads >= 1 && threads <= LOAD_THREADS_MAX)
  const inserters = threads - 1
  if (inserters === 0) return []
  const even = (REGION_COUNT + SCAN_COST_REGIONS) / threads
  const kept = Math.max(0, Math.round(even - SCAN_COST_REGIONS))
  const shares = Array.from({ length: inserters }, () => 0)
  for (let region = kept; region < REGION_COUNT; region++) shares[(region - kept) % inserters]! |= 1 << region
  return shares
}
