/**
 * One load, from its first byte to its reply; blocks the thread it runs in. Parsing and inserting meet only at the sink, and
 * only the sink knows whether other threads insert too.
 */
import { copyRange, RdbError, ReplicaError } from '@understudy/core/loading'
import type { RdbLoadOptions } from '@understudy/core/loading'
import { toRecord } from '../messages.ts'
import type { LoadReply, LoadTask } from '../messages.ts'
import { scanFile } from '../scan/scan-file.ts'
import { RdbScanner } from '../scan/scanner.ts'
import { ScanWindow } from '../scan/window.ts'
import { createLoaderSink } from './create-sink.ts'
import type { CreateLoaderSink, LoaderOutcome, LoaderSink } from './create-sink.ts'
import { delayingSink } from './delaying-sink.ts'
import { RING_ABORTED, RING_ENDED, RingConsumer } from './ring.ts'
import { checkSameCode } from './same-code.ts'
import { SnapshotFile } from '../file/snapshot-file.ts'

export async function runLoadTask(task: LoadTask): Promise<LoadReply> {
  const createSink =
    task.sinkModuleUrl === undefined ? createLoaderSink : await importCreateLoaderSink(task.sinkModuleUrl)
  const ring = new RingConsumer(task.ring, () => task.spacePort?.postMessage(0))
  let loadedBytes = 0
  let loaderSink: LoaderSink | undefined
  let tee: SnapshotFile | undefined
  let fileFault: string | undefined
  /** A file that fails is given up; the data come from the bytes, not from the file. */
  const onFile = (action: () => void): void => {
    try {
      action()
    } catch (error) {
      if (!(error instanceof ReplicaError) || error.code !== 'FILE_FAILED') throw error
      fileFault = error.message
      tee?.discard()
      tee = undefined
    }
  }
  const { databaseCount, hashSeed, encodings, tracksFrequency, inserters, awaitInserters } = task
  try {
    checkSameCode(task)
    loaderSink = createSink({ databaseCount, hashSeed, encodings, tracksFrequency, inserters, awaitInserters })
    const sink =
      task.keyLoadDelayMicros === 0
        ? loaderSink.sink
        : delayingSink(loaderSink.sink, task.keyLoadDelayMicros, (milliseconds) => {
            if (ring.aborted()) throw aborted(scanner.consumedBytes)
            ring.sleep(milliseconds)
            ring.setProgress(scanner.consumedBytes, scanner.keyCount)
          })
    const { source, file, verifyChecksum } = task
    const scanner: RdbScanner = new RdbScanner(sink, {
      verifyChecksum,
      ...(source.kind === 'ring' && source.framing.kind === 'length' ? { totalBytes: source.framing.byteLength } : {}),
    })
    if (file !== undefined) onFile(() => (tee = new SnapshotFile(file)))
    const window = new ScanWindow(scanner, undefined, (bytes, start, end) => {
      if (tee !== undefined) onFile(() => tee?.write(bytes, start, end))
      loadedBytes = scanner.consumedBytes
      ring.setProgress(loadedBytes, scanner.keyCount)
    })
    let leftover: Uint8Array = new Uint8Array(0)
    if (source.kind === 'file') {
      scanFile(source.path, scanner, window, () => {
        if (ring.aborted()) throw aborted(window.receivedBytes)
      })
    } else {
      scanRing(source.framing, ring, scanner, window)
      leftover = passFrame(source.framing, ring, scanner, window)
    }
    const { generation, emptyByType } = finish(loaderSink, scanner.consumedBytes)
    scanner.dropEmpty(emptyByType)
    onFile(() => tee?.complete())
    return {
      ok: true,
      generation,
      summary: scanner.summary(),
      keyCount: scanner.keyCount,
      leftover,
      ...(fileFault === undefined ? {} : { fileFault }),
    }
  } catch (error) {
    tee?.discard()
    return { ok: false, error: toRecord(firstFault(error, loaderSink), loadedBytes) }
  } finally {
    task.spacePort?.close()
    for (const { port } of inserters) port.close()
  }
}

/** Threads that check values may be behind the scan: what is reported is the first thing that is wrong in the snapshot. */
function firstFault(error: unknown, loaderSink: LoaderSink | undefined): unknown {
  if (!(error instanceof RdbError) || error.code === 'RDB_ABORTED') return error
  return loaderSink?.faultBefore?.(error.byteOffset) ?? error
}

/** What goes wrong in other threads may come to light only at the end. */
function finish(loaderSink: LoaderSink, byteOffset: number): LoaderOutcome {
  try {
    return loaderSink.finish()
  } catch (error) {
    if (error instanceof RdbError) throw error
    if (error instanceof ReplicaError) throw new RdbError(error.code, error.message, byteOffset)
    throw error
  }
}

async function importCreateLoaderSink(url: string): Promise<CreateLoaderSink> {
  const { createLoaderSink }: { createLoaderSink: CreateLoaderSink } = await import(url)
  return createLoaderSink
}

function scanRing(
  framing: RdbLoadOptions['framing'],
  ring: RingConsumer,
  scanner: RdbScanner,
  window: ScanWindow,
): void {
  const most = framing.kind === 'length' ? framing.byteLength : Number.POSITIVE_INFINITY
  while (!scanner.finished) {
    // Nobody tells of the end of a counted transfer: all of it is here, and the snapshot is not at its end.
    if (window.receivedBytes >= most) window.finish()
    takeBytes(ring, window.receivedBytes, () => window.finish())
    const target = window.writable()
    const count = Math.min(target.length, ring.end - ring.start)
    copyRange(ring.data, ring.start, ring.start + count, target, 0)
    ring.release(count)
    window.advance(count)
  }
}

/** Waits for bytes. @param ended called when none will come; must throw */
function takeBytes(ring: RingConsumer, receivedBytes: number, ended: () => void): void {
  const state = ring.wait()
  if (state === RING_ABORTED) throw aborted(receivedBytes)
  if (state === RING_ENDED) ended()
}

/**
 * What stands behind the snapshot: the rest of a counted transfer, or the end mark.
 * @returns bytes behind the mark that were taken already
 */
function passFrame(
  framing: RdbLoadOptions['framing'],
  ring: RingConsumer,
  scanner: RdbScanner,
  window: ScanWindow,
): Uint8Array {
  const truncated = (receivedBytes: number): never => {
    throw new RdbError('RDB_TRUNCATED', 'the transfer ended before its end was announced', receivedBytes)
  }
  let received = window.receivedBytes
  if (framing.kind === 'length') {
    // A primary may send more than the snapshot needs; redis 7.0 stores it and does not look at it.
    while (received < framing.byteLength) {
      takeBytes(ring, received, () => truncated(received))
      const count = ring.end - ring.start
      ring.release(count)
      received += count
    }
    return new Uint8Array(0)
  }
  const { endMark } = framing
  const rest = window.rest()
  const taken = new Uint8Array(Math.max(endMark.length, rest.length))
  taken.set(rest)
  for (let have = rest.length; have < endMark.length;) {
    takeBytes(ring, received, () => truncated(received))
    const count = Math.min(endMark.length - have, ring.end - ring.start)
    taken.set(ring.data.subarray(ring.start, ring.start + count), have)
    ring.release(count)
    have += count
    received += count
  }
  for (const [index, byte] of endMark.entries()) {
    if (taken[index] !== byte) {
      const text = 'what follows the snapshot is not the end mark that was announced'
      throw new RdbError('RDB_BAD_END_MARK', text, scanner.consumedBytes + index)
    }
  }
  return taken.slice(endMark.length)
}

function aborted(byteOffset: number): RdbError {
  return new RdbError('RDB_ABORTED', 'the load was given up', byteOffset)
}
