/**
 * Medians and their uncertainty. Two servers are measured in turn (A B A B …), so that a machine that gets slower hurts
 * both; what is compared are the medians of both.
 */
import { randomNumbers } from './dataset.mjs'

const RESAMPLES = 10_000

/** @param {Iterable<number>} samples */
export function median(samples) {
  const sorted = Array.from(samples).sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** At least so many percent of the samples are as small as this one or smaller. @param {Iterable<number>} samples @param {number} percent */
export function percentile(samples, percent) {
  const sorted = Float64Array.from(samples).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}

/**
 * @typedef {object} Ratio
 * @property {number} value Of the medians.
 * @property {number} low 95 % interval of it: percentile bootstrap that draws whole pairs. With fewer than five pairs it is
 *   hardly more than their range.
 * @property {number} high
 * @property {number[]} pairs The ratio inside each pair.
 */

/**
 * The median of ours divided by the median of theirs.
 *
 * @param {readonly number[]} ours
 * @param {readonly number[]} theirs As many, taken in turn with ours.
 * @param {number} seed
 * @returns {Ratio}
 */
export function ratioOfMedians(ours, theirs, seed) {
  const random = randomNumbers(seed)
  const ratios = new Float64Array(RESAMPLES)
  const [drawnOurs, drawnTheirs] = [new Float64Array(ours.length), new Float64Array(ours.length)]
  for (let i = 0; i < RESAMPLES; i++) {
    for (let j = 0; j < ours.length; j++) {
      const pair = Math.floor(random() * ours.length)
      drawnOurs[j] = ours[pair] ?? Number.NaN
      drawnTheirs[j] = theirs[pair] ?? Number.NaN
    }
    ratios[i] = median(drawnOurs) / median(drawnTheirs)
  }
  ratios.sort()
  return {
    value: median(ours) / median(theirs),
    low: ratios[Math.floor(RESAMPLES * 0.025)] ?? Number.NaN,
    high: ratios[Math.ceil(RESAMPLES * 0.975) - 1] ?? Number.NaN,
    pairs: ours.map((sample, index) => sample / (theirs[index] ?? Number.NaN)),
  }
}
