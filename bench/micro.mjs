/**
 * The functions of hot paths, one by one, with benchmark.js. Nothing is compared with Redis here: these numbers tell which
 * change made which function slower. Files `bench/core/**` mirror the sources that they measure and export a function
 * that adds its cases.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import Benchmark from 'benchmark'

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url))
const SUFFIX = '.bench.mjs'

/**
 * @typedef {object} MicroCase
 * @property {string} name
 * @property {number} perCall How many of `unit` one call of `call` does.
 * @property {string} unit 'keys', 'bytes' …
 * @property {() => void} call
 */

/** @typedef {(add: (micro: MicroCase) => void) => void | Promise<void>} AddCases */

/**
 * @typedef {object} MicroResult
 * @property {string} source
 * @property {string} name
 * @property {string} unit
 * @property {number} perSecond
 * @property {number} marginPercent 95 % relative margin of error of benchmark.js.
 * @property {number} samples
 */

/** @param {import('./support/run.mjs').Run} run */
export async function micro({ sizes, log }) {
  /** @type {MicroResult[]} */
  const results = []
  const files = readdirSync(DIRECTORY, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(SUFFIX))
    .sort()
  for (const file of files) {
    /** @type {{ default: AddCases }} */
    const module = await import(pathToFileURL(join(DIRECTORY, file)).href)
    /** @type {MicroCase[]} */
    const cases = []
    await module.default((each) => cases.push(each))
    for (const each of cases) {
      const result = measure(each, sizes.microSeconds)
      results.push({ source: file.slice(0, -SUFFIX.length), ...result })
      log(
        `micro ${file.slice(0, -SUFFIX.length)} ${each.name}: ${(result.perSecond / 1e6).toFixed(2)} M ${each.unit}/s ` +
          `± ${result.marginPercent.toFixed(1)} %`,
      )
    }
  }
  return results
}

/**
 * @param {MicroCase} micro
 * @param {number} maxTime seconds
 */
function measure({ name, perCall, unit, call }, maxTime) {
  const benchmark = new Benchmark(name, call, { maxTime, minSamples: 5 })
  benchmark.run({ async: false })
  // benchmark.js keeps errors to itself.
  const { error } = /** @type {{ error?: unknown }} */ (benchmark)
  if (error !== undefined) throw new Error(`the benchmark '${name}' failed`, { cause: error })
  return {
    name,
    unit,
    perSecond: benchmark.hz * perCall,
    marginPercent: benchmark.stats.rme,
    samples: benchmark.stats.sample.length,
  }
}
