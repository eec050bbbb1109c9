/**
 * The replica of every-reader.soak.ts: Understudy embedded in a process that reads it from two threads of its own as well. Takes the
 * directives of the executable; what else it is to know comes as JSON in UNDERSTUDY_SOAK_NODE:
 *
 *   { seed, restMs: between two reads of a thread,
 *     timesUnits: tell how long the longest unit of the stream (a command or group) took,
 *     skipValidation: boolean, counters: what to overwrite in the writer's counters; for the test of the test }
 *
 * Every second a line says how many commands it has applied. A line 'impossible: ' tells of the first thing that a thread must not see.
 * SIGTERM ends it; the last line is 'threads: ' and what they have seen, as JSON.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { startEmbedded } from '../../scripts/embedded-server.mjs'

const THREADS = 2
const TELL_MS = 1000
const { seed, restMs, timesUnits, skipValidation, counters } = JSON.parse(process.env['UNDERSTUDY_SOAK_NODE'] ?? '{}')

const server = await startEmbedded(process.argv.slice(2))
while (!server.link.getStatus().isUp) await sleep(10)

const stop = new SharedArrayBuffer(8)
const results = Array.from({ length: THREADS }, async (_, i) => {
  const handle = server.readers.attach()
  const workerData = { handle, seed: seed + i, skipValidation, widen: false, widened: false, stop, restMs }
  const worker = new Worker(new URL('./reads-reader.mjs', import.meta.url), { workerData, transferList: [handle.port] })
  const [result] = await once(worker, 'message')
  if (result.failures > 0) console.log(`impossible: ${result.firstFailure}`)
  return result
})
Object.assign(server.keyspace.counters, counters)
let longestUnitMs = 0
if (timesUnits) {
  const writer = server.keyspace.counters
  const begin = writer.begin.bind(writer)
  const end = writer.end.bind(writer)
  let beganMs = 0
  writer.begin = () => {
    begin()
    beganMs = performance.now()
  }
  writer.end = () => {
    end()
    longestUnitMs = Math.max(longestUnitMs, performance.now() - beganMs)
  }
}
console.log('threads are reading')

setInterval(() => {
  const { isUp, waiting, counters } = server.link.getStatus()
  const isInStep = isUp && waiting.bytes === 0
  const facts = {
    atMs: performance.now(),
    commands: server.applier.count,
    isInStep,
    syncs: counters.fullResyncs,
    longestUnitMs,
  }
  console.log(`applied: ${JSON.stringify(facts)}`)
}, TELL_MS).unref()

process.once('SIGTERM', () => {
  Atomics.store(new Int32Array(stop), 0, 1)
  void Promise.all(results).then(async (seen) => {
    await server.stop()
    process.stdout.write(`threads: ${JSON.stringify(seen)}\n`, () => process.exit(0))
  })
})
