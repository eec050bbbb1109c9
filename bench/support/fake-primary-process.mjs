/**
 * A primary that does nothing but send: the process behind fake-primary.mjs. It builds its streams before anybody
 * connects, answers the handshake with an empty snapshot, and then writes from memory as fast as the socket takes it. Each
 * replica is fed for itself.
 *
 * Each part of the stream is a row of turns, TURN_BYTES or a little more each. What is sent at once, a turn or a whole part,
 * ends with `REPLCONF GETACK *`; the clock runs from its first byte to the ACK that covers its last command. A replica's ACK
 * does not count the GETACK itself (seen on redis 7.0.15).
 *
 * IPC, this process:   ready { port, turns }   attached { feed }   done { feed, elapsedMs, cpuSeconds }   failed { message }
 * IPC, its owner:      send { feed, part, turn }
 */
import { createServer } from 'node:net'
import { buildParts } from './stream-parts.mjs'

/** Some tenths of a second: long beside the ACK at its end, short beside what a shared machine's other users do. */
const TURN_BYTES = 8 * 1024 * 1024
/** Large enough that a write costs little beside the copy into the kernel. */
const WRITE_BYTES = 4 * 1024 * 1024
/** Writes handed to the socket before one of them has ended. */
const WRITES_AHEAD = 2
const REPLID = '5eed'.repeat(10)
const GETACK = Buffer.from('*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n', 'latin1')
const SELECT = Buffer.from('*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n', 'latin1')
/** Version 10, no field, no key; a checksum of zeros says that there is none (redis 7.0 rdb.c rdbLoadRioWithLoadingCtx). */
const EMPTY_RDB = Buffer.concat([Buffer.from('REDIS0010', 'latin1'), Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0])])

/** @param {Record<string, unknown>} message */
function tell(message) {
  process.send?.(message)
}

process.on('disconnect', () => process.exit(0))
process.on('uncaughtException', (error) => {
  tell({ kind: 'failed', message: error.stack })
  process.exit(1)
})

/** By part and turn: slices of at most WRITE_BYTES, without the GETACK. */
const parts = buildParts(JSON.parse(process.argv[2] ?? '')).map((buffers, index) =>
  inTurns(index === 0 ? [SELECT, ...buffers] : buffers),
)

/** Those that follow the stream, in the order in which they came. @type {Feed[]} */
const feeds = []

/** @param {Buffer[]} buffers Whole commands each. */
function inTurns(buffers) {
  /** @type {Buffer[][]} */
  const turns = []
  let bytes = TURN_BYTES
  for (const buffer of buffers) {
    if (bytes >= TURN_BYTES) {
      turns.push([])
      bytes = 0
    }
    bytes += buffer.length
    for (let at = 0; at < buffer.length; at += WRITE_BYTES) turns.at(-1)?.push(buffer.subarray(at, at + WRITE_BYTES))
  }
  return turns
}

class Feed {
  #socket
  #input = ''
  #isAttached = false
  /** Stream offset behind everything sent. */
  #sentOffset = 0
  #awaitedOffset = -1
  #startedMs = 0
  #startedCpu = process.cpuUsage()
  /** Its place in `feeds`; -1: not one of them. */
  #index = -1

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#take(chunk.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#awaitedOffset >= 0) tell({ kind: 'failed', message: 'a replica closed the link while it was fed' })
    })
  }

  /** @param {Buffer[]} slices */
  send(slices) {
    this.#awaitedOffset = this.#sentOffset + slices.reduce((sum, slice) => sum + slice.length, 0)
    this.#sentOffset = this.#awaitedOffset + GETACK.length
    this.#startedCpu = process.cpuUsage()
    this.#startedMs = performance.now()
    let next = 0
    const sendNext = () => {
      const slice = slices[next++]
      if (slice !== undefined) this.#socket.write(slice, sendNext)
      else if (next === slices.length + 1) this.#socket.write(GETACK)
    }
    for (let i = 0; i < WRITES_AHEAD; i++) sendNext()
  }

  /** @param {string} text */
  #take(text) {
    this.#input += text
    for (let words = this.#nextCommand(); words !== undefined; words = this.#nextCommand()) this.#answer(words)
  }

  /** Inline or multibulk: replicas send both forms. */
  #nextCommand() {
    const lines = this.#input.split('\r\n')
    if (lines.length < 2) return undefined
    const first = lines[0] ?? ''
    if (!first.startsWith('*')) {
      this.#input = this.#input.slice(first.length + 2)
      return first.split(' ')
    }
    const used = 1 + Number(first.slice(1)) * 2
    if (lines.length <= used) return undefined
    this.#input = lines.slice(used).join('\r\n')
    return lines.slice(1, used).filter((_, index) => index % 2 === 1)
  }

  /** @param {string[]} words */
  #answer(words) {
    switch ((words[0] ?? '').toUpperCase()) {
      case 'PING':
        return void this.#socket.write('+PONG\r\n')
      case 'REPLCONF':
        if ((words[1] ?? '').toUpperCase() === 'ACK') return this.#acknowledged(Number(words[2]))
        return void this.#socket.write('+OK\r\n')
      case 'PSYNC':
        this.#index = feeds.push(this) - 1
        this.#socket.write(`+FULLRESYNC ${REPLID} 0\r\n$${EMPTY_RDB.length}\r\n`)
        return void this.#socket.write(EMPTY_RDB)
      default:
        return void this.#socket.write(`-ERR unknown command '${words[0]}'\r\n`)
    }
  }

  /** @param {number} offset */
  #acknowledged(offset) {
    if (this.#index < 0) return
    if (!this.#isAttached) {
      this.#isAttached = true
      tell({ kind: 'attached', feed: this.#index })
    }
    if (this.#awaitedOffset < 0 || offset < this.#awaitedOffset) return
    const elapsedMs = performance.now() - this.#startedMs
    const cpu = process.cpuUsage(this.#startedCpu)
    this.#awaitedOffset = -1
    tell({ kind: 'done', feed: this.#index, elapsedMs, cpuSeconds: (cpu.user + cpu.system) / 1e6 })
  }
}

// A connection is the replica's when it asks for the stream: others only ask a question (a replica's for INFO).
const server = createServer((socket) => void new Feed(socket))
process.on('message', (/** @type {{ feed: number, part: number, turn?: number }} */ { feed, part, turn }) => {
  const turns = parts[part] ?? []
  const replica = feeds[feed]
  if (replica === undefined) tell({ kind: 'failed', message: `no replica ${feed} is attached` })
  else replica.send(turn === undefined ? turns.flat() : (turns[turn] ?? []))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address !== 'object') return
  tell({ kind: 'ready', port: address.port, turns: parts.map((turns) => turns.length) })
})
