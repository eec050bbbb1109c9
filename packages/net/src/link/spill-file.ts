/**
 * A file for bytes that do not fit into memory for a while. It has no name from the moment it exists, so that nothing is left
 * of it however this process ends. The operations are a port: tests put their own faults behind it.
 */
import { open, unlink } from 'node:fs/promises'

export interface SpillFile {
  /** Writes all of `bytes`; borrowed until it settles. Rejects with the system's error. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** @returns how many bytes were read; 0 at the end */
  read(target: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
}

export type OpenSpillFile = (path: string) => Promise<SpillFile>

/** @param path of a file that does not exist: where on the disk the space is taken */
export async function openSpillFile(path: string): Promise<SpillFile> {
  const handle = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
  } catch (error) {
    await handle.close()
    throw error
  }
  return {
    async write(bytes, position) {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at)
        at += bytesWritten
      }
    },
    async read(target, position) {
      const { bytesRead } = await handle.read(target, 0, target.length, position)
      return bytesRead
    },
    close: () => handle.close(),
  }
}
