/**
 * The segments of the stream log as files beside the snapshot: `<dbfilename>.stream-<sequence>` in `dir`. Whoever calls decides what is
 * in them. All calls leave the thread free; tests put their own faults behind the interface.
 */
import { open, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileFailure } from '@understudy/rdb-worker'
import { syncDirectory } from '../sync-directory.ts'

/** A segment that is being written. All methods reject with ReplicaError FILE_FAILED. */
export interface SegmentFile {
  /** Appends all of `bytes`; borrowed until it settles. */
  append(bytes: Uint8Array): Promise<void>
  /** What was appended is on the disk, and the file's name too, when this resolves. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FoundSegment {
  readonly sequence: number
  readonly fileBytes: number
}

/** The segments of one log. All methods reject with ReplicaError FILE_FAILED. */
export interface LogFiles {
  /** The file of a segment, for people. */
  nameOf(sequence: number): string
  /** By sequence; none when there is no such directory. */
  list(): Promise<FoundSegment[]>
  /** A new, empty file. */
  create(sequence: number): Promise<SegmentFile>
  /** Its bytes in pieces; each is borrowed until the next is asked for. */
  read(sequence: number): AsyncGenerator<Uint8Array>
  /** Names are on the disk when this resolves: of segments, and of the snapshot beside them. */
  syncNames(): Promise<void>
  /** Harmless when it is gone. */
  remove(sequence: number): Promise<void>
}

const READ_BYTES: number = 256 * 1024
const SEQUENCE_DIGITS = 8

export function logFilesIn(directory: string, dbFileName: string): LogFiles {
  const prefix = `${dbFileName}.stream-`
  const pathOf = (sequence: number): string =>
    join(directory, `${prefix}${String(sequence).padStart(SEQUENCE_DIGITS, '0')}`)
  return {
    nameOf: pathOf,
    async list() {
      const names = await attempt('cannot read', directory, () => readdir(directory))
      const found: FoundSegment[] = []
      for (const name of names) {
        const digits = name.startsWith(prefix) ? name.slice(prefix.length) : ''
        if (!/^\d{8,15}$/.test(digits)) continue
        const path = join(directory, name)
        const stats = await attempt('cannot read', path, () => unlessMissing(stat(path)))
        if (stats?.isFile() === true) found.push({ sequence: Number(digits), fileBytes: stats.size })
      }
      return found.toSorted((a, b) => a.sequence - b.sequence)
    },
    create: (sequence) => createSegment(pathOf(sequence), directory),
    async *read(sequence) {
      const path = pathOf(sequence)
      const handle = await attempt('cannot open', path, () => open(path, 'r'))
      try {
        const target = Buffer.allocUnsafe(READ_BYTES)
        for (;;) {
          const { bytesRead } = await attempt('cannot read', path, () => handle.read(target, 0, READ_BYTES, -1))
          if (bytesRead === 0) return
          yield target.subarray(0, bytesRead)
        }
      } finally {
        await handle.close()
      }
    },
    syncNames: () => syncDirectory(directory),
    async remove(sequence) {
      const path = pathOf(sequence)
      await attempt('cannot remove', path, () => unlessMissing(unlink(path)))
    },
  }
}

async function createSegment(path: string, directory: string): Promise<SegmentFile> {
  const handle = await attempt('cannot create', path, () => open(path, 'wx', 0o644))
  let hasName = false
  return {
    async append(bytes) {
      await attempt('cannot write', path, async () => {
        for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten
      })
    },
    async sync() {
      await attempt('cannot sync', path, () => handle.datasync())
      if (hasName) return
      await syncDirectory(directory)
      hasName = true
    },
    close: () => attempt('cannot close', path, () => handle.close()),
  }
}

async function attempt<Result>(action: string, path: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    throw fileFailure(action, path, error)
  }
}

async function unlessMissing<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
