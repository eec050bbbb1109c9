/** Entry point of the pool's threads; see `pool.ts`, which knows its path and the names of what it exports. */
import { memoryFingerprint } from '@understudy/core/loading'
import type { InsertTask, LoadReply, LoadTask } from '../messages.ts'
import { runInsertTask } from './insert-task.ts'
import { letGoOfLastTask } from './let-go.ts'
import { runLoadTask } from './load-task.ts'
import { lowerThreadPriority } from './thread-priority.ts'

export default function load(task: LoadTask): Promise<LoadReply> {
  letGoOfLastTask()
  if (task.givesWay) lowerThreadPriority()
  return runLoadTask(task)
}

export function insert(task: InsertTask): void {
  letGoOfLastTask()
  if (task.givesWay) lowerThreadPriority()
  runInsertTask(task)
}

/** Does beforehand what the first task of a thread does: reads the modules, and runs some of their code. */
export function prepare(): void {
  memoryFingerprint()
}
