import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import {
  endedChildrenCpuSeconds,
  peakResidentBytes,
  residentBytes,
  UsageMeter,
} from '../../bench/support/process-usage.mjs'

/** Burns CPU in a worker thread and in a child, none in its own thread. */
const PROGRAM = `
  const { Worker } = require('node:worker_threads')
  const burn = 'const end = Date.now() + 400; while (Date.now() < end);'
  const worker = new Worker(burn, { eval: true })
  const child = require('node:child_process').spawn(process.execPath, ['-e', burn])
  let left = 2
  const done = () => { if (--left === 0) { console.log('done'); setInterval(() => {}, 1000) } }
  worker.on('exit', done)
  child.on('exit', done)
`

test.runIf(process.platform === 'linux')('threads and children count, also those that have ended', async () => {
  const child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const meter = new UsageMeter(child.pid ?? 0, { fromStart: true })
    await once(child.stdout, 'data')
    const { cpuSeconds, threads } = meter.stop()
    // 0.8 s were spent if nobody else wanted the cores; how much of it was had depends on them.
    expect(cpuSeconds).toBeGreaterThan(0.2)
    expect(cpuSeconds).toBeLessThan(3)
    expect(threads).toBeGreaterThan(1)
    const resident = residentBytes(child.pid ?? 0) ?? 0
    expect(resident).toBeGreaterThan(10 * 2 ** 20)
    expect(peakResidentBytes(child.pid ?? 0)).toBeGreaterThanOrEqual(resident)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a process that is not there has no usage', () => {
  const usage = new UsageMeter(2 ** 30).stop()
  expect(usage).toEqual({ cpuSeconds: undefined, threads: undefined })
})

test.runIf(process.platform === 'linux')('what a client used is told when it has ended', async () => {
  const before = endedChildrenCpuSeconds() ?? Number.NaN
  const child = spawn(process.execPath, ['-e', 'while (process.cpuUsage().user < 300_000);'])
  await once(child, 'exit')
  const used = (endedChildrenCpuSeconds() ?? Number.NaN) - before
  expect(used).toBeGreaterThanOrEqual(0.3)
  expect(used).toBeLessThan(3)
})
