/** What the threads that save run, by way of threads/snapshot.cjs; see `snapshot-pool.ts`. */
import { letGoOfLastTask } from './load/let-go.ts'
import { lowerThreadPriority } from './load/thread-priority.ts'
import { runSaveTask, type SaveReply, type SaveTask } from './save/save-task.ts'

lowerThreadPriority()

export default async function save(task: SaveTask): Promise<SaveReply> {
  await letGoOfLastTask()
  return runSaveTask(task)
}
