/** The clock of OBJECT IDLETIME: 16 bits of a record, so it is coarse and wraps after 7.5 days. */

/** Seconds per tick. */
export const ACCESS_CLOCK_SECONDS = 10

/** @param wallMs milliseconds since 1970: all threads of a process, and a loader's among them, agree. */
export function accessClockAt(wallMs: number): number {
  return Math.floor(wallMs / 1000 / ACCESS_CLOCK_SECONDS) & 0xffff
}
