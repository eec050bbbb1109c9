/**
 * A snapshot that comes from anywhere: an embedder's stream, a decompressor, a download. The bytes are copied into the
 * loader's ring and the source is asked for more only when there is room.
 */
import type { RdbLoader, RdbLoadOptions, RdbLoadResult } from '@understudy/core/loading'

/**
 * Loads the snapshot that `source` gives in pieces of any size. What stands behind its end is not looked at.
 * @param source its pieces are borrowed until the next one is asked for; it is returned (closed) when the load fails
 * @throws RdbError as `RdbLoad.result` does; whatever the source throws, after the load was given up
 */
export async function loadIterable(
  loader: Pick<RdbLoader, 'load'>,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: Omit<RdbLoadOptions, 'framing'>,
): Promise<RdbLoadResult> {
  // An end mark of no bytes: the snapshot ends by itself.
  const load = loader.load({ ...options, framing: { kind: 'mark', endMark: new Uint8Array(0) } })
  // The source is asked as fast as the load goes, and is seldom as slow as a primary.
  load.useAllThreads()
  const state = { isSettled: false }
  const settle = (): void => void (state.isSettled = true)
  const settled = load.result.then(settle, settle)
  try {
    for await (const piece of source) {
      for (let at = 0; at < piece.length && !state.isSettled;) {
        const target = load.writable(piece.length - at)
        if (target === undefined) {
          const space = new Promise<void>((resolve) => {
            load.onSpace = resolve
          })
          await Promise.race([space, settled])
          continue
        }
        target.set(piece.subarray(at, at + target.length))
        load.produced(target.length)
        at += target.length
      }
      if (state.isSettled) break
    }
    load.end()
  } catch (error) {
    load.abort()
    throw error
  }
  return await load.result
}
