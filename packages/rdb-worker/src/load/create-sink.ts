/** The one place where a loader gets what it fills. */
import type { GenerationTransfer, RdbSink } from '@understudy/core/internal'
import { MemorySink } from './memory-sink.ts'

export interface LoaderSinkOptions {
  readonly databaseCount: number
  readonly hashSeed: Uint8Array
}

export interface LoaderSink {
  readonly sink: RdbSink
  /** The snapshot is complete and right, and everything is flushed. */
  finish(): GenerationTransfer
  /** The load failed: let go of everything. */
  discard(): void
}

/** What a module named by `sinkModuleUrl` must export under this name. */
export type CreateLoaderSink = (options: LoaderSinkOptions) => LoaderSink

export function createLoaderSink(options: LoaderSinkOptions): LoaderSink {
  const sink = new MemorySink(options.databaseCount)
  return { sink, finish: () => ({ kind: 'generation' }), discard: () => sink.clear() }
}
