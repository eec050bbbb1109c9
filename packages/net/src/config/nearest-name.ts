/** Which of the known names did somebody mean? For error messages about names that do not exist. */

/**
 * Edits that turn `a` into `b`: insert, delete, replace, and swap of two neighbours, each counted once (optimal string
 * alignment). O(a.length × b.length).
 */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforePrevious[j - 2]! + 1)
      }
      row.push(best)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length]!
}

/** The name nearest to `name` (the first of equals), whatever its case; undefined when there are none. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  // Names are short; a line of a hostile file need not be. Nothing behind the longest name can matter.
  const wanted = name.toLowerCase().slice(0, 80)
  let nearest: string | undefined
  let least = Infinity
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate)
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}
