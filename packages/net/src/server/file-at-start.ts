/**
 * The file of `dir`/`dbfilename` that a start begins with, and how far the load under way is: of that file, or of the link's
 * snapshot.
 */
import { stat } from 'node:fs/promises'
import type { RdbLoadResult } from '@understudy/core/internal'
import type { RdbLoaderPool } from '@understudy/rdb-worker'
import type { Progress } from '../log/progress.ts'
import type { FileLoading, Node } from './node.ts'

/** The file to load at start, with nothing loaded yet; undefined when there is none. */
export async function findFileAtStart({ config, clock }: Node): Promise<FileLoading | undefined> {
  const path = config.path('dbfilename')
  if (path === undefined) return undefined
  const file = await stat(path).catch(() => undefined)
  if (file === undefined || !file.isFile()) return undefined
  return { path, startedMs: clock.monotonicMs(), loadedBytes: 0, totalBytes: file.size, loadedKeys: 0 }
}

/** Loads it into a generation of its own. @param loading is told how far it is. @throws RdbError */
export function loadFileAtStart(
  { config, keyspace, server }: Node,
  loader: RdbLoaderPool,
  loading: FileLoading,
): Promise<RdbLoadResult> {
  const keyDelay = config.get('key-load-delay')
  return loader.loadFile(
    loading.path,
    {
      databaseCount: config.get('databases'),
      hashSeed: keyspace.hashSeed,
      encodings: server.settings.encodings,
      tracksFrequency: keyspace.access.tracksFrequency,
      verifyChecksum: config.get('rdbchecksum'),
      ...(keyDelay === 0 ? {} : { keyLoadDelayMicros: keyDelay }),
    },
    (loadedBytes, totalBytes, loadedKeys) => Object.assign(loading, { loadedBytes, totalBytes, loadedKeys }),
  )
}

/** Of the load that goes on, if one does. */
export function loadProgress({ fileLoading, link, clock }: Node): Progress | undefined {
  if (fileLoading !== undefined) {
    const { loadedBytes: doneBytes, totalBytes, loadedKeys: keys, startedMs } = fileLoading
    return { doneBytes, totalBytes, keys, elapsedMs: clock.monotonicMs() - startedMs }
  }
  if (link.state.name !== 'receiving' && link.state.name !== 'loading') return undefined
  const { loading } = link.getStatus()
  if (loading === undefined) return undefined
  const { loadedBytes: doneBytes, totalBytes, loadedKeys: keys, elapsedMs } = loading
  return { doneBytes, totalBytes, keys, elapsedMs }
}
