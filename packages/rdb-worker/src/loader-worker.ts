/** What the pool's threads run, by way of threads/loader.cjs; `pool.ts` knows the names of what it exports. */
import { memoryFingerprint } from '@understudy/core/loading'
import type { InsertTask, LoadReply, LoadTask } from './messages.ts'
import { runInsertTask } from './load/insert-task.ts'
import { letGoOfLastTask } from './load/let-go.ts'
import { runLoadTask } from './load/load-task.ts'
import { lowerThreadPriority } from './load/thread-priority.ts'

export default async function load(task: LoadTask): Promise<LoadReply> {
  await letGoOfLastTask()
  if (task.givesWay) lowerThreadPriority()
  return runLoadTask(task)
}

export async function insert(task: InsertTask): Promise<void> {
  await letGoOfLastTask()
  if (task.givesWay) lowerThreadPriority()
  runInsertTask(task)
}

/** Does beforehand what the first task of a thread does: reads the modules, and runs some of their code. */
export function prepare(): void {
  memoryFingerprint()
}
