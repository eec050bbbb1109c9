/** What the link asks before a full resync replaces data. All questions are asked on the link's thread; answers are at once. */
import type { FullSync } from '@understudy/core/internal'

export type RoomForTwo =
  | { readonly do: 'load' }
  /** There is none: drop the old data first. */
  | { readonly do: 'flush'; readonly why: string }
  /** There is none: keep the old data, take no new ones. */
  | { readonly do: 'hold'; readonly why: string }

export interface FullSyncGate {
  /** Is the primary's history wanted here? @returns why not */
  refuseHistory(sync: FullSync): string | undefined
  /** Do old and new data fit? @param sync whose the new ones are. @param snapshotBytes undefined: the primary does not say */
  roomForTwo(sync: FullSync, snapshotBytes: number | undefined): RoomForTwo
  /** May the old data go before it is known whether the new ones have any keys? @returns why not */
  refuseDropFirst(): string | undefined
  /** May a snapshot of so many keys be swapped in? @returns why not */
  refuseLoaded(keyCount: number): string | undefined
}

/** Takes whatever comes, as Redis does. */
export const OPEN_GATE: FullSyncGate = {
  refuseHistory: () => undefined,
  roomForTwo: () => ({ do: 'load' }),
  refuseDropFirst: () => undefined,
  refuseLoaded: () => undefined,
}
