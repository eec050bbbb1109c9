/**
 * After a swap of generations, or when a segment was dropped, each thread collects, so that the memory goes back to the system
 * (`core/src/memory/collect-garbage.ts` says why).
 */
import { collectGarbage } from '@understudy/core/internal'

/** Long enough for the swap's own messages and closures to be gone. */
const DELAY_MS = 200

let timer: NodeJS.Timeout | undefined

/** Collects once, shortly; calls before that add nothing. */
export function collectGarbageSoon(): void {
  if (timer !== undefined) return
  timer = setTimeout(() => {
    timer = undefined
    collectGarbage()
  }, DELAY_MS)
  timer.unref()
}
