/**
 * The connections of every-reader.soak.ts, in a thread of their own, so that the writer has another. They take turns to ask, each for
 * one thing or for several at once, so many times a second; two ask for the whole of the huge list again and again. What comes is
 * judged in its bytes (every-reader-requests.mjs, rotation-bytes.mjs).
 *
 *   workerData   { port, seed }
 *   to it        'begin', 'stop'
 *   from it      'ready'; { failure } as soon as there is one; behind 'stop' { reads: by kind, longestMs, late }
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { clockRequest, command, otherRequest, selectRequest, shapeRequest } from './every-reader-requests.mjs'
import { HUGE_SIZE, KINDS } from './every-reader-shapes.mjs'
import { ReplyBytes } from './reply-bytes.mjs'
import { RotationBytes } from './rotation-bytes.mjs'
import { xorshift } from './xorshift.mjs'

const CONNECTIONS = 200
/** Of them, those that read the whole of the huge list. */
const HUGE_READERS = 2
/** Between two reads of it by one connection. */
const HUGE_PAUSE_MS = 5000
/** Every eighth of the others reads database 1, which has the values of reads-shapes.mjs only. */
const OTHER_DB_EVERY = 8
/** How often one of the others asks. */
const ASKED_PER_SECOND = 1000
const TICK_MS = 5
const TIMEOUT_MS = 30_000
const LATE_MS = 50
const LRANGE_HUGE = command('LRANGE', 'huge', '0', '-1')

const random = xorshift(workerData.seed)
/** By kind. @type {Record<string, number>} */
const reads = {}
/** From asking to the last reply, in this thread, which shares the processors with all the others. */
let longestMs = 0
/** How often that was longer than LATE_MS. */
let late = 0
let isStopping = false
/** All sockets read into it: whoever is given bytes copies what it keeps. */
const received = Buffer.alloc(64 * 1024)

/** @param {unknown} error */
function fail(error) {
  if (!isStopping) parentPort?.postMessage({ failure: error instanceof Error ? error.message : String(error) })
}

/** What is wrong, also where looking at it ended with an error. @param {() => string | undefined} wrong */
function attempt(wrong) {
  try {
    return wrong()
  } catch (error) {
    return String(error)
  }
}

/** Asks by a socket of its own, again when all has come. */
class Asker {
  /** When it asked for what has not come; 0: all has. */
  askedMs = 0
  #socket

  /** @param {(bytes: Buffer) => boolean} take Is given what comes. @returns that it was the last of what was asked for. */
  constructor(take) {
    const callback = (/** @type {number} */ bytes) => {
      try {
        if (take(received.subarray(0, bytes))) this.askedMs = 0
      } catch (error) {
        fail(error)
      }
      return true
    }
    this.#socket = connect({ host: '127.0.0.1', port: workerData.port, onread: { buffer: received, callback } })
    this.#socket.setNoDelay(true)
    this.#socket.on('error', fail)
    this.#socket.on('close', () => fail('a connection was closed'))
  }

  /** @param {string} text */
  ask(text) {
    this.askedMs = performance.now()
    this.#socket.write(text, 'latin1')
  }

  close() {
    this.#socket.destroy()
  }
}

/** Reads everything but the huge list. */
class Reader {
  asker = new Asker((bytes) => this.#take(bytes))
  #db
  #replies = new ReplyBytes()
  #seen = { clock: 0 }
  /** @type {import('./every-reader-requests.mjs').Request[]} */
  #requests

  /** @param {number} index */
  constructor(index) {
    this.#db = index % OTHER_DB_EVERY === 0 ? 1 : 0
    this.#requests = [selectRequest(this.#db)]
    this.#ask()
  }

  read() {
    const count = random(5) === 0 ? 4 : 1
    this.#requests = Array.from({ length: count }, () =>
      this.#db === 0 && random(10) < 3 ? otherRequest(random) : shapeRequest(random),
    )
    if (this.#db === 0) this.#requests.push(clockRequest(this.#seen))
    this.#ask()
  }

  #ask() {
    this.#replies.expect(this.#requests.reduce((sum, { replies }) => sum + replies, 0))
    this.asker.ask(this.#requests.map(({ text }) => text).join(''))
  }

  /** @param {Buffer} bytes */
  #take(bytes) {
    if (!this.#replies.take(bytes)) return false
    const tookMs = performance.now() - this.asker.askedMs
    longestMs = Math.max(longestMs, tookMs)
    if (tookMs > LATE_MS) late++
    for (const { kind, wrong } of this.#requests) {
      const text = attempt(() => wrong(this.#replies))
      if (text !== undefined) throw new Error(`${kind} in database ${this.#db}: ${text}`)
      reads[kind] = (reads[kind] ?? 0) + 1
    }
    return true
  }
}

/** Reads the whole of the huge list. */
class HugeReader {
  asker = new Asker((bytes) => this.#take(bytes))
  #list = new RotationBytes(HUGE_SIZE)
  #restsUntilMs = 0

  read() {
    if (performance.now() < this.#restsUntilMs) return
    this.#list.expect()
    this.asker.ask(LRANGE_HUGE)
  }

  /** @param {Buffer} bytes */
  #take(bytes) {
    if (!this.#list.take(bytes)) return false
    if (!this.#list.isEmpty) reads['huge'] = (reads['huge'] ?? 0) + 1
    this.#restsUntilMs = performance.now() + HUGE_PAUSE_MS
    return true
  }
}

const huge = Array.from({ length: HUGE_READERS }, () => new HugeReader())
const readers = Array.from({ length: CONNECTIONS - HUGE_READERS }, (_, i) => new Reader(i))
const all = [...huge, ...readers]
/** @type {NodeJS.Timeout | undefined} */
let ticks

function begin() {
  let next = 0
  let dueMs = performance.now()
  ticks = setInterval(() => {
    const nowMs = performance.now()
    for (const reader of huge) if (reader.asker.askedMs === 0) reader.read()
    // Who has not been answered is passed over, and does not ask twice afterwards.
    for (; dueMs < nowMs; dueMs += 1000 / ASKED_PER_SECOND) {
      const reader = readers[next++ % readers.length]
      if (reader?.asker.askedMs === 0) reader.read()
    }
    const isForgotten = all.some(({ asker: { askedMs } }) => askedMs !== 0 && nowMs - askedMs > TIMEOUT_MS)
    if (isForgotten) fail(`a connection waited ${TIMEOUT_MS} ms for a reply`)
  }, TICK_MS)
}

/** Where processors are busy, some of it comes late. */
async function allKindsRead() {
  const deadline = performance.now() + TIMEOUT_MS
  while (KINDS.some((kind) => reads[kind] === undefined) && performance.now() < deadline) await sleep(10)
}

async function allAnswered() {
  while (all.some(({ asker }) => asker.askedMs !== 0)) await sleep(10)
}

parentPort?.on('message', (order) => {
  if (order === 'begin') return begin()
  void allKindsRead().then(async () => {
    clearInterval(ticks)
    await allAnswered()
    isStopping = true
    for (const { asker } of all) asker.close()
    parentPort?.postMessage({ reads, longestMs, late })
    parentPort?.close()
  })
})

await allAnswered()
parentPort?.postMessage('ready')
