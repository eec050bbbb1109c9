/**
 * What a server process costs: CPU seconds of all its threads and children, threads, resident memory. From /proc, in
 * steps of a clock tick (10 ms); on other systems every answer is undefined and reports say 'n/a'.
 *
 * proc(5): the times in /proc/<pid>/stat include threads that have ended and, in cutime/cstime, children that were
 * waited for; children that are still there are found by their parent's pid.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const SAMPLE_EVERY_MS = 25
const TICKS_PER_SECOND = clockTicks()

/**
 * @typedef {object} Usage
 * @property {number | undefined} cpuSeconds User and system, of the process, its threads and its children.
 * @property {number | undefined} threads The most that were seen at once.
 */

export class UsageMeter {
  #pid
  #startTicks
  #threads = 0
  #timer

  /** @param {number} pid Measured from now on; `fromStart` counts what it used before. */
  constructor(pid, { fromStart = false } = {}) {
    this.#pid = pid
    this.#startTicks = fromStart ? 0 : cpuTicks(pid)
    this.#sample()
    this.#timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS).unref()
  }

  /** @returns {Usage} */
  stop() {
    clearInterval(this.#timer)
    this.#sample()
    const ticks = cpuTicks(this.#pid)
    return {
      cpuSeconds:
        ticks === undefined || this.#startTicks === undefined
          ? undefined
          : (ticks - this.#startTicks) / TICKS_PER_SECOND,
      threads: this.#threads === 0 ? undefined : this.#threads,
    }
  }

  #sample() {
    this.#threads = Math.max(this.#threads, statusNumber(this.#pid, 'Threads') ?? 0)
  }
}

/**
 * CPU seconds of all children of this process that have ended so far: the difference around a client's run is what the client used.
 */
export function endedChildrenCpuSeconds() {
  const fields = statFields(process.pid)
  // cutime(16) cstime(17)
  return fields === undefined ? undefined : (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND
}

/**
 * Bytes resident now, of the process alone (its children share its pages).
 *
 * @param {number} pid
 */
export function residentBytes(pid) {
  const kilobytes = statusNumber(pid, 'VmRSS')
  return kilobytes === undefined ? undefined : kilobytes * 1024
}

/**
 * The most bytes that were ever resident.
 *
 * @param {number} pid
 */
export function peakResidentBytes(pid) {
  const kilobytes = statusNumber(pid, 'VmHWM')
  return kilobytes === undefined ? undefined : kilobytes * 1024
}

const MEMORY_EVERY_MS = 50

/** Samples the memory of a process with its children. */
export class MemoryMeter {
  #pid
  #timer
  #before
  #peak

  /** @param {number} pid */
  constructor(pid) {
    this.#pid = pid
    this.#before = familyBytes(pid)
    this.#peak = this.#before
    this.#timer = setInterval(() => this.#sample(), MEMORY_EVERY_MS).unref()
  }

  /** @returns {number | undefined} The most bytes that were seen, beyond those at the beginning. */
  stop() {
    clearInterval(this.#timer)
    this.#sample()
    return this.#peak === undefined || this.#before === undefined ? undefined : this.#peak - this.#before
  }

  #sample() {
    const bytes = familyBytes(this.#pid)
    if (bytes !== undefined && this.#peak !== undefined) this.#peak = Math.max(this.#peak, bytes)
  }
}

/**
 * Bytes resident of a process, and of its children those pages that are theirs alone: a page that parent and child shared belongs
 * to the child when the parent has written to it and so was given another one.
 *
 * @param {number} pid
 */
function familyBytes(pid) {
  const own = residentBytes(pid)
  if (own === undefined) return undefined
  let sum = own
  for (const child of (readProc(`${pid}/task/${pid}/children`) ?? '').split(' ')) {
    // Not asked of the parent: it would have to wait when it maps memory meanwhile.
    const parts = (readProc(`${child}/smaps_rollup`) ?? '').matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)
    for (const [, kilobytes] of parts) sum += Number(kilobytes) * 1024
  }
  return sum
}

/**
 * @param {number} pid
 * @param {string} field
 */
function statusNumber(pid, field) {
  const text = readProc(`${pid}/status`)
  const found = text === undefined ? null : new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)
  return found === null ? undefined : Number(found[1])
}

/** @param {number} pid */
function cpuTicks(pid) {
  const all = processes()
  const self = all.get(pid)
  if (self === undefined) return undefined
  let ticks = 0
  const open = [pid]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    ticks += all.get(next)?.ticks ?? 0
    for (const [child, { parent }] of all) if (parent === next) open.push(child)
  }
  return ticks
}

/** Every process: its parent, and its ticks with those of children it has waited for. */
function processes() {
  /** @type {Map<number, { parent: number, ticks: number }>} */
  const all = new Map()
  if (process.platform !== 'linux') return all
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statFields(Number(name))
    if (fields === undefined) continue
    // utime(14) stime(15) cutime(16) cstime(17)
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0)
    all.set(Number(name), { parent: Number(fields[1]), ticks })
  }
  return all
}

/**
 * proc(5), /proc/<pid>/stat, from the third field on: state ppid … The name in parentheses before them may hold anything.
 *
 * @param {number} pid
 */
function statFields(pid) {
  const text = readProc(`${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** @param {string} path */
function readProc(path) {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return undefined
  }
}

function clockTicks() {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
  } catch {
    return 100
  }
}
