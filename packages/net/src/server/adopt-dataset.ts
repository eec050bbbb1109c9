/** A dataset that came whole, as a file at start or in a full resync, becomes the one of this node. */
import type { RdbLoadResult } from '@understudy/core/internal'
import type { Node } from './node.ts'

/**
 * In the same turn of the event loop in which the link moves to its offset. @param elapsedMs what the load took
 * @param isFile it is what the file of this node has
 */
export function adoptDataset(node: Node, result: RdbLoadResult, elapsedMs: number, isFile: boolean): void {
  const { keyspace, keyCheck, libraries, loadReport, logger, persistence, unapplied } = node
  const { summary, keyCount } = result
  keyspace.adopt(result.generation)
  loadReport.loaded(result, elapsedMs)
  keyCheck.begin(result, isFile)
  let skippedModuleKeys = 0
  for (const [name, count] of Object.entries(summary.skippedModules)) {
    skippedModuleKeys += count
    logger.warning(`${count} keys of module '${name}' were skipped: their values cannot be held here`)
  }
  node.lastSnapshot = { keysLoaded: keyCount, keysExpired: 0, skippedModuleKeys }
  const { refused } = libraries.adopt(summary.functions)
  if (refused > 0) logger.warning(`${refused} function libraries of the snapshot cannot be parsed and were left out`)
  node.hasData = true
  // A file that is being loaded, or whose log is applied, is not wanted any more.
  if (!isFile) node.fileLoading = undefined
  persistence.noteLoaded(result, isFile)
  node.server.settings.dataRdbVersion = persistence.rdbVersion
  unapplied.clear()
}
