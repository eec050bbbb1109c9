/** Loading takes whole cores for seconds: where data are served meanwhile, the threads that serve go first. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/** As `nice 10`: loading gets a tenth of a core that somebody else wants. */
const LOADER_PRIORITY = 10

/** Lowers the priority of the calling thread. On Linux priorities are per thread; elsewhere nothing is done. */
export function lowerThreadPriority(): void {
  if (process.platform !== 'linux') return
  try {
    // The link reads "<process>/task/<thread>"; a synchronous call looks it up in the calling thread.
    const threadId = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isInteger(threadId) && threadId > 0) setPriority(threadId, LOADER_PRIORITY)
  } catch {
    // No /proc, or not allowed: the load goes on at normal priority.
  }
}
