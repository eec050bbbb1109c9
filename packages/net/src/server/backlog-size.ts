/** `repl-backlog-size` as it is used: the ring has bounds that Redis' has not, and who asked for more is told. */
import { clampBacklogBytes, type Logger } from '@understudy/core/internal'

/** @returns bytes of the ring. Logs a warning when they are fewer than the directive says; a minimum Redis has, too, and says nothing of it */
export function usedBacklogBytes(wantedBytes: number, logger: Logger): number {
  const bytes = clampBacklogBytes(wantedBytes)
  if (bytes < wantedBytes) {
    logger.warning(`repl-backlog-size ${wantedBytes} is more than a backlog can have here: ${bytes} bytes are used`)
  }
  return bytes
}
