/**
 * A dropped SharedArrayBuffer lives until a major collection in every thread that held it, and an idle thread does not
 * collect by itself: after a swap of generations, or when a segment was dropped, each thread asks for one. V8 offers no other way than its debugging
 * function, which can be had at run time without a command-line flag.
 */
import { letGoOfViews } from '@understudy/core/internal'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Long enough for the swap's own messages and closures to be gone. */
const DELAY_MS = 200

let collect: (() => void) | undefined
let timer: NodeJS.Timeout | undefined

/** Collects once, shortly; calls before that add nothing. */
export function collectGarbageSoon(): void {
  if (timer !== undefined) return
  timer = setTimeout(() => {
    timer = undefined
    if (collect === undefined) {
      setFlagsFromString('--expose-gc')
      const exposed: unknown = runInNewContext('gc')
      collect = typeof exposed === 'function' ? () => void exposed() : () => {}
    }
    letGoOfViews()
    collect()
  }, DELAY_MS)
  timer.unref()
}
