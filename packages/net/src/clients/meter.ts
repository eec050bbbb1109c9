/**
 * Times the commands of a pipeline without asking the clock twice for each. The end of one command is the beginning of
 * the next; and up to 16 FAST commands of one kind in a row are timed together, each counted with the mean. Asking
 * costs some 40 ns, a third of a small GET.
 *
 * Where single commands matter (a slow log threshold below 1 ms, the latency monitor) every command is timed.
 */
import { FAST } from '@understudy/core/internal'
import type { CommandEntry, CommandMetadata } from '@understudy/core/internal'
import type { ConnectionHost } from './connection-host.ts'

/** What is counted of a command, and what of it is not shown in the slow log. */
export type MeteredCommand = Pick<CommandEntry, 'id' | 'name' | 'flags'> & { readonly row: CommandMetadata }

const GROUP_MAX = 16
/** FAST commands take microseconds; only a stall of the process makes a group longer than this. */
const GROUPED_SLOWLOG_MICROS_MIN = 1000

export class CommandMeter {
  /** `performance.now()` at the end of the last settled command. */
  nowMs = 0
  readonly #host: ConnectionHost
  #entry: MeteredCommand | undefined
  #count = 0
  #groupMax = GROUP_MAX

  constructor(host: ConnectionHost) {
    this.#host = host
  }

  /** A turn begins. */
  start(): void {
    this.nowMs = performance.now()
    const { slowlogSlowerThanMicros, latencyMonitorThresholdMs } = this.#host.settings
    const single =
      latencyMonitorThresholdMs > 0 ||
      (slowlogSlowerThanMicros >= 0 && slowlogSlowerThanMicros < GROUPED_SLOWLOG_MICROS_MIN)
    this.#groupMax = single ? 1 : GROUP_MAX
  }

  /** Call before each command. */
  before(entry: MeteredCommand): void {
    if (this.#count > 0 && entry !== this.#entry) this.settle(false)
  }

  /** A command ran to its end. Its arguments are still there. */
  after(entry: MeteredCommand): void {
    this.#entry = entry
    if (++this.#count >= this.#groupMax || (entry.flags & FAST) === 0) this.settle(true)
  }

  /** Counts what ran since the last time. Call at the end of a turn. @param argsKept the last command's arguments are there. */
  settle(argsKept = false): void {
    const entry = this.#entry
    if (this.#count === 0 || entry === undefined) return
    const nowMs = performance.now()
    const elapsedMs = nowMs - this.nowMs
    this.nowMs = nowMs
    this.#host.account(entry, this.#count, elapsedMs, argsKept)
    this.#count = 0
  }
}
