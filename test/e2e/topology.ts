/** Primaries and replicas of one test: started by a word, connected, and ended with the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { FakePrimary, type FakePrimaryOptions } from '../support/fake-primary.ts'
import { startRedisServer } from '../support/redis-server.ts'
import type { Directives, TestServer, TestServerOptions } from '../support/test-server.ts'
import { startUnderstudy, type UnderstudyOptions } from '../support/understudy-server.ts'
import { waitFor, type WaitOptions } from '../support/wait-for.ts'

/** For primaries of whom nothing but what a test writes may come: a PING between two looks at an offset moves it. */
export const NO_PINGS: Directives = { 'repl-ping-replica-period': 3600 }

/** Called after the test, last ones first. */
export function later(cleanup: () => Promise<unknown> | void): void {
  onTestFinished(async () => void (await cleanup()))
}

/** A directory for servers that come and go; removed after the test. */
export async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
  later(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A real redis-server. */
export async function startPrimary(
  directives: Directives = {},
  options: Omit<TestServerOptions, 'directives'> = {},
): Promise<TestServer> {
  const server = await startRedisServer({ ...options, directives })
  later(() => server.kill())
  return server
}

/** Understudy, following nobody. */
export async function startNode(
  directives: Directives = {},
  options: Omit<UnderstudyOptions, 'directives'> = {},
): Promise<TestServer> {
  const server = await startUnderstudy({ ...options, directives })
  later(() => server.kill())
  return server
}

/** Understudy that follows `primary`; returns when the link is up unless told otherwise. */
export async function startReplica(
  primary: { readonly port: number },
  directives: Directives = {},
  options: Omit<TestServerOptions, 'directives'> & { readonly wait?: boolean } = {},
): Promise<TestServer> {
  const { wait = true, ...rest } = options
  const server = await startNode({ replicaof: ['127.0.0.1', primary.port], ...directives }, rest)
  if (wait) await linkIs(server, 'up')
  return server
}

export async function startFakePrimary(options: FakePrimaryOptions = {}): Promise<FakePrimary> {
  const primary = await FakePrimary.start(options)
  later(() => primary.stop())
  return primary
}

export async function linkIs(replica: TestServer, status: 'up' | 'down', options: WaitOptions = {}): Promise<void> {
  await waitFor(
    `master_link_status to be ${status}`,
    async () => (await replica.info('replication'))['master_link_status'] === status,
    { timeoutMs: 20_000, ...options },
  )
}

/** Until INFO of `server` shows this value in this field. */
export async function infoIs(
  server: TestServer,
  field: string,
  value: string,
  options: WaitOptions = {},
): Promise<void> {
  await waitFor(
    `${field} to be ${value}`,
    async () => {
      const found = (await server.info())[field]
      if (found !== value) throw new Error(`it is ${String(found)}`)
      return true
    },
    options,
  )
}

/** Until a command here answers this. */
export async function answers(
  server: TestServer,
  args: readonly (string | number)[],
  expected: unknown,
): Promise<void> {
  const wanted = JSON.stringify(expected)
  await waitFor(`${args.join(' ')} to answer ${wanted}`, async () => {
    const found = JSON.stringify(await server.call(...args))
    if (found !== wanted) throw new Error(`it is ${found}`)
    return true
  })
}

/** The primary's stream is applied here, all of it. */
export async function caughtUp(primary: TestServer, replica: TestServer): Promise<void> {
  const offset = (await primary.info('replication'))['master_repl_offset']!
  await waitFor(`offset ${offset}`, async () => {
    const info = await replica.info('replication')
    if (Number(info['slave_repl_offset']) < Number(offset)) throw new Error(`it is at ${info['slave_repl_offset']}`)
    return true
  })
}
