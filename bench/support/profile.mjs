/** Where the time of a profiled server went: functions by self time, from the files that `node --cpu-prof` leaves. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const SHOWN = 28
const NOT_WORK = new Set(['(idle)', '(root)'])

/**
 * @typedef {object} CpuProfile
 * @property {{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }[]} nodes
 * @property {number[]} samples
 * @property {number[]} timeDeltas Microseconds.
 */

/**
 * One table per thread that worked, over all servers profiled.
 *
 * @param {string} directory
 */
export function profileText(directory) {
  /** @type {Map<string, Map<string, number>>} */
  const threads = new Map()
  for (const file of readdirSync(directory)) {
    // CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile; the main thread is 0.
    const thread = file.split('.')[4] === '0' ? 'main thread' : 'workers'
    const selfMs = threads.get(thread) ?? new Map()
    threads.set(thread, selfMs)
    addSelfTimes(JSON.parse(readFileSync(join(directory, file), 'utf8')), selfMs)
  }
  return [...threads].map(([thread, selfMs]) => section(thread, selfMs)).join('\n')
}

/**
 * @param {CpuProfile} profile
 * @param {Map<string, number>} selfMs
 */
function addSelfTimes({ nodes, samples, timeDeltas }, selfMs) {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      url === '' ? functionName : `${functionName || '(anonymous)'}  ${basename(url)}:${lineNumber + 1}`,
    ]),
  )
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? '?'
    selfMs.set(name, (selfMs.get(name) ?? 0) + (timeDeltas[i] ?? 0) / 1000)
  }
}

/**
 * @param {string} thread
 * @param {Map<string, number>} selfMs
 */
function section(thread, selfMs) {
  const work = [...selfMs].filter(([name]) => !NOT_WORK.has(name)).sort(([, a], [, b]) => b - a)
  const total = work.reduce((sum, [, ms]) => sum + ms, 0)
  const lines = work
    .slice(0, SHOWN)
    .map(([name, ms]) => `  ${((ms / total) * 100).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(6)} ms  ${name}`)
  return [
    `${thread}: ${total.toFixed(0)} ms of work, ${(selfMs.get('(idle)') ?? 0).toFixed(0)} ms idle`,
    ...lines,
  ].join('\n')
}
