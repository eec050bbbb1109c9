/**
 * Calls the slices in which the keyspace gives memory back (core/src/keyspace/compaction.ts), under the directives and with the
 * INFO fields that Redis has for its own way of doing so: between `active-defrag-threshold-lower` and `-upper` of fragmentation
 * the share of the CPU grows from `active-defrag-cycle-min` to `-max`. Fragmentation is that of the arenas; one below
 * `active-defrag-ignore-bytes` is left alone. On by default, other than in Redis: what it costs here is bounded as well, and
 * without it memory of deleted keys only serves keys to come.
 *
 * Once begun, it goes on until no region is worth it any more, or a dataset is being loaded: what takes its place needs no
 * compaction, and the loaders need the CPU.
 */
import type { Clock, Keyspace } from '@understudy/core/internal'
import type { Config } from '../config/config.ts'
import { collectGarbageSoon } from './collect-garbage.ts'

/** How often it looks whether there is something to do, milliseconds. */
const LOOK_MS = 500
/** One slice, milliseconds; a unit more may follow the end (0.2 ms). */
const DEFRAG_SLICE_MS = 1

export interface ActiveDefragOptions {
  readonly keyspace: Keyspace
  readonly config: Config
  readonly clock: Clock
  /** Is a dataset being loaded? */
  readonly isLoading: () => boolean
}

export class ActiveDefrag {
  readonly #options: ActiveDefragOptions
  #timer: NodeJS.Timeout | undefined
  /** Per cent of the CPU that it takes at present; 0 while it rests. */
  effort = 0
  #beganMs = 0
  #totalMs = 0
  /** Longest slice so far, milliseconds. */
  longestSliceMs = 0

  constructor(options: ActiveDefragOptions) {
    this.#options = options
    options.keyspace.compaction.onDropped = collectGarbageSoon
    options.config.onChange('activedefrag', (enabled) => {
      if (!enabled) this.#rest()
    })
  }

  start(): void {
    this.#next(LOOK_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Milliseconds since the present run began, 0 while it rests. */
  get currentMs(): number {
    return this.effort === 0 ? 0 : this.#options.clock.monotonicMs() - this.#beganMs
  }

  /** Milliseconds of all runs. */
  get totalMs(): number {
    return this.#totalMs + this.currentMs
  }

  /** Lines of INFO that replace those of the same name. */
  statLines(): string[] {
    const { compaction } = this.#options.keyspace
    return [
      `active_defrag_hits:${compaction.moves}`,
      `active_defrag_key_hits:${compaction.movedKeys}`,
      `active_defrag_key_misses:${compaction.stayedKeys}`,
      `total_active_defrag_time:${Math.round(this.totalMs)}`,
      `current_active_defrag_time:${Math.round(this.currentMs)}`,
      `active_defrag_dropped_bytes:${compaction.droppedBytes}`,
      `active_defrag_longest_slice_usec:${Math.ceil(this.longestSliceMs * 1000)}`,
    ]
  }

  #next(delayMs: number): void {
    this.#timer = setTimeout(() => this.#look(), delayMs)
    this.#timer.unref()
  }

  #look(): void {
    const { keyspace, config, clock, isLoading } = this.#options
    const { compaction } = keyspace
    if (!config.get('activedefrag') || isLoading()) {
      this.#rest()
      this.#next(LOOK_MS)
      return
    }
    const began = clock.monotonicMs()
    if (compaction.isRunning) compaction.step(DEFRAG_SLICE_MS)
    // To begin a region takes what a slice takes: the first one comes in a turn of its own.
    else if (!this.#begin()) {
      this.#rest()
      this.#next(LOOK_MS)
      return
    }
    const took = clock.monotonicMs() - began
    this.longestSliceMs = Math.max(this.longestSliceMs, took)
    this.#next((Math.max(took, DEFRAG_SLICE_MS) * (100 - this.effort)) / this.effort)
  }

  /** Begins a region, in a run that is under way or if fragmentation asks for one. @returns false when there is nothing to do. */
  #begin(): boolean {
    const { keyspace, config, clock } = this.#options
    const { compaction } = keyspace
    const lower = config.get('active-defrag-threshold-lower') / 100
    const wasteBytes = compaction.reclaimableBytes
    const fragmentation = wasteBytes / Math.max(1, keyspace.usedBytes)
    if (this.effort === 0) {
      if (wasteBytes < config.get('active-defrag-ignore-bytes') || fragmentation < lower) return false
      this.#beganMs = clock.monotonicMs()
    }
    if (!compaction.begin(lower)) return false
    const upper = config.get('active-defrag-threshold-upper') / 100
    const least = config.get('active-defrag-cycle-min')
    const most = Math.max(least, config.get('active-defrag-cycle-max'))
    const part = upper > lower ? Math.min(1, Math.max(0, (fragmentation - lower) / (upper - lower))) : 1
    this.effort = Math.max(this.effort, Math.round(least + (most - least) * part))
    return true
  }

  #rest(): void {
    this.#totalMs = this.totalMs
    this.effort = 0
    this.#options.keyspace.compaction.cancel()
  }
}
