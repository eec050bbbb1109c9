/**
 * Sorts part of an array the way Redis does where it wants only the first few (GEOSEARCH … COUNT, SORT … LIMIT): elements
 * that compare equal end up in the same order as there, which clients can see. Everything outside the wanted range is left in
 * any order.
 *
 * Source: J. L. Bentley, M. D. McIlroy, "Engineering a Sort Function", 1993, split-end partitioning; with the bounds of redis
 * 7.0 pqsort.c: parts that do not meet the range are not sorted further.
 */

type Compare = (left: number, right: number) => number
/** Indexes of what is sorted. */
type Items = number[] | Int32Array

/** Makes `items[from .. to]` (both included) what they were if all were sorted. */
export function partialSort(items: Items, compare: Compare, from: number, to: number): void {
  sortPart(items, compare, 0, items.length, from, to)
}

function sortPart(items: Items, compare: Compare, start: number, end: number, from: number, to: number): void {
  let first = start
  let behind = end
  for (;;) {
    const count = behind - first
    if (count < 7) {
      for (let i = first + 1; i < behind; i++) {
        for (let j = i; j > first && compare(items[j - 1]!, items[j]!) > 0; j--) swap(items, j, j - 1)
      }
      return
    }
    swap(items, first, pivotOf(items, compare, first, count))
    // first … equalLow: equal; … below: less; above … equalHigh: greater; … behind: equal.
    let equalLow = first + 1
    let below = first + 1
    let above = behind - 1
    let equalHigh = behind - 1
    for (;;) {
      let order: number
      while (below <= above && (order = compare(items[below]!, items[first]!)) <= 0) {
        if (order === 0) swap(items, equalLow++, below)
        below++
      }
      while (below <= above && (order = compare(items[above]!, items[first]!)) >= 0) {
        if (order === 0) swap(items, above, equalHigh--)
        above--
      }
      if (below > above) break
      swap(items, below++, above--)
    }
    const lower = below - equalLow
    const upper = equalHigh - above
    swapRanges(items, first, below, Math.min(equalLow - first, lower))
    swapRanges(items, below, behind, Math.min(upper, behind - 1 - equalHigh))
    if (lower > 1 && meets(first, first + lower, from, to)) sortPart(items, compare, first, first + lower, from, to)
    if (upper <= 1 || !meets(behind - upper, behind, from, to)) return
    first = behind - upper
  }
}

function meets(start: number, end: number, from: number, to: number): boolean {
  return !((from < start && to < start) || (from >= end && to >= end))
}

function pivotOf(items: Items, compare: Compare, first: number, count: number): number {
  const middle = first + Math.floor(count / 2)
  if (count === 7) return middle
  const last = first + count - 1
  if (count <= 40) return medianOf(items, compare, first, middle, last)
  const step = Math.floor(count / 8)
  return medianOf(
    items,
    compare,
    medianOf(items, compare, first, first + step, first + 2 * step),
    medianOf(items, compare, middle - step, middle, middle + step),
    medianOf(items, compare, last - 2 * step, last - step, last),
  )
}

function medianOf(items: Items, compare: Compare, a: number, b: number, c: number): number {
  if (compare(items[a]!, items[b]!) < 0) {
    if (compare(items[b]!, items[c]!) < 0) return b
    return compare(items[a]!, items[c]!) < 0 ? c : a
  }
  if (compare(items[b]!, items[c]!) > 0) return b
  return compare(items[a]!, items[c]!) < 0 ? a : c
}

/** Exchanges `count` items from `start` on with those before `end`. */
function swapRanges(items: Items, start: number, end: number, count: number): void {
  for (let i = 0; i < count; i++) swap(items, start + i, end - count + i)
}

function swap(items: Items, left: number, right: number): void {
  const kept = items[left]!
  items[left] = items[right]!
  items[right] = kept
}
