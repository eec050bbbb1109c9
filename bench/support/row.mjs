/** One line of the report while its samples come in. */
import { median, ratioOfMedians } from './statistics.mjs'

/** @typedef {import('./process-usage.mjs').Usage} Usage */
/** @typedef {'ours' | 'theirs'} SideName */

/**
 * @typedef {object} Side
 * @property {string} server
 * @property {number[]} samples
 * @property {Usage[]} usages
 */

/**
 * @typedef {object} RatioGoal For ours divided by theirs.
 * @property {number} ratio
 * @property {'at least' | 'at most'} direction
 */

/**
 * @typedef {object} LimitGoal For ours alone, in the row's unit.
 * @property {number} limit
 * @property {'at least' | 'at most'} direction
 * @property {boolean} [inEachRun] The worst of the runs is judged: of what must never last longer, a median says that it did not in
 *   half of them.
 */

/** @typedef {RatioGoal | LimitGoal} Goal */

/**
 * @typedef {object} RowFacts
 * @property {string} scenario
 * @property {string} title
 * @property {string} unit Of the samples: 'commands/s', 'bytes' …
 * @property {string} [ours] Default 'Understudy'.
 * @property {string} [theirs] Default 'Redis'.
 * @property {Goal | undefined} [goal]
 */

export class Row {
  scenario
  title
  unit
  goal
  /** What the check of the contents found. */
  contents = ''
  /** Everything else worth knowing, one short sentence each. @type {string[]} */
  notes = []
  /** @type {Record<SideName, Side>} */
  sides

  /** @param {RowFacts} facts */
  constructor({ scenario, title, unit, goal, ours = 'Understudy', theirs = 'Redis' }) {
    this.scenario = scenario
    this.title = title
    this.unit = unit
    this.goal = goal
    this.sides = {
      ours: { server: ours, samples: [], usages: [] },
      theirs: { server: theirs, samples: [], usages: [] },
    }
  }

  /**
   * @param {import('./contenders.mjs').ContenderName | SideName} side
   * @param {number | undefined} sample Undefined: it cannot be measured here; it becomes NaN.
   * @param {Usage} [usage]
   */
  add(side, sample, usage = { cpuSeconds: undefined, threads: undefined }) {
    const { samples, usages } = this.sides[side === 'understudy' ? 'ours' : side === 'redis' ? 'theirs' : side]
    samples.push(sample ?? Number.NaN)
    usages.push(usage)
  }

  /**
   * The row as it is reported and kept.
   *
   * @param {number} seed
   */
  result(seed) {
    const { ours, theirs } = this.sides
    return {
      scenario: this.scenario,
      title: this.title,
      unit: this.unit,
      ours: summary(ours),
      theirs: summary(theirs),
      ratio: ratioOfMedians(ours.samples, theirs.samples, seed),
      goal: this.goal,
      contents: this.contents,
      notes: this.notes,
    }
  }
}

/** @typedef {ReturnType<Row['result']>} RowResult */

/** @param {Side} side */
function summary({ server, samples, usages }) {
  const cpu = usages.flatMap(({ cpuSeconds }) => (cpuSeconds === undefined ? [] : [cpuSeconds]))
  const threads = usages.flatMap(({ threads }) => (threads === undefined ? [] : [threads]))
  return {
    server,
    median: median(samples),
    cpuSeconds: cpu.length === 0 ? undefined : median(cpu),
    threads: threads.length === 0 ? undefined : Math.max(...threads),
    samples,
    cpuSecondsSamples: cpu,
  }
}
