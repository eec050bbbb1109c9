/**
 * Makes a failing case shorter: replays parts of it on fresh databases for as long as they fail in the same way (delta
 * debugging, A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), then shortens the
 * commands themselves. Bounded in time: what it has by then is the result.
 */
import type { Word } from './draw.ts'
import type { FuzzCommand, Step } from './generator.ts'
import type { Difference } from './state.ts'

export interface Minimised {
  readonly steps: readonly Step[]
  readonly difference: Difference
  /** Replays it took. */
  readonly replays: number
  /** False when the time was over before nothing more could be left out. */
  readonly isMinimal: boolean
}

/** Runs the steps on fresh databases. */
export type Replay = (steps: readonly Step[]) => Promise<Difference | undefined>

/** @returns undefined when the steps do not fail again. */
export async function minimise(
  steps: readonly Step[],
  original: Difference,
  replay: Replay,
  timeoutMs: number,
): Promise<Minimised | undefined> {
  const deadline = performance.now() + timeoutMs
  let best = steps
  let found = original
  let replays = 0
  const isOver = (): boolean => performance.now() > deadline
  const fails = async (candidate: readonly Step[]): Promise<boolean> => {
    replays++
    const difference = await replay(candidate)
    if (difference === undefined || difference.kind !== original.kind || difference.subject !== original.subject)
      return false
    found = difference
    best = difference.step === undefined ? candidate : candidate.slice(0, difference.step + 1)
    return true
  }
  if (!(await fails(best))) return undefined
  await leaveOut(() => best, fails, isOver)
  // A group may fail because of what is in it.
  for (let i = 0; i < best.length && !isOver(); i++) {
    const step = best[i]!
    if (step.length === 1) continue
    const split = [
      ...best.slice(0, i),
      ...step.filter(({ row }) => !FRAME.has(row)).map((one) => [one]),
      ...best.slice(i + 1),
    ]
    if (await fails(split)) i--
    else {
      for (let j = step.length - 1; j >= 0 && !isOver(); j--) {
        const now = best[i]
        const dropped = now?.[j]
        if (now === undefined || dropped === undefined || FRAME.has(dropped.row)) continue
        await fails([...best.slice(0, i), now.filter((_, at) => at !== j), ...best.slice(i + 1)])
      }
    }
  }
  await leaveOut(() => best, fails, isOver)
  for (let i = best.length - 1; i >= 0 && !isOver(); i--) await shorten(i, () => best, fails, isOver)
  return { steps: best, difference: found, replays, isMinimal: !isOver() }
}

const FRAME = new Set(['MULTI', 'EXEC', 'DISCARD'])

/** Leaves out runs of steps, shorter and shorter ones. */
async function leaveOut(
  now: () => readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  isOver: () => boolean,
): Promise<void> {
  for (let size = Math.ceil(now().length / 2); size >= 1 && !isOver();) {
    let left = false
    for (let end = now().length; end > 0 && !isOver(); end -= size) {
      const steps = now()
      const from = Math.max(0, Math.min(end, steps.length) - size)
      const candidate = [...steps.slice(0, from), ...steps.slice(from + size)]
      if (candidate.length > 0 && candidate.length < steps.length && (await fails(candidate))) left = true
    }
    if (size === 1 && !left) return
    size = left && size === 1 ? 1 : Math.max(1, size >>> 1)
    if (size === 1 && now().length === 1) return
  }
}

/** Fewer and shorter arguments. */
async function shorten(
  index: number,
  now: () => readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  isOver: () => boolean,
): Promise<void> {
  const attempt = async (position: number, words: readonly Word[]): Promise<boolean> => {
    const steps = now()
    const step = steps[index]!
    const changed = step.map((command, i): FuzzCommand => (i === position ? { ...command, words } : command))
    return fails([...steps.slice(0, index), changed, ...steps.slice(index + 1)])
  }
  for (let position = 0; position < (now()[index]?.length ?? 0); position++) {
    const words = (): readonly Word[] => now()[index]?.[position]?.words ?? []
    for (const size of [words().length >>> 1, words().length >>> 2, words().length >>> 3, 8, 4, 2, 1]) {
      if (size < 1) continue
      for (let from = words().length - size; from >= 2 && !isOver(); from -= size) {
        const shorter = [...words().slice(0, from), ...words().slice(from + size)]
        if (shorter.length < words().length) await attempt(position, shorter)
      }
    }
    for (let i = 1; i < words().length; i++) {
      for (;;) {
        const word = words()[i]
        if (word === undefined || word.length < 12 || isOver()) break
        const shorter = words().map((each, at) => (at === i ? each.slice(0, each.length >>> 1) : each))
        if (!(await attempt(position, shorter))) break
      }
    }
  }
}
