/** A loader's sink that ends its thread when 13 databases are asked for, throws a bug for 14, and is the usual one otherwise. */
import { BulkWriter, Generation } from '@understudy/core/internal'

/** @param {{ databaseCount: number, hashSeed: Uint8Array }} options */
export function createLoaderSink(options) {
  const writer = new BulkWriter(Generation.create(options))
  const put = writer.put.bind(writer)
  /** @type {typeof writer.put} */
  writer.put = (...entry) => {
    if (options.databaseCount === 13) process.exit(3)
    if (options.databaseCount === 14) throw new TypeError('a bug in the sink')
    put(...entry)
  }
  return { sink: writer, finish: () => ({ generation: writer.generation.transfer(), emptyByType: new Map() }) }
}
