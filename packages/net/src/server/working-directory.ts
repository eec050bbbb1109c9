/**
 * Node cannot start a thread while the process is in a directory that is gone, and every snapshot is loaded, and all but that of
 * SAVE are made, by a thread. Whoever removes `dir` should hear that a file cannot be made there, and nothing else should fail.
 */

/** Goes back into `dir` when the working directory was removed, or to the root when that does not exist either. */
export function ensureWorkingDirectory(dir: string): void {
  try {
    // Node remembers the path; this makes it ask again.
    process.chdir('.')
    process.cwd()
  } catch {
    try {
      process.chdir(dir)
    } catch {
      process.chdir('/')
    }
  }
}
