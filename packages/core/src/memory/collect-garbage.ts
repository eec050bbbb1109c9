/**
 * A dropped SharedArrayBuffer lives until a major collection in every thread that held it, and a thread that is idle or waits
 * does not collect by itself. V8 offers no other way than its debugging function, which can be had at run time without a
 * command-line flag.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { letGoOfViews } from './view-holders.ts'

let collect: (() => void) | undefined

/**
 * Lets go of this thread's views, and collects in the next turn of its event loop: some milliseconds, in one piece. Not at once, because
 * registers that are garbage themselves have to be looked at to let go, which keeps them and all that they name to the end of the turn.
 * Not inside of a unit or a read.
 */
export async function collectGarbage(): Promise<void> {
  letGoOfViews()
  await new Promise((resolve) => setImmediate(resolve))
  collect ??= exposedCollector()
  collect()
}

function exposedCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const exposed: unknown = runInNewContext('gc')
  return typeof exposed === 'function' ? () => void exposed() : () => {}
}
