/** The one place where a loader gets what it fills: a generation of its own, that nobody else can see yet. */
import { BulkWriter, Generation } from '@understudy/core/internal'
import type { GenerationTransfer, RdbSink } from '@understudy/core/internal'

export interface LoaderSinkOptions {
  readonly databaseCount: number
  readonly hashSeed: Uint8Array
}

export interface LoaderSink {
  readonly sink: RdbSink
  /** The snapshot is complete and right, and everything is flushed. */
  finish(): GenerationTransfer
}

/** What a module named by `sinkModuleUrl` must export under the name `createLoaderSink`. */
export type CreateLoaderSink = (options: LoaderSinkOptions) => LoaderSink

export function createLoaderSink(options: LoaderSinkOptions): LoaderSink {
  const writer = new BulkWriter(Generation.create(options))
  return { sink: writer, finish: () => writer.generation.transfer() }
}
