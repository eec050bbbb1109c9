import { type LaggingReplica, Shutdown, Config } from '@understudy/net/internal'
import { expect, it, vi } from 'vitest'
import { embeddedServer } from '../../support/embedded-server.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const REQUEST = { save: 'no', now: false, force: false } as const

/** A shutdown with one replica below, and everything it ordered. */
class Bench {
  readonly clock = new FakeClock()
  readonly config = new Config({ dir: '/' })
  readonly orders: string[] = []
  readonly log: string[] = []
  readonly replica = { isOnline: true, ackOffset: 90, ackAtMs: this.clock.monotonicMs() }
  replicas: LaggingReplica[] = [{ name: '10.0.0.1:7001', stateName: 'online', machine: this.replica }]
  saves = true
  readonly shutdown: Shutdown

  constructor(timeoutSeconds = 10) {
    this.config.assign('shutdown-timeout', timeoutSeconds)
    const write = (line: string): number => this.log.push(line)
    this.shutdown = new Shutdown({
      config: this.config,
      clock: this.clock,
      logger: { debug: write, verbose: write, notice: write, warning: write },
      replicas: () => this.replicas,
      offset: () => 100,
      holdWrites: (held) => this.orders.push(held ? 'hold writes' : 'let writes go'),
      hasDataset: () => true,
      save: () => {
        this.orders.push('save')
        return this.saves
      },
      end: () => this.orders.push('end'),
    })
  }

  begin(request: Parameters<Shutdown['begin']>[0] = REQUEST, name = 'cancelled'): string {
    return this.shutdown.begin(request, () => this.orders.push(name))
  }
}

it('waits for replicas, holds writes back meanwhile, and ends when the last one has everything', () => {
  const bench = new Bench()
  expect(bench.begin()).toBe('waiting')
  expect(bench.begin({ ...REQUEST, now: true }, 'second')).toBe('waiting')
  bench.clock.advance(400)
  bench.shutdown.look()
  expect(bench.shutdown.leftMs).toBe(9600)
  expect(bench.orders).toEqual(['hold writes'])
  bench.replica.ackOffset = 100
  bench.shutdown.look()
  expect(bench.orders).toEqual(['hold writes', 'end'])
  expect(bench.log.at(-1)).toBe('1 of 1 replicas are in sync when shutting down.')
})

it('waits no longer than shutdown-timeout, and says who lacks what', () => {
  const bench = new Bench(2)
  bench.begin({ ...REQUEST, save: 'yes' })
  bench.clock.advance(2000)
  bench.shutdown.look()
  expect(bench.orders).toEqual(['hold writes', 'save', 'end'])
  expect(bench.log).toContain('Lagging replica 10.0.0.1:7001 reported offset 10 behind master, lag=2, state=online.')
  expect(bench.log).toContain('0 of 1 replicas are in sync when shutting down.')
})

it('does not wait with NOW, with shutdown-timeout 0, without replicas, or for those that have everything', () => {
  expect(new Bench().begin({ ...REQUEST, now: true })).toBe('ending')
  expect(new Bench(0).begin()).toBe('ending')
  const alone = new Bench()
  alone.replicas = []
  expect(alone.begin()).toBe('ending')
  const synced = new Bench()
  synced.replica.ackOffset = 100
  expect(synced.begin()).toBe('ending')
  expect(synced.orders).toEqual(['end'])
})

it('ABORT lets writes go and tells everybody who asked; so does a snapshot that cannot be saved', () => {
  const bench = new Bench()
  expect(bench.shutdown.abort()).toBe(false)
  bench.begin(REQUEST, 'first')
  bench.begin(REQUEST, 'second')
  expect(bench.shutdown.abort()).toBe(true)
  expect(bench.orders.splice(0)).toEqual(['hold writes', 'first', 'second', 'let writes go'])
  bench.saves = false
  bench.begin({ ...REQUEST, save: 'yes' })
  bench.replica.ackOffset = 100
  bench.shutdown.look()
  expect(bench.orders.splice(0)).toEqual(['hold writes', 'save', 'cancelled', 'let writes go'])
  expect(bench.shutdown.leftMs).toBeUndefined()
  // Nobody to wait for: it is refused at once, unless it is forced.
  expect(bench.begin({ ...REQUEST, save: 'yes' })).toBe('failed')
  expect(bench.begin({ ...REQUEST, save: 'yes', force: true })).toBe('ending')
  expect(bench.orders).toEqual(['save', 'save', 'end'])
})

it('at the end a slow disk is waited for until it has the log, threads only for the time given', async () => {
  const server = await embeddedServer((config) => config.assign('repl-stream-log', true))
  await server.start()
  let hasLog = false
  const { streamLog } = server
  const close = streamLog.close.bind(streamLog)
  vi.spyOn(streamLog, 'close').mockImplementation(async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    await close()
    hasLog = true
  })
  await server.stop(1)
  expect(hasLog).toBe(true)
})

it('saves once, however often it is asked for: signals that came during the save are heard of behind it', () => {
  const bench = new Bench(0)
  for (let i = 0; i < 3; i++) expect(bench.begin({ ...REQUEST, save: 'yes' })).toBe('ending')
  expect(bench.orders).toEqual(['save', 'end'])
  expect(bench.log.filter((line) => line === 'User requested shutdown...')).toHaveLength(1)
  const failing = new Bench(0)
  failing.saves = false
  for (let i = 0; i < 2; i++) expect(failing.begin({ ...REQUEST, save: 'yes' })).toBe('failed')
  expect(failing.orders).toEqual(['save', 'save'])
})
