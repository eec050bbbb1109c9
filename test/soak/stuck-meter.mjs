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
import { readFileSync } from 'node:fs'

/** Of a turn that is 1 ms long: who comes later than this may miss it. */
const LATE_MS = 0.5

/** What the system tells of threads: of this one, and of the process' first one, which writes. */
const READER = '/proc/thread-self/schedstat'
const WRITER = `/proc/self/task/${process.pid}/schedstat`

/** Milliseconds that a thread ran, and that it was ready to and had no processor. Undefined where the system does not tell. */
function scheduled(/** @type {string} */ file) {
  try {
    // Source: Linux Documentation/scheduler/sched-stats.rst: time on the processor, time waiting for it (both ns), turns.
    const [ran = 0, waited = 0] = readFileSync(file, 'latin1').split(' ').map(Number)
    return { ranMs: ran / 1e6, waitedMs: waited / 1e6 }
  } catch {
    return undefined
  }
}

function look() {
  return { atMs: performance.now(), reader: scheduled(READER), writer: scheduled(WRITER) }
}

/** @typedef {ReturnType<typeof look>} Look */

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
  /** Of the read that is timed: its begin, when its thread last came late, the look before. */
  #began = look()
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
    this.#began = this.#late = this.#before = look()
  }

  end() {
    const now = this.#look()
    this.longestMs = Math.max(this.longestMs, ranMs(this.#late, now))
    const wholeMs = now.atMs - this.#began.atMs - waitedMs(this.#began, now)
    this.longestWholeMs = Math.max(this.longestWholeMs, wholeMs)
  }

  #look() {
    const now = look()
    const { reader } = this.#before
    if (reader !== undefined && now.reader !== undefined && now.reader.waitedMs - reader.waitedMs > LATE_MS) {
      this.longestMs = Math.max(this.longestMs, ranMs(this.#late, now, this.#before))
      this.#late = now
    }
    this.#before = now
    return now
  }
}
