/** The keys of the requests that a connection's decoder has found ahead: their lookups' cache misses overlap when they are touched together. */
import { ARGS_AHEAD_MAX, requestsAhead } from '@understudy/core/internal'
import type { KeyspaceReads } from '@understudy/core/internal'

/**
 * Tells the keyspace of them and has it touch what they need. The first argument is nearly always a key; of another one something is
 * touched that nobody needs. @param db the connection's
 */
export function touchRequests(keyspace: KeyspaceReads, db: number): void {
  const { lookupsAhead } = keyspace
  const { bytes, count, counts, ends, starts } = requestsAhead
  lookupsAhead.begin(bytes)
  for (let i = 0; i < count; i++) {
    const key = i * ARGS_AHEAD_MAX + 1
    if (counts[i]! > 1) lookupsAhead.add(starts[key]!, ends[key]!)
  }
  keyspace.touchAhead(db)
}
