/** Names of files have to be on the disk, too: a rename, or a new file, may be undone by a crash until its directory is synced. */
import { open } from 'node:fs/promises'
import { fileFailure } from '@understudy/rdb-worker'

/** @throws ReplicaError FILE_FAILED */
export async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileFailure('cannot sync', directory, error)
  }
}
