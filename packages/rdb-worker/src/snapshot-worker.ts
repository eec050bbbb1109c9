/** Entry point of the threads that save; see `snapshot-pool.ts`, which knows its path. */
import { letGoOfLastTask } from './load/let-go.ts'
import { lowerThreadPriority } from './load/thread-priority.ts'
import { runSaveTask, type SaveReply, type SaveTask } from './save/save-task.ts'

lowerThreadPriority()

export default async function save(task: SaveTask): Promise<SaveReply> {
  await letGoOfLastTask()
  return runSaveTask(task)
}
