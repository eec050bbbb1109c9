/**
 * The 16 bits of a record that tell how it is used. Under most eviction policies they are the access clock; under an LFU
 * policy they are a logarithmic counter that decays with time:
 *
 *   [ minute of the last decrement:8 | counter:8 ]
 *
 * Source: redis 7.0 evict.c LFULogIncr(), LFUDecrAndReturn() with the default lfu-log-factor 10 and lfu-decay-time 1.
 * Redis keeps 16 bits of minutes; with 8 a key that nobody touches for more than four hours decays late.
 */

const COUNTER_FIRST = 5
const COUNTER_MAX = 255
const LOG_FACTOR = 10
const TICKS_PER_MINUTE = 6

/** The minute of an access clock, 8 bits. */
function minuteOf(accessClock: number): number {
  return Math.floor(accessClock / TICKS_PER_MINUTE) & 0xff
}

/** The bits of a key that was just made. */
export function newFrequency(accessClock: number): number {
  return (minuteOf(accessClock) << 8) | COUNTER_FIRST
}

/** The bits for a counter that is told (RESTORE FREQ, snapshots). */
export function frequencyOf(counter: number, accessClock: number): number {
  return (minuteOf(accessClock) << 8) | counter
}

/** The counter as it is now: one less for every minute since it was last written. */
export function decayedCounter(bits: number, accessClock: number): number {
  const minutes = (minuteOf(accessClock) - (bits >>> 8)) & 0xff
  return Math.max(0, (bits & 0xff) - minutes)
}

/** The bits after an access: the higher the counter, the less likely it grows. @param random 0 … 1 */
export function accessedFrequency(bits: number, accessClock: number, random: number): number {
  let counter = decayedCounter(bits, accessClock)
  if (counter < COUNTER_MAX && random < 1 / (Math.max(0, counter - COUNTER_FIRST) * LOG_FACTOR + 1)) counter++
  return (minuteOf(accessClock) << 8) | counter
}
