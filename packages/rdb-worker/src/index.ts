/** RDB files and transfers in worker threads. */
export { RdbLoaderPool } from './pool.ts'
export type { RdbLoaderPoolOptions } from './pool.ts'
export type { CreateLoaderSink, LoaderSink, LoaderSinkOptions } from './load/create-sink.ts'
export { RdbScanner, WINDOW_BYTES_MIN } from './scan/scanner.ts'
export type { ScanOptions } from './scan/scanner.ts'
export { ScanWindow, WINDOW_BYTES_DEFAULT } from './scan/window.ts'
export { loadIterable } from './load/load-iterable.ts'
