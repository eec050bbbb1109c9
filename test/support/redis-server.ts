/** A stock redis-server for a test: a real primary, replica or scratch server. Where the binary comes from: scripts/. */
import { findRedis, isReferenceRelease, type RedisBinaries } from '../../scripts/redis-server.mjs'
import { type Directives, TestServer, type TestServerOptions } from './test-server.ts'

let found: Promise<RedisBinaries> | undefined

/** The binaries and their version; looked for once. @throws RedisMissingError with one line that says what to do. */
export function redisBinaries(): Promise<RedisBinaries> {
  found ??= findRedis()
  return found
}

/** For tests in files that have others: see `REPLY_TESTS` in vitest.config.ts. */
export async function comparesReplies(): Promise<boolean> {
  return isReferenceRelease(await redisBinaries())
}

/** RDB version of the release of redis-server, as far as it decides the form of DEBUG DIGEST. */
export async function digestRdbVersion(): Promise<number> {
  return (await comparesReplies()) ? 10 : 11
}

const DEFAULTS: Directives = {
  bind: '127.0.0.1',
  save: '',
  'enable-debug-command': 'yes',
  // Both only wait: for more replicas to come, and for replicas to catch up before the end.
  'repl-diskless-sync-delay': 0,
  'shutdown-timeout': 0,
}

/**
 * Starts a redis-server on a free port of 127.0.0.1 in a directory of its own and waits until it is ready.
 *
 *   const primary = await startRedisServer({ directives: { 'repl-diskless-sync': 'no' } })
 *   await primary.call('SET', 'k', 'v')
 *   await primary.stop()
 */
export async function startRedisServer(options?: TestServerOptions): Promise<TestServer> {
  const { server } = await redisBinaries()
  return TestServer.start({ name: 'redis-server', command: server, leadingArgs: [], defaults: DEFAULTS }, options)
}
