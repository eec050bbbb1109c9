/** A directory on a disk of its own that is soon full: a tmpfs, where this process may mount one. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly directory: string
  /** Unmounts, even while files are open, and removes the directory. */
  remove(): Promise<void>
}

/** @param kibibytes what it holds. @returns undefined where nothing can be mounted */
export async function mountSmallDisk(kibibytes: number): Promise<SmallDisk | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'small-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', directory])
  if (mounted.status !== 0) {
    await rm(directory, { recursive: true })
    return undefined
  }
  return {
    directory,
    async remove() {
      spawnSync('umount', ['-l', directory])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
