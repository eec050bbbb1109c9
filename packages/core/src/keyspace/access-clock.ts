/** The clock of OBJECT IDLETIME: 18 bits of a record, so it is coarse and wraps after six days. */

/** Bits of a record that tell how it is used (layout.ts). */
export const ACCESS_BITS = 18
export const ACCESS_MASK: number = 2 ** ACCESS_BITS - 1

/** Seconds per tick. */
export const ACCESS_CLOCK_SECONDS = 2
/** The longest idle time that a key can be told to have, in ticks: 4.5 days, so that it takes a while to wrap. */
export const IDLE_TICKS_TOLD_MAX: number = 3 * 2 ** (ACCESS_BITS - 2)

/** @param wallMs milliseconds since 1970: all threads of a process, and a loader's among them, agree. */
export function accessClockAt(wallMs: number): number {
  return Math.floor(wallMs / 1000 / ACCESS_CLOCK_SECONDS) & ACCESS_MASK
}

/** Redis keeps a time of last use in so many seconds. */
const REDIS_CLOCK_SECONDS = 2 ** 24

/** What Redis makes of an idle time that it is told: beyond its clock's range it wraps (redis 7.0 object.c objectSetLRUOrLFU()). */
export function idleSecondsAsTold(idleSeconds: number): number {
  return idleSeconds < REDIS_CLOCK_SECONDS - 1 ? idleSeconds : (idleSeconds + 1) % REDIS_CLOCK_SECONDS
}
