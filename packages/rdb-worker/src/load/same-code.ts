/** Refuses to work on shared memory with other code than the thread that will go on with it has. */
import { memoryFingerprint, ReplicaError } from '@understudy/core/loading'
import type { SharedMemoryTask } from '../messages.ts'

/** @throws ReplicaError RDB_WORKER_FAILED: the files of the program were changed after it had started */
export function checkSameCode({ memoryFingerprint: expected }: SharedMemoryTask): void {
  if (memoryFingerprint() === expected) return
  throw new ReplicaError(
    'RDB_WORKER_FAILED',
    "the program's files were changed while it runs, and its threads would lay out memory in two ways: restart it",
    { retryable: true },
  )
}
