/**
 * A dropped SharedArrayBuffer lives until a major collection in every thread that held it, and a thread that is idle or waits
 * does not collect by itself. V8 offers no other way than its debugging function, which can be had at run time without a
 * command-line flag.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { letGoOfViews } from './view-holders.ts'

let collect: (() => void) | undefined

/** Lets go of this thread's views and collects at once: some milliseconds, in one piece. Not inside of a unit or a read. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    const exposed: unknown = runInNewContext('gc')
    collect = typeof exposed === 'function' ? () => void exposed() : () => {}
  }
  letGoOfViews()
  collect()
}
