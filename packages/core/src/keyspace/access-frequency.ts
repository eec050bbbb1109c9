/**
 * The 18 bits of a record that tell how it is used. Under most eviction policies they are the access clock; under an LFU
 * policy they are a logarithmic counter that decays with time:
 *
 *   [ minute of the last access:10 | counter:8 ]
 *
 * Source: redis 7.0 evict.c LFULogIncr(), LFUDecrAndReturn(). Redis keeps 16 bits of minutes; with 10 a key that nobody
 * touches for more than 17 hours decays late.
 */
const MINUTE_MASK = 0x3ff
const COUNTER_BITS = 8
const COUNTER_FIRST = 5
export const COUNTER_MAX = 255
const MINUTE_MS = 60_000

/** How counters grow and fall: lfu-log-factor, and lfu-decay-time in minutes (0: they never fall). */
export interface FrequencyRules {
  readonly logFactor: number
  readonly decayMinutes: number
}

/** @param wallMs milliseconds since 1970. @returns 10 bits */
export function accessMinuteAt(wallMs: number): number {
  return Math.floor(wallMs / MINUTE_MS) & MINUTE_MASK
}

/** The bits of a key that was just made. */
export function newFrequency(minute: number): number {
  return frequencyOf(COUNTER_FIRST, minute)
}

/** The bits for a counter that is told (RESTORE FREQ, snapshots). */
export function frequencyOf(counter: number, minute: number): number {
  return (minute << COUNTER_BITS) | counter
}

/** The counter as it is now: one less for every `decayMinutes` since the last access. */
export function decayedCounter(bits: number, minute: number, { decayMinutes }: FrequencyRules): number {
  const counter = bits & COUNTER_MAX
  if (decayMinutes === 0) return counter
  const minutes = (minute - (bits >>> COUNTER_BITS)) & MINUTE_MASK
  return Math.max(0, counter - Math.floor(minutes / decayMinutes))
}

/** The bits after an access: the higher the counter, the less likely it grows. @param random 0 … 1 */
export function accessedFrequency(bits: number, minute: number, random: number, rules: FrequencyRules): number {
  let counter = decayedCounter(bits, minute, rules)
  const above = Math.max(0, counter - COUNTER_FIRST)
  if (counter < COUNTER_MAX && random < 1 / (above * rules.logFactor + 1)) counter++
  return frequencyOf(counter, minute)
}
