/**
 * After a swap of generations, or when a segment was dropped, each thread collects, so that the memory goes back to the system
 * (`core/src/memory/collect-garbage.ts` says why). If need be again: V8 gives up the pages that a start or a load has made its young
 * generation of (2 x 16 MB) only in a collection of a thread that has allocated little for the last five seconds (v8 11.3 heap.cc
 * ReduceNewSpaceSize(): less than 1 MB/s). A short load ends while those still hold the start. What V8 itself would do for a thread that has
 * become idle is switched off in `bin/understudy.js`.
 */
import { getHeapSpaceStatistics } from 'node:v8'
import { collectGarbageInSteps } from '@understudy/core/internal'

/** Long enough for the swap's own messages and closures to be gone. */
const SOON_MS = 200
/** From one look at the young generation to the next. */
const IDLE_MS = 2300
/** The last look comes when a thread that has been idle since the first has been so for longer than V8 looks back. */
const LOOKS_MAX = 3
/** A young generation that is no larger is left alone. */
const YOUNG_BYTES_KEPT: number = 4 << 20

let soon: NodeJS.Timeout | undefined
let idle: NodeJS.Timeout | undefined

/** Collects shortly, and again a while after the last call as long as that may free something. */
export function collectGarbageSoon(): void {
  soon ??= setTimeout(() => {
    soon = undefined
    void collectGarbageInSteps()
  }, SOON_MS).unref()
  shrinkYoungGeneration(LOOKS_MAX)
}

function shrinkYoungGeneration(looksLeft: number): void {
  clearTimeout(idle)
  idle = setTimeout(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    if (young === undefined || young.physical_space_size <= YOUNG_BYTES_KEPT) return
    void collectGarbageInSteps()
    if (looksLeft > 1) shrinkYoungGeneration(looksLeft - 1)
  }, IDLE_MS).unref()
}
