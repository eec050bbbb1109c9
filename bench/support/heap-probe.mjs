/**
 * Preloaded into an Understudy under test (`node --import`), and by Node also into every worker thread of it: tells how
 * large the JavaScript heap is, summed over all threads, after a collection in each of them. The product itself needs
 * no code for this, and runs that are timed do not carry it.
 *
 *   SIGUSR2 ─► main thread ─ BroadcastChannel 'collect' ─► every worker: gc(), heap ─► main thread prints one line
 *
 * Threads that are busy do not answer; so the line says how many did, and the measurement waits until workers rest.
 */
import { setFlagsFromString, getHeapStatistics } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BroadcastChannel, isMainThread } from 'node:worker_threads'

/** Time for the workers to collect and answer. */
const ANSWERS_MS = 1500
/** Objects that hold buffers of others go in the second round, and their pages in the third. */
const COLLECTIONS = 3

const channel = new BroadcastChannel('understudy-bench-heap')

function collectAndMeasure() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  for (let i = 0; i < COLLECTIONS; i++) collect()
  const { used_heap_size: heapUsed, external_memory: external } = getHeapStatistics()
  return { heapUsed, external }
}

if (isMainThread) {
  process.on('SIGUSR2', () => {
    const sum = { threads: 1, ...collectAndMeasure() }
    channel.onmessage = (event) => {
      const { data } = /** @type {{ data: { heapUsed: number, external: number } }} */ (event)
      sum.threads++
      sum.heapUsed += data.heapUsed
      sum.external += data.external
    }
    channel.postMessage('collect')
    setTimeout(() => process.stdout.write(`heap-probe ${JSON.stringify(sum)}\n`), ANSWERS_MS)
  })
} else {
  // Answers of other workers come here too.
  channel.onmessage = (event) => {
    const { data } = /** @type {{ data: unknown }} */ (event)
    if (data === 'collect') channel.postMessage(collectAndMeasure())
  }
}
// After onmessage: setting it takes a reference.
channel.unref()
