/**
 * Replies are those of redis 7.0, byte for byte. A test that compares them with a redis-server takes its `it` from here: with a server
 * of another release it is skipped.
 *
 *   import { itOfReference as it } from '../support/reference.ts'
 */
import { it } from 'vitest'
import { comparesReplies } from './redis-server.ts'

export const itOfReference: typeof it.skip = it.runIf(await comparesReplies())
