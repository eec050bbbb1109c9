/**
 * The 16 access bits of records (layout.ts): what OBJECT IDLETIME and FREQ tell, and how they change with use. The clock or,
 * under an LFU policy, a frequency (access-frequency.ts). Only the writer changes them; any thread reads them.
 */
import { byteOffsetOf } from '../memory/region-memory.ts'
import { ACCESS_CLOCK_SECONDS, accessClockAt } from './access-clock.ts'
import { accessedFrequency, decayedCounter, frequencyOf, newFrequency } from './access-frequency.ts'
import type { Entry } from './entry.ts'

export class AccessBits {
  /** Ticks of ACCESS_CLOCK_SECONDS, 16 bits; set by whoever owns the clock. */
  clock: number = accessClockAt(Date.now())
  /** An LFU policy is configured: records keep a frequency instead of the clock. Set by whoever owns the policy. */
  tracksFrequency = false

  /** The bits of a new record. */
  ofNew(): number {
    return this.tracksFrequency ? newFrequency(this.clock) : this.clock
  }

  /** The bits of a record that had `bits` and is used now. */
  usedAgain(bits: number): number {
    return this.tracksFrequency ? accessedFrequency(bits, this.clock, Math.random()) : this.clock
  }

  /** Seconds since the record of `entry` was last used, in steps of ACCESS_CLOCK_SECONDS. */
  idleSeconds(entry: Entry): number {
    return ((this.clock - accessBitsOf(entry)) & 0xffff) * ACCESS_CLOCK_SECONDS
  }

  /** Logarithmic access frequency, 0 … 255; only while `tracksFrequency`. */
  frequency(entry: Entry): number {
    return decayedCounter(accessBitsOf(entry), this.clock)
  }

  /** Notes that the record of `entry` was read (writer only). */
  mark(entry: Entry): void {
    const bits = accessBitsOf(entry)
    const fresh = this.usedAgain(bits)
    if (bits !== fresh) setAccessBits(entry, fresh)
  }

  /** Says how `entry` was used before it came here (writer only); what the policy does not need is ignored. -1: not told. */
  set(entry: Entry, idleSeconds: number, frequency: number): void {
    if (this.tracksFrequency) {
      if (frequency >= 0) setAccessBits(entry, frequencyOf(frequency, this.clock))
    } else if (idleSeconds >= 0) {
      const ticks = Math.min(0xffff, Math.floor(idleSeconds / ACCESS_CLOCK_SECONDS))
      setAccessBits(entry, (this.clock - ticks) & 0xffff)
    }
  }
}

export function accessBitsOf(entry: Entry): number {
  return entry.region.memory.i32[entry.address >>> 28]![(byteOffsetOf(entry.address) >>> 2) + 1]! >>> 16
}

/** One store of the whole word, whose lower half stays: readers may see it at any time (docs/consistency.md, W2a). */
function setAccessBits(entry: Entry, bits: number): void {
  const words = entry.region.memory.i32[entry.address >>> 28]!
  const at = (byteOffsetOf(entry.address) >>> 2) + 1
  words[at] = (bits << 16) | (words[at]! & 0xffff)
}
