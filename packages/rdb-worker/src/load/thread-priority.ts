/** Loading and saving take whole cores for seconds: where data are served meanwhile, the threads that serve go first. */
import { readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** As by `nice -n 5`: a quarter of a core that somebody else wants. With less a load beside busy neighbours takes longer than backlogs reach. */
const NICER_BY = 5
const NICE_MAX = 19

/** Lowers the priority of the calling thread below that of the process, however often it is called. On Linux priorities are per thread; elsewhere nothing is done. */
export function lowerThreadPriority(): void {
  if (process.platform !== 'linux') return
  try {
    // The link reads "<process>/task/<thread>"; a synchronous call looks it up in the calling thread.
    const threadId = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (!Number.isInteger(threadId) || threadId <= 0) return
    // That of the main thread: the process may have been started with another one than 0.
    setPriority(threadId, Math.min(getPriority(process.pid) + NICER_BY, NICE_MAX))
  } catch {
    // No /proc, or not allowed: the load goes on at normal priority.
  }
}
