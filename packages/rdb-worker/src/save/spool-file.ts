/**
 * A snapshot in a file that is read by who has to be told its length first, at any pace, and then goes. The file loses its name as soon
 * as it is open, so nothing is left of it however the process ends.
 */
import { type FileHandle, open, rm } from 'node:fs/promises'
import { fileFailure } from '../file/file-failure.ts'
import type { SnapshotReader } from './snapshot-reader.ts'

const READ_BYTES: number = 128 << 10

export class SpoolFile {
  readonly #file: FileHandle
  readonly #path: string
  /** Whoever made it, and every reader. */
  #users = 1

  private constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  /** @param path its name for a moment; must not exist. @throws ReplicaError FILE_FAILED */
  static async create(path: string): Promise<SpoolFile> {
    let file: FileHandle | undefined
    try {
      file = await open(path, 'wx+', 0o600)
      await rm(path)
      return new SpoolFile(file, path)
    } catch (error) {
      await file?.close()
      throw fileFailure('cannot create', path, error)
    }
  }

  /** For the thread that writes it. */
  get descriptor(): number {
    return this.#file.fd
  }

  /** @throws ReplicaError FILE_FAILED */
  async read(position: number): Promise<Buffer> {
    const piece = Buffer.allocUnsafe(READ_BYTES)
    try {
      const { bytesRead } = await this.#file.read(piece, 0, READ_BYTES, position)
      return piece.subarray(0, bytesRead)
    } catch (error) {
      throw fileFailure('cannot read', this.#path, error)
    }
  }

  use(): void {
    this.#users++
  }

  /** The last one closes it. */
  release(): void {
    if (--this.#users === 0) void this.#file.close().catch(() => {})
  }
}

/** @param whole the file, when it is */
export function spoolReader(whole: Promise<{ readonly file: SpoolFile; readonly byteLength: number }>): SnapshotReader {
  const opened = whole.then(({ file, byteLength }) => {
    file.use()
    return { file, byteLength }
  })
  const ready = opened.then(({ byteLength }) => byteLength)
  // Nobody may be there to hear of it.
  ready.catch(() => {})
  let position = 0
  return {
    ready,
    heldUpMs: 0,
    read: async () => {
      const { file } = await opened
      const piece = await file.read(position)
      position += piece.length
      return piece.length === 0 ? undefined : piece
    },
    close: () =>
      void opened.then(
        ({ file }) => file.release(),
        () => {},
      ),
  }
}
