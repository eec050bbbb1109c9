/** The one place where a loader gets what it fills: a generation of its own, that nobody else can see yet. */
import { accessAtLoad, BulkWriter, Generation } from '@understudy/core/loading'
import type { EncodingThresholds, GenerationTransfer, RdbError, RdbSink } from '@understudy/core/loading'
import type { InserterLink } from '../messages.ts'
import { PartitioningSink } from './partitioning-sink.ts'

export interface LoaderSinkOptions {
  readonly databaseCount: number
  readonly hashSeed: Uint8Array
  readonly encodings: EncodingThresholds
  /** See RdbLoadOptions. */
  readonly tracksFrequency: boolean
  /** Threads that may be given a part of the work. */
  readonly inserters: readonly InserterLink[]
  /** Do not begin without them. */
  readonly awaitInserters: boolean
}

export interface LoaderSink {
  readonly sink: RdbSink
  /** The snapshot is complete and right, and everything is flushed. Waits for threads that help; throws what they threw. */
  finish(): LoaderOutcome
  /**
   * The scan has failed at that byte: the first fault before it that a thread that helps has met, or still meets. Waits for them.
   * Left out: nobody helps.
   */
  faultBefore?(byteOffset: number): RdbError | undefined
}

export interface LoaderOutcome {
  readonly generation: GenerationTransfer
  /** Keys that were put and dropped because they have no elements, by RDB type. */
  readonly emptyByType: ReadonlyMap<number, number>
}

/** What a module named by `sinkModuleUrl` must export under the name `createLoaderSink`. */
export type CreateLoaderSink = (options: LoaderSinkOptions) => LoaderSink

export function createLoaderSink(options: LoaderSinkOptions): LoaderSink {
  const generation = Generation.create(options)
  if (options.inserters.length > 0) {
    const sink = new PartitioningSink(generation, options.inserters, options)
    if (options.awaitInserters) sink.awaitInserters()
    return { sink, finish: () => sink.finish(), faultBefore: (byteOffset) => sink.faultBefore(byteOffset) }
  }
  const writer = new BulkWriter(generation, options.encodings, accessAtLoad(options.tracksFrequency))
  return { sink: writer, finish: () => ({ generation: generation.transfer(), emptyByType: new Map() }) }
}
