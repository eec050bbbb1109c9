/** What the log of a node tells of commands of the stream that it could not apply. */

const NOT_APPLIED = /CRITICAL|was not applied/
/** What a redis-server estimates a group to have read may come out below -1; it tells its replicas, and they refuse it, stock ones too. */
const REFUSED_BY_REDIS = /ENTRIESREAD must be positive/

/** Without what a stock replica refuses as well. */
export function unappliedLines(lines: readonly string[]): string[] {
  return lines.filter((line) => NOT_APPLIED.test(line) && !REFUSED_BY_REDIS.test(line))
}
