/** Understudy itself for a test: the shipped executable with plain node, in a process of its own. */
import { fileURLToPath } from 'node:url'
import { type Directives, TestServer, type TestServerOptions } from './test-server.ts'

export const UNDERSTUDY_BIN: string = fileURLToPath(new URL('../../packages/net/bin/understudy.js', import.meta.url))

/** I/O threads of every server that a test starts without saying how many: the suite is to pass with several, too. */
const { UNDERSTUDY_TEST_IO_THREADS: IO_THREADS } = process.env

const DEFAULTS: Directives = {
  bind: '127.0.0.1',
  save: '',
  'enable-debug-command': 'yes',
  // Both only wait: for more replicas to come, and for replicas that are about to end as well.
  'repl-diskless-sync-delay': 0,
  'shutdown-timeout': 0,
  ...(IO_THREADS === undefined ? {} : { 'io-threads': IO_THREADS }),
}

export interface UnderstudyOptions extends TestServerOptions {
  /** Arguments of node itself, as in ['--expose-gc']. */
  readonly nodeArgs?: readonly string[]
}

/**
 * Starts Understudy on a free port of 127.0.0.1 and waits until it is ready. Same shape as `startRedisServer`.
 *
 *   const replica = await startUnderstudy({ directives: { replicaof: ['127.0.0.1', primary.port] } })
 *   await replica.stop() // SIGTERM; throws unless the exit code is 0
 */
export function startUnderstudy(options: UnderstudyOptions = {}): Promise<TestServer> {
  const leadingArgs = [...(options.nodeArgs ?? []), UNDERSTUDY_BIN]
  return TestServer.start({ name: 'understudy', command: process.execPath, leadingArgs, defaults: DEFAULTS }, options)
}
