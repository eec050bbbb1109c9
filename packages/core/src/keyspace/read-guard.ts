/**
 * What keeps a read over memory that may change under it from going astray. What such a read meets may be half of one state
 * and half of another: a chain that bites its tail, a length of 2^60. So every loop whose end the data decide passes
 * `checkRead()`, and whoever is about to reserve much memory for a length he read asks `confirmRead()`. Both are about the one
 * read that this thread is making (reads are synchronous): while the shards it entered are unchanged, all it has seen is true
 * and its loops end by themselves; once they changed, the read is over, by `Disturbed`.
 *
 * On the writer's thread, whose data are always whole, there is no guard and both cost a comparison.
 */

/** Bytes that may be reserved for a length that nobody has confirmed. */
export const UNCONFIRMED_BYTES_MAX = 65_536

const STEPS_PER_CHECK = 256

/** The read of this thread, as far as the checks are concerned. */
export interface GuardedRead {
  /** @throws Disturbed when a shard that it looked at has changed meanwhile. */
  check(): void
}

let guarded: GuardedRead | undefined
let steps = 0

/** The data changed while they were read: begin again. Thrown often, so there is one instance, whose stack tells nothing. */
export class Disturbed extends Error {}
export const DISTURBED: Disturbed = new Disturbed('the data changed while they were read')

/** From now on the checks are about `read`; undefined: about none. @returns the one before. */
export function guardRead(read: GuardedRead | undefined): GuardedRead | undefined {
  const before = guarded
  guarded = read
  return before
}

/** Passed in every loop that data lead. @throws Disturbed */
export function checkRead(): void {
  if (guarded !== undefined && (++steps & (STEPS_PER_CHECK - 1)) === 0) guarded.check()
}

/** Passed before reserving `bytes` for a length that was read. @throws Disturbed */
export function confirmRead(bytes: number): void {
  if (guarded !== undefined && !(bytes <= UNCONFIRMED_BYTES_MAX)) guarded.check()
}
