/** Fills a redis-server with commands that are prebuilt, as fast as it takes them; their replies are not looked at. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { within } from './deadline.mjs'

const TIMEOUT_MS = 300_000
/** The reply to the PING behind each buffer: all before it have been carried out. No other reply ends like it. */
const PONG = '+PONG\r\n'

/**
 * @param {number} port
 * @param {Iterable<Buffer>} commands Whole commands in each.
 */
export async function fill(port, commands) {
  await within(sendAll(port, commands), TIMEOUT_MS, 'the end of the filling')
}

/**
 * @param {number} port
 * @param {Iterable<Buffer>} commands
 */
async function sendAll(port, commands) {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const replies = { tail: '', isClosed: false, wake: () => {} }
  socket.on('data', (chunk) => {
    replies.tail = (replies.tail + chunk.toString('latin1', Math.max(0, chunk.length - PONG.length))).slice(
      -PONG.length,
    )
    replies.wake()
  })
  socket.on('close', () => {
    replies.isClosed = true
    replies.wake()
  })
  for (const buffer of commands) {
    replies.tail = ''
    socket.write(buffer)
    socket.write('PING\r\n')
    while (replies.tail !== PONG) {
      if (replies.isClosed) throw new Error('redis-server closed the connection while it was filled')
      await new Promise((/** @type {(value?: unknown) => void} */ resolve) => (replies.wake = () => resolve()))
    }
  }
  socket.destroy()
}
