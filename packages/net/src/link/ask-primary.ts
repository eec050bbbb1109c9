/**
 * One question to the primary, on a connection of its own beside the link: connects, authenticates as the link does, asks, and
 * ends. It changes nothing at the primary.
 */
import { encodeRequest, LinkError } from '@understudy/core/internal'
import type { ReplicaLinkConfig } from './replica-link-ports.ts'
import { PrimaryConnection } from './transport.ts'

/** INFO of a primary with thousands of databases and replicas stays below it. */
const REPLY_BYTES_MAX: number = 1 << 20
const RECEIVE_BYTES = 16_384
const DOLLAR = 36
const MINUS = 45
const PLUS = 43

/**
 * @param words a command that is answered with a bulk string
 * @returns its content, one character per byte
 * @throws LinkError (rejects) when there is no answer within `timeoutMs`, or the primary refuses; what `PrimaryConnection` throws
 */
export function askPrimary(
  config: ReplicaLinkConfig,
  target: { readonly host: string; readonly port: number },
  words: readonly string[],
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const view = new Uint8Array(RECEIVE_BYTES)
    const end = (outcome: string | LinkError): void => {
      clearTimeout(timer)
      connection.close()
      if (typeof outcome === 'string') resolve(outcome)
      else reject(outcome)
    }
    const fail = (message: string): void => end(new LinkError('LINK_CLOSED', message))
    const { sourceAddress, disableNoDelay, tls, handshake } = config
    const options = { ...target, sourceAddress, disableNoDelay, ...(tls === undefined ? {} : { tls }) }
    const connection = new PrimaryConnection(options, {
      connected: () => {
        const { user, password } = handshake
        if (password.length > 0) {
          connection.send(user.length > 0 ? encodeRequest('AUTH', user, password) : encodeRequest('AUTH', password))
        }
        connection.send(encodeRequest(...words))
      },
      view: () => view,
      received: (count) => {
        received = Buffer.concat([received, view.subarray(0, count)])
        if (received.length > REPLY_BYTES_MAX) {
          fail(`the answer is longer than ${REPLY_BYTES_MAX} bytes`)
          return false
        }
        const answer = bulkReply(received)
        if (answer === undefined) return true
        end(answer)
        return false
      },
      ended: fail,
    })
    // Behind the connection, which may not come about: what ends it would look for it.
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs)
  })
}

/** The first bulk string, behind status replies; an error reply as an error; undefined: more has to come. */
function bulkReply(bytes: Buffer): string | LinkError | undefined {
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const line = bytes.toString('latin1', at + 1, lineEnd)
    switch (bytes[at]) {
      case PLUS:
        at = lineEnd + 2
        break
      case DOLLAR: {
        const start = lineEnd + 2
        const length = Number(line)
        if (!Number.isSafeInteger(length) || length < 0) return new LinkError('LINK_CLOSED', 'it has no answer')
        return start + length <= bytes.length ? bytes.toString('latin1', start, start + length) : undefined
      }
      case MINUS:
        return new LinkError('LINK_CLOSED', line)
      default:
        return new LinkError('LINK_CLOSED', 'the answer is no string')
    }
  }
}
