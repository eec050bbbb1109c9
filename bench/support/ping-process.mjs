/**
 * A client that does nothing but PING, one at a time, in a process of its own: how long a server takes to answer is how long it
 * was held by something else. An error is an answer too (-LOADING).
 *
 * IPC, this process:   ready   phase { answers, longestMs, meanMs, buckets }   failed { message }
 * IPC, its owner:      phase (what came since the last one)
 */
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'

/** Between an answer and the next PING: what is shorter than this is noticed by chance only. */
const PAUSE_MS = 1
/** Upper bounds of the histogram, the last one open (ms). */
const BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 500, Number.POSITIVE_INFINITY]
const PING = Buffer.from('*1\r\n$4\r\nPING\r\n', 'latin1')

/** @param {Record<string, unknown>} message */
function tell(message) {
  process.send?.(message)
}

let counts = BUCKETS_MS.map(() => 0)
let answers = 0
let sumMs = 0
let longestMs = 0
let sentMs = 0

const socket = connect(Number(process.argv[2]), '127.0.0.1')
socket.setNoDelay(true)

function ping() {
  sentMs = performance.now()
  socket.write(PING)
}

socket.on('connect', () => {
  tell({ kind: 'ready' })
  ping()
})
socket.on('data', () => {
  const elapsedMs = performance.now() - sentMs
  answers++
  sumMs += elapsedMs
  longestMs = Math.max(longestMs, elapsedMs)
  const bucket = BUCKETS_MS.findIndex((bound) => elapsedMs <= bound)
  counts[bucket] = (counts[bucket] ?? 0) + 1
  setTimeout(ping, PAUSE_MS)
})
socket.on('error', (error) => tell({ kind: 'failed', message: error.message }))
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  // An answer that is still to come belongs to this phase as well: a hold that goes on has this length at least.
  longestMs = Math.max(longestMs, performance.now() - sentMs - PAUSE_MS)
  const buckets = BUCKETS_MS.map((bound, i) => [bound === Number.POSITIVE_INFINITY ? 'more' : `${bound} ms`, counts[i]])
  tell({ kind: 'phase', answers, longestMs, meanMs: answers === 0 ? 0 : sumMs / answers, buckets })
  counts = BUCKETS_MS.map(() => 0)
  answers = 0
  sumMs = 0
  longestMs = 0
})
