/**
 * A snapshot that failed fails again, most likely: the disk is full, or the data are not for the version that replicas of this kind read.
 * They come back at once, and each attempt walks over the data. So the next one is begun only after a pause, which grows; replicas wait in
 * `awaiting` meanwhile. Others, who want another version or need no file, do not have to wait for that.
 */
import type { SnapshotWish } from './snapshot-source.ts'

const PAUSE_MS_MIN = 1000
const PAUSE_MS_MAX = 10_000

interface Pause {
  readonly lengthMs: number
  readonly untilMs: number
}

export class SnapshotPauses {
  readonly #pauses = new Map<string, Pause>()

  /** @param nowMs monotonic, as everywhere here */
  mayBegin(wish: SnapshotWish, nowMs: number): boolean {
    return nowMs >= (this.#pauses.get(keyOf(wish))?.untilMs ?? Number.NEGATIVE_INFINITY)
  }

  /**
   * To be called for each replica that did not get its snapshot. @returns how long none like it is begun, milliseconds; undefined: that was
   * said when another of them failed
   */
  failed(wish: SnapshotWish, nowMs: number): number | undefined {
    const before = this.#pauses.get(keyOf(wish))
    if (before !== undefined && nowMs < before.untilMs) return undefined
    // What went wrong long ago has nothing to do with it.
    const isAgain = before !== undefined && nowMs < before.untilMs + PAUSE_MS_MAX
    const lengthMs = isAgain ? Math.min(2 * before.lengthMs, PAUSE_MS_MAX) : PAUSE_MS_MIN
    this.#pauses.set(keyOf(wish), { lengthMs, untilMs: nowMs + lengthMs })
    return lengthMs
  }

  /** A replica has got all of its snapshot. */
  succeeded(wish: SnapshotWish): void {
    this.#pauses.delete(keyOf(wish))
  }
}

function keyOf({ rdbVersion, filter, needsLength }: SnapshotWish): string {
  return `${rdbVersion} ${filter.data} ${filter.functions} ${needsLength}`
}
