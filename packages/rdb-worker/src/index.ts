/** RDB files and transfers in worker threads. */
export { RdbLoaderPool } from './pool.ts'
export type { RdbLoaderPoolOptions } from './pool.ts'
export type { CreateLoaderSink, LoaderSink, LoaderSinkOptions } from './load/create-sink.ts'
export { RdbScanner, WINDOW_BYTES_MIN } from './scan/scanner.ts'
export type { ScanOptions } from './scan/scanner.ts'
export { ScanWindow, WINDOW_BYTES_DEFAULT } from './scan/window.ts'
export { inserterShares } from './load/region-shares.ts'
export { loadIterable } from './load/load-iterable.ts'
export { checkSnapshotFile } from './check/check-file.ts'
export type { SnapshotFault, SnapshotReport } from './check/check-file.ts'
export type { DatabaseCounts } from './check/counting-sink.ts'
export { saveFile } from './save/save-file.ts'
export { FanOut } from './save/fan-out.ts'
export type { FanOutTarget } from './save/fan-out.ts'
export { SnapshotPass } from './save/snapshot-pass.ts'
export type { PassOptions } from './save/snapshot-pass.ts'
export {
  EMBEDDER_SNAPSHOTS_MAX,
  REPLICA_PASSES_AT_WORK_MAX,
  REPLICA_PASSES_MAX,
  SnapshotPool,
} from './save/snapshot-pool.ts'
export type { SnapshotReader } from './save/snapshot-reader.ts'
export type { SavedFile, SaveFileOptions, SnapshotPreamble, Snapshots } from './save/save-file.ts'
export type { FileCalls } from './file/snapshot-file.ts'
export { fileFailure } from './file/file-failure.ts'
