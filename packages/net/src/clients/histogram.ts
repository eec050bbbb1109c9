/**
 * Latencies of one command: counts in buckets of 1/32 of a power of two, from 1 ns to about one minute. The relative
 * error of a percentile is below 3.2 %.
 */
const SUB_BITS = 5
const SUB_COUNT: number = 1 << SUB_BITS
/** 36 octaves: 2^36 ns = 68.7 s; longer ones count in the last bucket. */
const OCTAVES = 36
const BUCKETS: number = (OCTAVES - SUB_BITS + 1) * SUB_COUNT

/** Numbers (f64: a busy command passes 2^32 within hours) that one histogram takes: the buckets, and how many were counted. */
export const HISTOGRAM_NUMBERS: number = BUCKETS + 1
export const HISTOGRAM_BYTES: number = HISTOGRAM_NUMBERS * Float64Array.BYTES_PER_ELEMENT

export class LatencyHistogram {
  readonly #counts: Float64Array

  /** @param numbers HISTOGRAM_NUMBERS of them, zero at first. */
  constructor(numbers: Float64Array = new Float64Array(HISTOGRAM_NUMBERS)) {
    this.#counts = numbers
  }

  get count(): number {
    return this.#counts[BUCKETS]!
  }

  /** @param nanos at least 0, rounded down. @param times how many commands took so long. */
  record(nanos: number, times = 1): void {
    this.#counts[BUCKETS]! += times
    this.#counts[bucketOf(nanos < 0x7fffffff ? Math.trunc(nanos) : nanos)]! += times
  }

  /** Adds what `other` counted, or with -1 takes it away. */
  add(other: LatencyHistogram, sign: 1 | -1): void {
    const counts = this.#counts
    const more = other.#counts
    for (let i = 0; i < HISTOGRAM_NUMBERS; i++) counts[i]! += sign * more[i]!
  }

  /** The latency in nanoseconds that `percent` % of the commands did not exceed. */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.ceil((percent / 100) * this.count))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= wanted) return upperBound(bucket)
    }
    return 0
  }

  /** How many commands took at most 1, 2, 4 … microseconds: pairs until all are counted, from the first non-zero one. */
  cumulativeMicros(): [micros: number, count: number][] {
    const pairs: [number, number][] = []
    let seen = 0
    let bucket = 0
    let reported = 0
    for (let micros = 1; reported < this.count && bucket < BUCKETS; micros *= 2) {
      for (; bucket < BUCKETS && upperBound(bucket) <= micros * 1024; bucket++) seen += this.#counts[bucket]!
      if (seen > reported) pairs.push([micros, seen])
      reported = seen
    }
    return pairs
  }

  clear(): void {
    this.#counts.fill(0)
  }
}

function bucketOf(nanos: number): number {
  if (nanos < SUB_COUNT) return nanos
  if (nanos >= 0x7fffffff) {
    const octave = Math.min(OCTAVES - 1, Math.floor(Math.log2(nanos)))
    const sub = Math.min(SUB_COUNT - 1, Math.floor(nanos / 2 ** (octave - SUB_BITS)) - SUB_COUNT)
    return (octave - SUB_BITS + 1) * SUB_COUNT + sub
  }
  const octave = 31 - Math.clz32(nanos)
  return (octave - SUB_BITS + 1) * SUB_COUNT + ((nanos >>> (octave - SUB_BITS)) - SUB_COUNT)
}

/** Largest value that falls into the bucket. */
function upperBound(bucket: number): number {
  if (bucket < SUB_COUNT) return bucket
  const octave = Math.floor(bucket / SUB_COUNT) + SUB_BITS - 1
  const sub = bucket % SUB_COUNT
  return (SUB_COUNT + sub + 1) * 2 ** (octave - SUB_BITS) - 1
}
