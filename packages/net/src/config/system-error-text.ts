/** The words that C's strerror() has for an errno: operators and scripts know them from Redis. */
import { getSystemErrorMap } from 'node:util'

/** `No such file or directory` for an error of `node:fs`; the message of any other error. */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { errno } = error as NodeJS.ErrnoException
  const text = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]
  return text === undefined ? error.message : text.charAt(0).toUpperCase() + text.slice(1)
}
