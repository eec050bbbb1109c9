/**
 * Sorts only as far as a range needs it, and leaves equal items in the very order in which Redis leaves them: SORT … BY … LIMIT
 * … STORE reaches a replica as it is, so both sides must choose the same among equals.
 *
 * Quicksort with three-way partition after J. L. Bentley, M. D. McIlroy, "Engineering a Sort Function" (1993), with the choices
 * of redis 7.0 pqsort.c: insertion below 7 items, the median of 3 above 7 and of 9 above 40.
 */
type Compare = (left: number, right: number) => number

const INSERTION_BELOW = 7
const NINTHER_ABOVE = 40

/** Brings those items of `items` into place that belong to [first, last]. */
export function partialSort(items: Uint32Array, compare: Compare, first: number, last: number): void {
  sortPart(items, compare, 0, items.length, first, last)
}

function sortPart(items: Uint32Array, compare: Compare, start: number, end: number, first: number, last: number): void {
  let low = start
  let high = end
  for (;;) {
    const count = high - low
    if (count < INSERTION_BELOW) {
      insertionSort(items, compare, low, high)
      return
    }
    swap(items, low, pivotOf(items, compare, low, count))
    const pivot = items[low]!
    // [low, equalLow) and (equalHigh, high) equal the pivot; what lies between them and left … right is smaller, or larger.
    let equalLow = low + 1
    let left = low + 1
    let right = high - 1
    let equalHigh = high - 1
    for (;;) {
      for (let order; left <= right && (order = compare(items[left]!, pivot)) <= 0; left++) {
        if (order === 0) swap(items, equalLow++, left)
      }
      for (let order; left <= right && (order = compare(items[right]!, pivot)) >= 0; right--) {
        if (order === 0) swap(items, right, equalHigh--)
      }
      if (left > right) break
      swap(items, left++, right--)
    }
    const smaller = left - equalLow
    const larger = equalHigh - right
    swapRanges(items, low, left, Math.min(equalLow - low, smaller))
    swapRanges(items, left, high, Math.min(larger, high - 1 - equalHigh))
    if (smaller > 1 && first < low + smaller && last >= low) {
      sortPart(items, compare, low, low + smaller, first, last)
    }
    low = high - larger
    if (larger <= 1 || last < low || first >= high) return
  }
}

function insertionSort(items: Uint32Array, compare: Compare, low: number, high: number): void {
  for (let next = low + 1; next < high; next++) {
    for (let at = next; at > low && compare(items[at - 1]!, items[at]!) > 0; at--) swap(items, at, at - 1)
  }
}

function pivotOf(items: Uint32Array, compare: Compare, low: number, count: number): number {
  let middle = low + (count >>> 1)
  if (count <= INSERTION_BELOW) return middle
  let left = low
  let right = low + count - 1
  if (count > NINTHER_ABOVE) {
    const step = count >>> 3
    left = median(items, compare, left, left + step, left + 2 * step)
    middle = median(items, compare, middle - step, middle, middle + step)
    right = median(items, compare, right - 2 * step, right - step, right)
  }
  return median(items, compare, left, middle, right)
}

function median(items: Uint32Array, compare: Compare, a: number, b: number, c: number): number {
  const ab = compare(items[a]!, items[b]!)
  const bc = compare(items[b]!, items[c]!)
  if (ab < 0) {
    if (bc < 0) return b
    return compare(items[a]!, items[c]!) < 0 ? c : a
  }
  if (bc > 0) return b
  return compare(items[a]!, items[c]!) < 0 ? a : c
}

/** Exchanges the first `count` items from `low` on with the last `count` before `high`. */
function swapRanges(items: Uint32Array, low: number, high: number, count: number): void {
  for (let i = 0; i < count; i++) swap(items, low + i, high - count + i)
}

function swap(items: Uint32Array, left: number, right: number): void {
  const kept = items[left]!
  items[left] = items[right]!
  items[right] = kept
}
