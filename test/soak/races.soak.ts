/**
 * The soaks of readers with their race windows widened: the writer stays for a moment within its critical sections, readers
 * between their loads and their validation (widened-races.mjs). Fewer commands and reads meet in more ways.
 */
import type { Soak, SoakOptions, SoakResult } from '../support/soak.ts'
import { runConsistency } from './consistency.soak.ts'
import type { RaceOptions } from './reading-threads.ts'
import { runReads } from './reads.soak.ts'

export const soak: Soak = {
  about: 'reads and consistency with pauses inside of changes and between looking and validating',
  stated: { count: Infinity, seconds: 60 },
  slice: { count: Infinity, seconds: 9 },
  run: (options) => runRaces(options),
}

/** Half of the time for each. @throws when a reader saw something it must not see. */
export async function runRaces(options: SoakOptions, races: RaceOptions = {}): Promise<SoakResult> {
  const half: SoakOptions = { ...options, count: options.count / 2, seconds: options.seconds / 2 }
  const values = await runConsistency(half, { ...races, widened: true })
  const types = await runReads(half, { ...races, widened: true })
  const counted: Record<string, number> = { ...values.counted }
  for (const [name, count] of Object.entries(types.counted ?? {})) {
    const before = counted[name] ?? 0
    counted[name] = name.startsWith('longest') ? Math.max(before, count) : before + count
  }
  return { count: values.count + types.count, counted }
}
