/**
 * The 18 access bits of records (layout.ts): what OBJECT IDLETIME and FREQ tell and eviction goes by, and how they change with
 * use. The clock or, under an LFU policy, a frequency (access-frequency.ts). Only the writer changes them in records; any thread
 * reads them, and tells the writer of its own reads by access-marks.ts.
 */
import { byteOffsetOf } from '../memory/region-memory.ts'
import {
  ACCESS_CLOCK_SECONDS,
  ACCESS_MASK,
  accessClockAt,
  IDLE_TICKS_TOLD_MAX,
  idleSecondsAsTold,
} from './access-clock.ts'
import {
  accessedFrequency,
  accessMinuteAt,
  decayedCounter,
  frequencyOf,
  type FrequencyRules,
  newFrequency,
} from './access-frequency.ts'
import type { Entry } from './entry.ts'
import { VALUE_LENGTH_BITS, VALUE_LENGTH_MASK } from './layout.ts'
import type { RegionView } from './region-view.ts'

export class AccessBits implements FrequencyRules {
  /** Ticks of ACCESS_CLOCK_SECONDS, and minutes for frequencies; set by whoever owns the clock. */
  clock: number = accessClockAt(Date.now())
  minute: number = accessMinuteAt(Date.now())
  /** An LFU policy is configured: records keep a frequency instead of the clock. Set by whoever owns the policy, as are the next two. */
  tracksFrequency = false
  /** lfu-log-factor. */
  logFactor = 10
  /** lfu-decay-time. */
  decayMinutes = 1

  /** @param wallMs milliseconds since 1970 */
  setTime(wallMs: number): void {
    this.clock = accessClockAt(wallMs)
    this.minute = accessMinuteAt(wallMs)
  }

  /** The bits of a new record. */
  ofNew(): number {
    return this.tracksFrequency ? newFrequency(this.minute) : this.clock
  }

  /** The bits of a record that had `bits` and is used now. */
  usedAgain(bits: number): number {
    return this.tracksFrequency ? accessedFrequency(bits, this.minute, Math.random(), this) : this.clock
  }

  /** The bits of a new record that was used before it came here; what the policy does not need is ignored. -1: not told. */
  ofTold(idleSeconds: number, frequency: number): number {
    if (this.tracksFrequency) return frequency < 0 ? newFrequency(this.minute) : frequencyOf(frequency, this.minute)
    return idleSeconds <= 0 ? this.clock : this.#clockBefore(idleSeconds)
  }

  /** Ticks since a record with these bits was last used; not while `tracksFrequency`. */
  idleTicks(bits: number): number {
    return (this.clock - bits) & ACCESS_MASK
  }

  /** Logarithmic access frequency of a record with these bits, 0 … 255; only while `tracksFrequency`. */
  counter(bits: number): number {
    return decayedCounter(bits, this.minute, this)
  }

  /** Seconds since the record of `entry` was last used, in steps of ACCESS_CLOCK_SECONDS. */
  idleSeconds(entry: Entry): number {
    return this.idleTicks(accessBitsOf(entry)) * ACCESS_CLOCK_SECONDS
  }

  /** Logarithmic access frequency, 0 … 255; only while `tracksFrequency`. */
  frequency(entry: Entry): number {
    return this.counter(accessBitsOf(entry))
  }

  /** Notes that the record of `entry` was read (writer only). */
  mark(entry: Entry): void {
    const bits = accessBitsOf(entry)
    const fresh = this.usedAgain(bits)
    if (bits !== fresh) setAccessBits(entry.region, entry.address, fresh)
  }

  /** Says how `entry` was used before it came here (writer only); what the policy does not need is ignored. -1: not told. */
  set(entry: Entry, idleSeconds: number, frequency: number): void {
    if ((this.tracksFrequency ? frequency : idleSeconds) < 0) return
    setAccessBits(entry.region, entry.address, this.ofTold(idleSeconds, frequency))
  }

  #clockBefore(idleSeconds: number): number {
    const ticks = Math.min(IDLE_TICKS_TOLD_MAX, Math.floor(idleSecondsAsTold(idleSeconds) / ACCESS_CLOCK_SECONDS))
    return (this.clock - ticks) & ACCESS_MASK
  }
}

/** What `AccessBits` goes by, as plain data for another thread. */
export type AccessFacts = Pick<AccessBits, 'clock' | 'minute' | 'tracksFrequency' | 'logFactor' | 'decayMinutes'>

/** For a thread that makes the records of a snapshot. @param tracksFrequency an LFU policy is configured */
export function accessAtLoad(tracksFrequency: boolean): AccessBits {
  const access = new AccessBits()
  access.tracksFrequency = tracksFrequency
  return access
}

export function accessBitsOf(entry: Entry): number {
  return recordAccessBits(entry.region, entry.address)
}

/** Of the record at an address. */
export function recordAccessBits(region: RegionView, address: number): number {
  return region.memory.i32[address >>> 28]![(byteOffsetOf(address) >>> 2) + 1]! >>> VALUE_LENGTH_BITS
}

/** One store of the whole word, whose lower part stays: readers may see it at any time (docs/consistency.md, W2a). Writer only. */
export function setAccessBits(region: RegionView, address: number, bits: number): void {
  const words = region.memory.i32[address >>> 28]!
  const at = (byteOffsetOf(address) >>> 2) + 1
  words[at] = (bits << VALUE_LENGTH_BITS) | (words[at]! & VALUE_LENGTH_MASK)
}
