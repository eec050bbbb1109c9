/**
 * The memory of a generation lives until every thread that saw it has collected its garbage. A loader's thread ends when it is idle
 * (`pool.ts`); one that gets its next task before that collects first, or loads that fail one after the other would pile up.
 * Not at the end of a task: between two of them the thread blocks in its pool's wait, and the end is what somebody waits for.
 */
import { collectGarbage } from '@understudy/core/loading'

let isFirst = true

/** Called at the start of each task: lets go of what the one before has held. */
export async function letGoOfLastTask(): Promise<void> {
  if (!isFirst) await collectGarbage()
  isFirst = false
}
