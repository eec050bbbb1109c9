/** Entry point of a loader's thread; see `pool.ts`, which knows its path. */
import type { LoadReply, LoadTask } from '../messages.ts'
import { runLoadTask } from './load-task.ts'
import { lowerThreadPriority } from './thread-priority.ts'

lowerThreadPriority()

export default function load(task: LoadTask): Promise<LoadReply> {
  return runLoadTask(task)
}
