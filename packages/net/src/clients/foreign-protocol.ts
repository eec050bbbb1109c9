/**
 * Somebody sends HTTP: most likely a web page that has its visitor's browser post to this port, with commands in the body.
 * The first line of such a request, or its Host header, ends the connection before any of them runs.
 *
 * Source: redis 7.0 networking.c securityWarningCommand().
 */
import { argIs } from '@understudy/core/internal'
import type { Clock, CommandArgs, Logger } from '@understudy/core/internal'
import type { Connection } from './connection.ts'

/** Whoever tries often must not fill the log. */
const WARNING_EVERY_MS = 60_000

/** Is this name of a command a line of HTTP? */
export function isHttp(args: CommandArgs): boolean {
  return argIs(args, 0, 'POST') || argIs(args, 0, 'HOST:')
}

export class ForeignProtocol {
  readonly #clock: Clock
  readonly #logger: Logger
  #warnedAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Ends a connection without a reply. */
  refuse(connection: Connection): void {
    connection.kill()
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#warnedAtMs <= WARNING_EVERY_MS) return
    this.#warnedAtMs = nowMs
    this.#logger.warning(
      'Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely ' +
        'due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.',
    )
  }
}
