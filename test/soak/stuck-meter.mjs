/**
 * Tells for how long a read did not get through though its thread and the writer had processors.
 *
 * On a busy machine a reader whose turn has come (1 ms, readers-turn.ts) may have no processor in it, and then waits until the writer's
 * next group is applied: that is the machine's doing. So a read is timed from the last moment at which its thread came late, and
 * what is counted is what it and the writer ran: one of them has to, for it not to get through. Two that both sleep are
 * found by the whole time of a read, without what both waited for processors.
 *
 * Plain JavaScript, since a worker thread runs without a transpiler.
 */
import { openSync, readSync } from 'node:fs'

/** Of a turn that is 1 ms long: who comes later than this may miss it. */
const LATE_MS = 0.5

/** What the system tells of threads: of this one, and of the process' first one, which writes. */
const FILES = ['/proc/thread-self/schedstat', `/proc/self/task/${process.pid}/schedstat`]
const TEXT_BYTES_MAX = 64

/** Looks at both threads. Tells nothing where the system does not. */
class Schedule {
  /** @type {number[]} */
  #descriptors = []
  #text = Buffer.alloc(TEXT_BYTES_MAX)

  constructor() {
    try {
      this.#descriptors = FILES.map((file) => openSync(file, 'r'))
    } catch {
      // not Linux
    }
  }

  look() {
    const [reader, writer] = this.#descriptors.map((descriptor) => {
      const length = readSync(descriptor, this.#text, 0, TEXT_BYTES_MAX, 0)
      // Source: Linux Documentation/scheduler/sched-stats.rst: time on the processor, time waiting for it (both ns), turns.
      const [ran = 0, waited = 0] = this.#text.toString('latin1', 0, length).split(' ').map(Number)
      return { ranMs: ran / 1e6, waitedMs: waited / 1e6 }
    })
    return { atMs: performance.now(), reader, writer }
  }
}

/** @typedef {ReturnType<Schedule['look']>} Look */

/**
 * What reader and writer ran; of the writer only until `lateAt`, if the reader came late behind that.
 *
 * @param {Look} from @param {Look} to @param {Look} lateAt
 */
function ranMs(from, to, lateAt = to) {
  const tookMs = to.atMs - from.atMs
  if (!from.reader || !to.reader || !from.writer || !lateAt.writer) return tookMs
  return Math.min(tookMs, to.reader.ranMs - from.reader.ranMs + (lateAt.writer.ranMs - from.writer.ranMs))
}

/** @param {Look} from @param {Look} to */
function waitedMs(from, to) {
  if (!from.reader || !to.reader || !from.writer || !to.writer) return 0
  return to.reader.waitedMs - from.reader.waitedMs + (to.writer.waitedMs - from.writer.waitedMs)
}

/** One thread's reads. Looks whenever the thread has slept, which a read does between its attempts. */
export class StuckMeter {
  /** The longest that a read did not get through with processors to run on. */
  longestMs = 0
  /** The longest that a read took, without what reader and writer waited for processors as far as is known. */
  longestWholeMs = 0
  #schedule = new Schedule()
  /** Of the read that is timed: its begin, when its thread last came late, the look before. */
  #began = this.#schedule.look()
  #late = this.#began
  #before = this.#began

  constructor() {
    const { wait } = Atomics
    /** @param {Parameters<typeof wait>} args */
    const waitAndLook = (...args) => {
      const result = wait(...args)
      this.#look()
      return result
    }
    Object.assign(Atomics, { wait: waitAndLook })
  }

  begin() {
    this.#began = this.#late = this.#before = this.#schedule.look()
  }

  end() {
    if (performance.now() - this.#began.atMs <= this.longestMs) return // it cannot have been longer
    const now = this.#look()
    this.longestMs = Math.max(this.longestMs, ranMs(this.#late, now))
    const wholeMs = now.atMs - this.#began.atMs - waitedMs(this.#began, now)
    this.longestWholeMs = Math.max(this.longestWholeMs, wholeMs)
  }

  #look() {
    const now = this.#schedule.look()
    const { reader } = this.#before
    if (reader !== undefined && now.reader !== undefined && now.reader.waitedMs - reader.waitedMs > LATE_MS) {
      this.longestMs = Math.max(this.longestMs, ranMs(this.#late, now, this.#before))
      this.#late = now
    }
    this.#before = now
    return now
  }
}
