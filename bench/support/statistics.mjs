/**
 * Medians and their uncertainty. Two servers are measured in turn (A B A B …), so that a machine that gets slower hurts
 * both; what is compared is the ratio inside each pair.
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

/**
 * @typedef {object} Ratio
 * @property {number} median Of the ratios of the pairs.
 * @property {number} low 95 % interval of that median: percentile bootstrap over the pairs. With fewer than five pairs it
 *   is hardly more than their range.
 * @property {number} high
 * @property {number[]} pairs
 */

/**
 * Ours divided by theirs, pair by pair.
 *
 * @param {readonly number[]} ours
 * @param {readonly number[]} theirs As many.
 * @param {number} seed
 * @returns {Ratio}
 */
export function ratioOfPairs(ours, theirs, seed) {
  const pairs = ours.map((sample, index) => sample / (theirs[index] ?? Number.NaN))
  const random = randomNumbers(seed)
  const medians = new Float64Array(RESAMPLES)
  const resample = new Float64Array(pairs.length)
  for (let i = 0; i < RESAMPLES; i++) {
    for (let j = 0; j < pairs.length; j++) resample[j] = pairs[Math.floor(random() * pairs.length)] ?? Number.NaN
    medians[i] = median(resample)
  }
  medians.sort()
  return {
    median: median(pairs),
    low: medians[Math.floor(RESAMPLES * 0.025)] ?? Number.NaN,
    high: medians[Math.ceil(RESAMPLES * 0.975) - 1] ?? Number.NaN,
    pairs,
  }
}
