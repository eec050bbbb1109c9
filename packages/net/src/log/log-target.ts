/**
 * Where log lines go: standard output or a file, each line with a write of its own before the call returns. What a
 * crash leaves behind is therefore complete. Not buffered, not asynchronous, and never the reason for a crash: a line
 * that cannot be written is dropped and counted.
 */
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { systemErrorCode } from '../config/system-error-text.ts'

const STDOUT = 1

/** A pipe whose reader is slow says EAGAIN when stdout does not block: wait this often, a millisecond each. */
const FULL_PIPE_TRIES = 50

/** How often the file is looked for under its name, to follow a log rotation. */
const ROTATION_CHECK_MS = 1000

const never = new Int32Array(new SharedArrayBuffer(4))

export class LogTarget {
  /** Lines that could not be written so far. */
  droppedLines = 0
  #path: string | undefined
  #descriptor: number
  #lastCheckMs = 0

  /** @param path Absolute; undefined for standard output. @throws the file system's error when it cannot be opened. */
  constructor(path?: string) {
    this.#path = path
    this.#descriptor = path === undefined ? STDOUT : openSync(path, 'a', 0o644)
  }

  /** The file; undefined for standard output. */
  get path(): string | undefined {
    return this.#path
  }

  /** Writes to another file from now on. @throws when it cannot be opened; the old one then stays. */
  open(path?: string): void {
    const descriptor = path === undefined ? STDOUT : openSync(path, 'a', 0o644)
    this.close()
    this.#path = path
    this.#descriptor = descriptor
  }

  /** Opens the file anew under its name: after a rotation. Does nothing for standard output. */
  reopen(): void {
    if (this.#path !== undefined) this.open(this.#path)
  }

  /** @param nowMs Any clock in milliseconds, to limit how often the file's name is looked at. */
  write(line: string, nowMs: number): void {
    if (this.#path !== undefined && Math.abs(nowMs - this.#lastCheckMs) >= ROTATION_CHECK_MS) {
      this.#lastCheckMs = nowMs
      this.#followRotation(this.#path)
    }
    const bytes = Buffer.from(line)
    let written = 0
    for (let tries = 0; written < bytes.length;) {
      try {
        written += writeSync(this.#descriptor, bytes, written)
      } catch (error) {
        const again = systemErrorCode(error) === 'EAGAIN' && tries++ < FULL_PIPE_TRIES
        if (!again) {
          this.droppedLines++
          return
        }
        Atomics.wait(never, 0, 0, 1)
      }
    }
  }

  #followRotation(path: string): void {
    try {
      const named = statSync(path, { throwIfNoEntry: false })
      const open = fstatSync(this.#descriptor)
      if (named === undefined || named.ino !== open.ino || named.dev !== open.dev) this.open(path)
    } catch {
      // The directory is gone or closed to us: the open file still takes lines.
    }
  }

  close(): void {
    if (this.#path === undefined) return
    closeSync(this.#descriptor)
    this.#path = undefined
    this.#descriptor = STDOUT
  }
}
