/**
 * One turn of a connection: runs the commands that its decoder holds, bounded in time and bytes, so that all replies leave
 * in one write. What running a command means is the connection's own (`Connection.runCommand`).
 */
import { COMMAND, EMPTY_REQUEST, NEED_MORE } from '@understudy/core/internal'
import type { Connection } from './connection.ts'
import {
  CLIENT_CLOSE_AFTER_REPLY,
  CLIENT_DROPPED_REPLIES,
  CLIENT_INPUT_ENDED,
  CLIENT_STOPPED,
  CLIENT_SUSPENDED,
  CLIENT_UNAUTHENTICATED,
} from './connection-flags.ts'

/** Replies beyond this are sent before the turn is over, so that the shared slab stays small. */
const FLUSH_BYTES: number = 192 * 1024

/** Runs what the connection's decoder holds, as far as this turn allows, and sends the replies. */
export function runCommands(session: Connection): void {
  const { host, decoder, reply, settings } = session
  host.current = session
  reply.resp = session.resp
  reply.discardReplies = (session.flags & CLIENT_DROPPED_REPLIES) !== 0
  session.nowMs = host.clock.wallMs()
  const { meter } = host
  meter.start()
  const beganMs = meter.nowMs
  const turnEndMs = beganMs + settings.turnMsMax - session.turnMs
  let heldBytes = 0
  while ((session.flags & CLIENT_STOPPED) === 0) {
    decoder.authRequired = (session.flags & CLIENT_UNAUTHENTICATED) !== 0
    decoder.findsEmpty = session.mindsEmpty
    if (decoder.aheadCount === 0 && decoder.lookAhead() > 1) host.touchAhead(session)
    const found = decoder.next()
    if (found === COMMAND) session.runCommand()
    else if (found === EMPTY_REQUEST) session.emptyRequest()
    else if (found === NEED_MORE) {
      const held = session.heldInput.take()
      if (held === undefined) break
      decoder.feed(held)
      heldBytes += held.length
      // Also a part of a long argument takes its time.
      if (heldBytes > settings.turnBytesMax) suspend(session)
    } else {
      session.failProtocol()
      break
    }
    if (reply.length > FLUSH_BYTES) {
      session.flush()
      session.holdsUpForOutput()
    }
    if (meter.nowMs > turnEndMs && (decoder.hasMore || session.heldInput.byteLength > 0)) suspend(session)
  }
  meter.settle()
  host.forgetAhead()
  host.current = undefined
  session.flush()
  reply.discardReplies = false
  if (session.turnBytes > 0) session.turnMs += meter.nowMs - beganMs
  if ((session.flags & CLIENT_STOPPED) !== 0) stopped(session)
  else if ((session.flags & CLIENT_INPUT_ENDED) !== 0) session.finishInput()
  else if (session.holdsUpForOutput()) session.socket.pause()
  session.commandsDone()
}

function stopped(session: Connection): void {
  if ((session.flags & CLIENT_CLOSE_AFTER_REPLY) !== 0) session.closeAfterReply()
  else if ((session.flags & CLIENT_INPUT_ENDED) !== 0 && session.waits) session.giveUp()
  else if (!session.waits) session.socket.pause()
  // A client that waits is read from, though nothing runs: its end would not be noticed else.
  else session.socket.resume()
}

function suspend(session: Connection): void {
  if ((session.flags & CLIENT_SUSPENDED) !== 0) return
  session.flags |= CLIENT_SUSPENDED
  session.host.runLater(session)
}
