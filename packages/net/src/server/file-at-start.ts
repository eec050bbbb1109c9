/**
 * The file of `dir`/`dbfilename` that a start begins with, and how far the load under way is: of that file, or of the link's
 * snapshot.
 */
import { type Stats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { RdbLoadResult } from '@understudy/core/internal'
import { fileFailure, type RdbLoaderPool } from '@understudy/rdb-worker'
import type { Config } from '../config/config.ts'
import type { Progress } from '../log/progress.ts'
import { adoptDataset } from './adopt-dataset.ts'
import type { FileLoading, Node } from './node.ts'
import { goOnFrom, type Replay } from './stream-log-of-node.ts'
import { tellPosition } from './told-readers.ts'

/** Length of the file to load at start, for who prepares for it; undefined when there is none, or it will be refused. */
export function bytesAtStart(config: Config): number | undefined {
  const path = config.path('dbfilename')
  if (path === undefined) return undefined
  try {
    const file = statSync(path)
    return file.isFile() ? file.size : undefined
  } catch {
    return undefined
  }
}

/**
 * The file to load at start, with nothing loaded yet; undefined when there is none. @throws ReplicaError FILE_FAILED when there is something
 * else, or it is not known: a node that starts empty in its place might keep that
 */
export async function findFileAtStart({ config, clock }: Node): Promise<FileLoading | undefined> {
  const path = config.path('dbfilename')
  if (path === undefined) return undefined
  let file: Stats
  try {
    file = await stat(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw fileFailure('cannot read', path, error)
  }
  if (!file.isFile()) throw fileFailure('cannot read', path, 'not a file')
  return { path, startedMs: clock.monotonicMs(), loadedBytes: 0, totalBytes: file.size, loadedKeys: 0 }
}

/**
 * Loads it, and applies the log of the stream that goes with it. @param loading is told how far it is. @throws RdbError, and what
 * `goOnFrom()` throws
 */
export async function startFromFile(
  node: Node,
  loader: RdbLoaderPool,
  loading: FileLoading,
  replay: Replay,
): Promise<void> {
  const { logger, clock, streamLog } = node
  try {
    const result = await loadFile(node, loader, loading)
    if (node.isStopped) return
    if (node.fileLoading !== loading) {
      logger.notice(`${loading.path} is not used: a full resync was over before it was loaded`)
      return await streamLog.reopen()
    }
    adoptDataset(node, result, clock.monotonicMs() - loading.startedMs, true)
    await goOnFrom(node, result.summary.aux, replay)
    tellPosition(node, node.link.history.replid)
    const elapsedSeconds = ((clock.monotonicMs() - loading.startedMs) / 1000).toFixed(3)
    logger.notice(`Done loading RDB, keys loaded: ${result.keyCount}, keys expired: 0.`)
    logger.notice(`DB loaded from disk: ${elapsedSeconds} seconds`)
  } finally {
    node.fileLoading = undefined
  }
}

function loadFile(
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
