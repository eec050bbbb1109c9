/**
 * After a swap of generations, or when a segment was dropped, each thread collects, so that the memory goes back to the system
 * (`core/src/memory/collect-garbage.ts` says why). If need be twice: V8 gives up the pages that a start or a load has made its young
 * generation of (16 MB) only in a collection of a thread that has allocated little for seconds (v8 11.3 heap.cc
 * ReduceNewSpaceSize(): less than 1 MB/s).
 */
import { getHeapSpaceStatistics } from 'node:v8'
import { collectGarbage } from '@understudy/core/internal'

/** Long enough for the swap's own messages and closures to be gone. */
const SOON_MS = 200
/** Long enough for the rate of allocation to have fallen. */
const IDLE_MS = 2300
/** A young generation that is no larger is left alone. */
const YOUNG_BYTES_KEPT: number = 4 << 20

let soon: NodeJS.Timeout | undefined
let idle: NodeJS.Timeout | undefined

/** Collects shortly, and once more a while after the last call. */
export function collectGarbageSoon(): void {
  soon ??= setTimeout(() => {
    soon = undefined
    collectGarbage()
  }, SOON_MS).unref()
  clearTimeout(idle)
  idle = setTimeout(shrinkYoungGeneration, IDLE_MS).unref()
}

function shrinkYoungGeneration(): void {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  if (young !== undefined && young.physical_space_size > YOUNG_BYTES_KEPT) collectGarbage()
}
