/**
 * Latency spikes by event for LATENCY LATEST and HISTORY: the newest 160 samples of each event, one a second at most.
 *
 * Source: redis 7.0 latency.c latencyAddSample().
 */
const SAMPLES_MAX = 160

export interface LatencySample {
  /** Seconds since 1970. */
  time: number
  ms: number
}

export interface LatencyEvent {
  readonly samples: LatencySample[]
  maxMs: number
}

export class LatencyMonitor {
  readonly events: Map<string, LatencyEvent> = new Map()

  /** @param ms length of the event; the caller compared it with latency-monitor-threshold. */
  add(event: string, ms: number, nowMs: number): void {
    const time = Math.floor(nowMs / 1000)
    let known = this.events.get(event)
    if (known === undefined) this.events.set(event, (known = { samples: [], maxMs: 0 }))
    const length = Math.round(ms)
    if (length > known.maxMs) known.maxMs = length
    const last = known.samples.at(-1)
    if (last !== undefined && last.time === time) last.ms = Math.max(last.ms, length)
    else {
      known.samples.push({ time, ms: length })
      if (known.samples.length > SAMPLES_MAX) known.samples.shift()
    }
  }

  /** Forgets the named events, or all. @returns how many. */
  reset(names: readonly string[]): number {
    if (names.length === 0) {
      const count = this.events.size
      this.events.clear()
      return count
    }
    return names.filter((name) => this.events.delete(name)).length
  }
}
