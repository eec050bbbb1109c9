/** Waiting for memory that nothing holds any more to be gone. */
import { collectGarbage } from '@understudy/core/internal'

/** What died while V8 was marking already is taken for alive by that collection, so one is not enough; what is held survives all. */
const COLLECTIONS_MAX = 5

/** Collects until `isGone` says so. @returns whether it did */
export async function collectUntil(isGone: () => boolean): Promise<boolean> {
  for (let i = 0; i < COLLECTIONS_MAX; i++) {
    // A reference that was looked at holds to the end of its turn.
    await new Promise((resolve) => setImmediate(resolve))
    await collectGarbage()
    if (isGone()) return true
  }
  return false
}

/** Bytes of arrays that `work` leaves behind, or less than `enough` as soon as it is less. */
export async function arrayBytesLeftBy(work: () => void, enough: number): Promise<number> {
  await collectUntil(() => false)
  const before = process.memoryUsage().arrayBuffers
  work()
  let left = 0
  await collectUntil(() => (left = process.memoryUsage().arrayBuffers - before) < enough)
  return left
}
