/** The rounds of a soak that cuts links: each at the next kind of place, and a failure says which round it was and what the nodes logged. */
import type { Cut } from './cutting-proxy.ts'
import { CUT_PLACES } from './link-cutter.ts'
import { rounds, type SoakOptions, withLogs } from './soak.ts'
import type { TestServer } from './test-server.ts'

/** @param nodes whose logs tell of a failure. @param run one round. @returns how many ran */
export async function cutRounds(
  options: SoakOptions,
  nodes: readonly TestServer[],
  run: (place: Cut['place'], round: number) => Promise<void>,
): Promise<number> {
  let count = 0
  for (const round of rounds(options)) {
    const place = CUT_PLACES[round % CUT_PLACES.length]!
    await withLogs(`seed ${options.seed}, round ${round} (${place})`, nodes, () => run(place, round))
    count++
  }
  return count
}
