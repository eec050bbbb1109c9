/**
 * The memory of a generation lives until every thread that saw it has collected its garbage. A loader's thread ends when it is idle
 * (`pool.ts`); one that gets its next task before that collects first, or loads that fail one after the other would pile up.
 * Not at the end of a task: between two of them the thread blocks in its pool's wait, and the end is what somebody waits for.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { letGoOfViews } from '@understudy/core/loading'

let collect: (() => void) | undefined
let isFirst = true

/** Called at the start of each task: lets go of what the one before has held. */
export function letGoOfLastTask(): void {
  if (isFirst) {
    isFirst = false
    return
  }
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    const exposed: unknown = runInNewContext('gc')
    collect = typeof exposed === 'function' ? () => void exposed() : () => {}
  }
  letGoOfViews()
  collect()
}
