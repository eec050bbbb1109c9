/** How far something long has come, for people: one text for log lines and one line that is drawn over on a terminal. */
import { writeSync } from 'node:fs'

export interface Progress {
  readonly doneBytes: number
  /** 0: not known. */
  readonly totalBytes: number
  readonly keys: number
  readonly elapsedMs: number
}

const BAR_CELLS = 30
const BAR_EVERY_MS = 100
const COLUMNS_USUAL = 80

/** Megabytes of a million bytes, as disks and networks are measured. */
function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function rate(keysPerSecond: number): string {
  if (keysPerSecond >= 1e6) return `${(keysPerSecond / 1e6).toFixed(2)} M keys/s`
  return keysPerSecond >= 1e4 ? `${(keysPerSecond / 1e3).toFixed(0)} k keys/s` : `${keysPerSecond.toFixed(0)} keys/s`
}

/** Seconds that the rest takes at the speed so far; undefined when that cannot be told. */
export function etaSeconds({ doneBytes, totalBytes, elapsedMs }: Progress): number | undefined {
  if (totalBytes === 0 || doneBytes === 0) return undefined
  return (elapsedMs * Math.max(0, totalBytes - doneBytes)) / doneBytes / 1000
}

/** `52%, 1204.1 of 2305.0 MB, 812.0 MB/s, 4.10 M keys/s, ETA 3 s` */
export function progressText(progress: Progress): string {
  const { doneBytes, totalBytes, keys, elapsedMs } = progress
  const seconds = Math.max(elapsedMs, 1) / 1000
  const parts =
    totalBytes > 0
      ? [
          `${Math.floor((100 * doneBytes) / totalBytes)}%`,
          `${(doneBytes / 1e6).toFixed(1)} of ${megabytes(totalBytes)}`,
        ]
      : [megabytes(doneBytes)]
  parts.push(`${megabytes(doneBytes / seconds)}/s`, rate(keys / seconds))
  const eta = etaSeconds(progress)
  if (eta !== undefined) parts.push(`ETA ${eta.toFixed(0)} s`)
  return parts.join(', ')
}

/** What of a terminal's stream is used. */
export interface BarStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/**
 * A stream of this process to draw on, by writes to its descriptor. A terminal may go while the server stays; the stream itself would
 * then emit an error, which ends the process. What cannot be written is not worth that.
 */
export function barStream(stream: {
  readonly fd: number
  readonly isTTY?: boolean
  readonly columns?: number
}): BarStream {
  return {
    get isTTY() {
      return stream.isTTY === true
    },
    get columns() {
      // 0: the terminal does not know.
      return stream.columns === undefined || stream.columns === 0 ? COLUMNS_USUAL : stream.columns
    },
    write(text) {
      try {
        writeSync(stream.fd, text)
      } catch {
        // Gone, or full.
      }
    },
  }
}

/** Draws nothing when the stream is not a terminal. */
export class ProgressBar {
  readonly #stream: BarStream
  readonly #title: string
  #drawnMs = Number.NEGATIVE_INFINITY
  #isDrawn = false

  constructor(stream: BarStream, title: string) {
    this.#stream = stream
    this.#title = title
  }

  /** Draws at most ten times a second. */
  show(progress: Progress): void {
    if (this.#stream.isTTY !== true || progress.elapsedMs - this.#drawnMs < BAR_EVERY_MS) return
    this.#drawnMs = progress.elapsedMs
    const { doneBytes, totalBytes } = progress
    const share = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0
    const filled = Math.round(share * BAR_CELLS)
    const bar = totalBytes > 0 ? ` [${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}]` : ''
    const line = `${this.#title}${bar} ${progressText(progress)}`
    this.#stream.write(`\r\u001b[K${line.slice(0, (this.#stream.columns ?? COLUMNS_USUAL) - 1)}`)
    this.#isDrawn = true
  }

  /** Wipes the line. */
  end(): void {
    if (this.#isDrawn) this.#stream.write('\r\u001b[K')
    this.#isDrawn = false
    this.#drawnMs = Number.NEGATIVE_INFINITY
  }
}
