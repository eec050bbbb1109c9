/** What one target of a snapshot reads it by, at its own pace. */
export interface SnapshotReader {
  /**
   * Fulfilled when there is something to read: with the length of all in bytes, or undefined when that is known only at the end.
   * @throws what it could not be made for
   */
  readonly ready: Promise<number | undefined>
  /** Milliseconds that others had to wait for this reader, in all. */
  readonly heldUpMs: number
  /**
   * The next piece, borrowed until the next call; undefined at the end. Not before the one before it was answered.
   * @throws what it could not be made for
   */
  read(): Promise<Buffer | undefined>
  /** Nothing more is read; a piece that was borrowed is given back. */
  close(): void
}
