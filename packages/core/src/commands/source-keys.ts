/**
 * How many keys a command may read at once that keeps something on the JavaScript heap for each: a request of some megabytes can name
 * millions, and the heap, unlike the dataset, ends the process when it is full. Redis has no such bound, so what a primary did is done.
 */
import { tooManyKeys } from '../resp/error-replies.ts'
import type { ReadContext } from './command.ts'

const SOURCE_KEYS_MAX = 65_536

/** @returns true after the error reply. */
export function hasTooManyKeys({ fromPrimary, reply }: ReadContext, keys: number): boolean {
  if (keys <= SOURCE_KEYS_MAX || fromPrimary) return false
  reply.error(tooManyKeys(SOURCE_KEYS_MAX))
  return true
}
