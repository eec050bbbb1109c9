import { Failover, type FailoverCandidate, type FailoverTarget } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'

const TARGET: FailoverTarget = { host: '10.0.0.1', port: 7001 }
const ANY = { target: undefined, timeoutMs: 0, force: false }

/** A failover, two replicas, and everything it ordered. */
class Bench {
  readonly clock = new FakeClock()
  readonly orders: string[] = []
  readonly log: string[] = []
  readonly first = { ip: '10.0.0.1', port: 7001, machine: { isOnline: true, ackOffset: 90 } }
  readonly second = { ip: '10.0.0.2', port: 7002, machine: { isOnline: true, ackOffset: 80 } }
  replicas: FailoverCandidate[] = [this.first, this.second]
  isReplica = false
  readonly failover = new Failover({
    clock: this.clock,
    logger: { debug: () => {}, verbose: () => {}, notice: (line) => this.log.push(line), warning: () => {} },
    isReplica: () => this.isReplica,
    replicas: () => this.replicas,
    offset: () => 100,
    holdWrites: (held) => this.orders.push(held ? 'hold writes' : 'let writes go'),
    handOver: ({ host, port }) => this.orders.push(`hand over to ${host}:${port}`),
    takeBack: () => this.orders.push('take back'),
  })

  takeOrders(): string[] {
    return this.orders.splice(0)
  }
}

describe('FAILOVER', () => {
  it('waits for the first replica that has everything, hands over, and lets writes go when it answers', () => {
    const bench = new Bench()
    const { failover } = bench
    expect(failover.stateName).toBe('no-failover')
    expect(failover.begin(ANY)).toBeUndefined()
    failover.look()
    expect(failover.stateName).toBe('waiting-for-sync')
    expect(bench.takeOrders()).toEqual(['hold writes'])
    bench.second.machine.ackOffset = 100
    failover.look()
    failover.look()
    expect(failover.stateName).toBe('failover-in-progress')
    expect(bench.takeOrders()).toEqual(['hand over to 10.0.0.2:7002'])
    failover.answered(true)
    expect(failover.isUnderWay).toBe(false)
    expect(bench.takeOrders()).toEqual(['let writes go'])
    expect(bench.log).toEqual([
      'FAILOVER requested to any replica.',
      'Failover target 10.0.0.2:7002 is synced, failing over.',
    ])
  })

  it('takes no other than the target that was named, and is a primary again when that refuses', () => {
    const bench = new Bench()
    const { failover } = bench
    expect(failover.begin({ ...ANY, target: TARGET })).toBeUndefined()
    bench.second.machine.ackOffset = 100
    failover.look()
    // It is gone for a while, and back.
    bench.replicas = [bench.second]
    failover.look()
    expect(failover.stateName).toBe('waiting-for-sync')
    bench.replicas = [bench.second, bench.first]
    bench.first.machine.ackOffset = 100
    failover.look()
    failover.answered(false)
    expect(bench.takeOrders()).toEqual(['hold writes', 'hand over to 10.0.0.1:7001', 'take back', 'let writes go'])
    expect(bench.log.at(-1)).toBe('FAILOVER to 10.0.0.1:7001 aborted: Failover target rejected psync request')
  })

  it('gives up after its time, or hands over all the same when it is forced', () => {
    const bench = new Bench()
    const { failover, clock } = bench
    failover.begin({ ...ANY, timeoutMs: 500 })
    clock.advance(499)
    failover.look()
    expect(failover.isUnderWay).toBe(true)
    clock.advance(1)
    failover.look()
    expect(failover.isUnderWay).toBe(false)
    expect(bench.takeOrders()).toEqual(['hold writes', 'let writes go'])
    expect(bench.log.at(-1)).toBe('FAILOVER to any replica aborted: Replica never caught up before timeout')
    failover.begin({ target: TARGET, timeoutMs: 500, force: true })
    clock.advance(500)
    failover.look()
    expect(bench.takeOrders()).toEqual(['hold writes', 'hand over to 10.0.0.1:7001'])
    expect(bench.log.at(-1)).toBe('FAILOVER to 10.0.0.1:7001 time out exceeded, failing over.')
  })

  it('ABORT ends it in both states', () => {
    const bench = new Bench()
    const { failover } = bench
    expect(failover.abort()).toBe(false)
    failover.begin(ANY)
    expect(failover.abort()).toBe(true)
    expect(bench.takeOrders()).toEqual(['hold writes', 'let writes go'])
    failover.begin({ ...ANY, target: TARGET })
    bench.first.machine.ackOffset = 100
    failover.look()
    expect(failover.abort()).toBe(true)
    expect(bench.takeOrders()).toEqual(['hold writes', 'hand over to 10.0.0.1:7001', 'take back', 'let writes go'])
    // What the target says now is too late.
    failover.answered(true)
    expect(bench.takeOrders()).toEqual([])
  })
})
