/** The file that holds the process id (`pidfile`), for supervisors. Written at start, removed at the end. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { systemErrorText } from './system-error-text.ts'

export interface PidFile {
  /** Removes the file if it still names this process: a successor may have written its own. Never throws. */
  remove(): void
}

/**
 * Writes `pid` and a newline. A failure is no reason to stop (redis 7.0 server.c createPidFile()): `onFailure` gets a
 * line for the log. @param path Absolute.
 */
export function writePidFile(
  path: string,
  onFailure: (message: string) => void,
  pid: number = process.pid,
): PidFile | undefined {
  const content = `${pid}\n`
  try {
    writeFileSync(path, content)
  } catch (error) {
    onFailure(`Failed to write PID file '${path}': ${systemErrorText(error)}`)
    return undefined
  }
  return {
    remove: () => {
      try {
        if (readFileSync(path, 'latin1') === content) rmSync(path)
      } catch {
        // Already gone, or not ours any more.
      }
    },
  }
}
