/** What an error of `node:fs` says: its code, and the words C's strerror() has for it, known to operators from Redis. */
import { getSystemErrorMap } from 'node:util'

/** `ENOENT` for an error of the system; undefined for any other. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** `No such file or directory` for an error of the system; the message of any other. */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const errno = 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined
  const text = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]
  return text === undefined ? error.message : text.charAt(0).toUpperCase() + text.slice(1)
}
