/** The snapshot of data that this node never had, when it is about to save others under that name: it stays, beside the new one. */
import { linkSync } from 'node:fs'
import { fileFailure } from '@understudy/rdb-worker'

/**
 * Gives the file a second name, so that the one of `path` may be taken from it. @param nowMs milliseconds since 1970
 * @returns the name; undefined: there is no file. @throws ReplicaError FILE_FAILED
 */
export function keepOldFile(path: string, nowMs: number): string | undefined {
  const keptPath = `${path}.kept-${nowMs}`
  try {
    linkSync(path, keptPath)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw fileFailure(`cannot keep ${path} as`, keptPath, error)
  }
  return keptPath
}
