/**
 * A snapshot that comes from anywhere: an embedder's stream, a decompressor, a download. The bytes are copied into the
 * loader's ring and the source is asked for more only when there is room.
 */
import { isUint8Array } from 'node:util/types'
import type { RdbLoad, RdbLoader, RdbLoadOptions, RdbLoadResult } from '@understudy/core/loading'
import { copyRange, ReplicaError } from '@understudy/core/loading'

type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>
type SourceIterator = AsyncIterator<Uint8Array> | Iterator<Uint8Array>

/**
 * Loads the snapshot that `source` gives in pieces of any size. What stands behind its end is not looked at, nor waited for: a source that
 * has nothing more to say for now, as a connection that stays open, holds up neither the result nor a failure.
 * @param source its pieces are borrowed until the next one is asked for; it is returned (closed) when it was not read to its end
 * @throws RdbError as `RdbLoad.result` does; ReplicaError BAD_ARGUMENT for options as `RdbLoader.load` does, for a source that cannot
 * be iterated, and for a piece that is no Uint8Array; whatever the source throws, after the load was given up
 */
export async function loadIterable(
  loader: Pick<RdbLoader, 'load'>,
  source: Source,
  options: Omit<RdbLoadOptions, 'framing'>,
): Promise<RdbLoadResult> {
  // Before the load: one that is begun keeps a thread until it is fed or given up.
  const iterator = iteratorOf(source)
  const load = begin(loader, options, iterator)
  try {
    if (await feed(load, iterator)) load.end()
    else close(iterator)
  } catch (error) {
    load.abort()
    throw error
  }
  return await load.result
}

function begin(
  loader: Pick<RdbLoader, 'load'>,
  options: Omit<RdbLoadOptions, 'framing'>,
  iterator: SourceIterator,
): RdbLoad {
  try {
    // An end mark of no bytes: the snapshot ends by itself.
    const load = loader.load({ ...options, framing: { kind: 'mark', endMark: new Uint8Array(0) } })
    // The source is asked as fast as the load goes, and is seldom as slow as a primary.
    load.useAllThreads()
    return load
  } catch (error) {
    close(iterator)
    throw error
  }
}

/** @returns true: the source has ended; false: the load is over before it has. @throws what the source throws */
async function feed(load: RdbLoad, iterator: SourceIterator): Promise<boolean> {
  const end = new LoadEnd(load)
  while (!end.isHere) {
    const next = await end.orBefore(Promise.resolve(iterator.next()))
    if (next === undefined) return false
    if (next.done === true) return true
    const piece: unknown = next.value
    // JavaScript passes what it likes; what has no bytes to copy would look like an early end.
    if (!isUint8Array(piece)) {
      close(iterator)
      throw new ReplicaError('BAD_ARGUMENT', 'the pieces of a snapshot are Uint8Arrays')
    }
    for (let at = 0; at < piece.length && !end.isHere;) {
      const target = load.writable(piece.length - at)
      if (target === undefined) {
        const space = new Promise<void>((resolve) => {
          load.onSpace = resolve
        })
        await end.orBefore(space)
        continue
      }
      copyRange(piece, at, at + target.length, target, 0)
      load.produced(target.length)
      at += target.length
    }
  }
  return false
}

/** The end of a load, for who waits for something else. A race with its result would keep each piece up to that end. */
class LoadEnd {
  isHere = false
  #tell: () => void = () => {}

  constructor({ result }: RdbLoad) {
    const settle = (): void => {
      this.isHere = true
      this.#tell()
    }
    result.then(settle, settle)
  }

  /** What `event` gives; undefined when the load ends before. One at a time. */
  orBefore<Value>(event: Promise<Value>): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      this.#tell = () => resolve(undefined)
      event.then(resolve, reject)
    })
  }
}

function iteratorOf(source: Source): SourceIterator {
  // JavaScript passes what it likes, for one the body of a reply that has none.
  const given: Partial<AsyncIterable<Uint8Array> & Iterable<Uint8Array>> | null | undefined = source
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.()
  if (iterator === undefined)
    throw new ReplicaError('BAD_ARGUMENT', 'a snapshot is read from an iterable of Uint8Arrays')
  return iterator
}

/** Does not wait for it: a generator closes when the piece it is at has come, which may be never. */
function close(iterator: SourceIterator): void {
  const closing = async (): Promise<unknown> => iterator.return?.()
  closing().catch(() => {})
}
