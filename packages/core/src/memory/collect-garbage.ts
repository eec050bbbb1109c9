/**
 * A dropped SharedArrayBuffer lives until a major collection in every thread that held it, and a thread that is idle or waits
 * does not collect by itself. V8 offers no documented way to ask for one. There are two that can be had at run time without a
 * command-line flag: its debugging function, which does all in one piece, and measuring its memory, which marks in steps.
 */
import { setFlagsFromString } from 'node:v8'
import vm from 'node:vm'
import { letGoOfViews } from './view-holders.ts'

let collect: (() => void) | undefined

/**
 * Lets go of this thread's views, and collects in the next turn of its event loop: tens of milliseconds, in one piece. For threads that
 * nobody waits for. Not inside of a unit or a read.
 */
export async function collectGarbage(): Promise<void> {
  await letGo()
  collectNow()
}

/**
 * As `collectGarbage`, in steps between which the event loop goes on: some milliseconds each. Resolves when it is over. V8 begins to
 * mark at once when its memory is to be measured eagerly, if it does not already (v8 11.3 memory-measurement.cc ScheduleGCTask()).
 * Where Node cannot do that, in one piece.
 */
export async function collectGarbageInSteps(): Promise<void> {
  await letGo()
  try {
    await withoutWarning(() => vm.measureMemory({ mode: 'summary', execution: 'eager' }))
  } catch {
    collectNow()
  }
}

/** Not at once: registers that are garbage themselves have to be looked at to let go, which keeps them and all that they name to the end of the turn. */
async function letGo(): Promise<void> {
  letGoOfViews()
  await new Promise((resolve) => setImmediate(resolve))
}

function collectNow(): void {
  collect ??= exposedCollector()
  collect()
}

function exposedCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const exposed: unknown = vm.runInNewContext('gc')
  return typeof exposed === 'function' ? () => void exposed() : () => {}
}

/** Node says of what is called here that it is experimental: not a thing for the standard error of whoever runs this. */
function withoutWarning<Result>(call: () => Result): Result {
  const own = Object.getOwnPropertyDescriptor(process, 'emitWarning')
  if (own === undefined) return call()
  Object.defineProperty(process, 'emitWarning', { ...own, value: () => {} })
  try {
    return call()
  } finally {
    Object.defineProperty(process, 'emitWarning', own)
  }
}
