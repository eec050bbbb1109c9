/** What a fake primary sends: a stream in parts, each built beforehand and measured for itself. */
import { Dataset } from './dataset.mjs'
import { buildGrowth } from './growth-commands.mjs'
import { MixedDataset } from './mixed-dataset.mjs'
import { buildSets } from './set-commands.mjs'

/**
 * @typedef {object} SetsPlan The same SETs in every part, with other values each time.
 * @property {'sets'} kind
 * @property {number} seed
 * @property {number} commands Of each part.
 * @property {number} rounds Parts.
 */

/**
 * @typedef {object} MixedPlan One part that makes the keys, one that changes them.
 * @property {'mixed'} kind
 * @property {number} seed
 * @property {import('./mixed-dataset.mjs').MixedSizes} sizes
 * @property {number} commands Of the second part.
 */

/**
 * @typedef {object} GrowthPlan One part that makes one collection, an element at a time.
 * @property {'growth'} kind
 * @property {import('./growth-commands.mjs').CollectionType} type
 * @property {number} elements
 */

/** @typedef {SetsPlan | MixedPlan | GrowthPlan} StreamPlan */

/**
 * @param {StreamPlan} plan
 * @returns {Buffer[][]} By part: buffers of whole commands each.
 */
export function buildParts(plan) {
  switch (plan.kind) {
    case 'sets': {
      const dataset = new Dataset(plan.seed)
      return Array.from({ length: plan.rounds }, (_, round) => buildSets(dataset, 0, plan.commands, round))
    }
    case 'mixed': {
      const dataset = new MixedDataset(plan.seed, plan.sizes)
      return [[...dataset.creation()], [...dataset.changes(plan.commands)]]
    }
    case 'growth':
      return [[...buildGrowth(plan.type, plan.elements)]]
  }
}
