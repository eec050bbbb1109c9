import {
  databaseCommands,
  hashCommands,
  keyCommands,
  memoryCommands,
  type MemoryFacts,
} from '@understudy/core/internal'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { startRedisServer } from '../../support/redis-server.ts'
import { readAllReplies } from '../../support/resp-reader.ts'
import type { TestServer } from '../../support/test-server.ts'
import { itOfReference } from '../../support/reference.ts'

const FACTS: MemoryFacts = {
  usedBytes: 50 << 20,
  peakBytes: 60 << 20,
  startupBytes: 1 << 20,
  residentBytes: 100 << 20,
  backlogBytes: 1000,
  replicaBytes: 200,
  clientBytes: 30,
  functionBytes: 4,
}

function newRunner(facts: MemoryFacts = FACTS): CommandRunner {
  return new CommandRunner([memoryCommands(() => facts), keyCommands, databaseCommands(), hashCommands])
}

function statsOf(runner: CommandRunner): Map<string, number | Map<string, number>> {
  runner.resp = 3
  return readAllReplies(runner.run('MEMORY', 'STATS'))[0] as Map<string, number | Map<string, number>>
}

describe('MEMORY', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startRedisServer()
  })
  afterAll(() => server.stop())

  itOfReference('STATS has the fields of a stock server, in their order', async () => {
    const runner = newRunner()
    const client = await server.raw()
    await client.call('HELLO', 3)
    for (const db of [0, 3]) {
      await client.call('SELECT', db)
      await client.call('SET', 'k', 'v')
      runner.db = db
      runner.put('k', 0, Buffer.from('v'))
    }
    const theirs = (await client.call('MEMORY', 'STATS')) as Map<string, unknown>
    const ours = statsOf(runner)
    expect([...ours.keys()]).toEqual([...theirs.keys()])
    expect([...(ours.get('db.3') as Map<string, number>).keys()]).toEqual([
      ...(theirs.get('db.3') as Map<string, number>).keys(),
    ])
    expect(ours.get('keys.count')).toBe(2)
    expect(ours.get('total.allocated')).toBe(FACTS.usedBytes)
    expect(ours.get('fragmentation')).toBe(2)
    expect(ours.get('allocator.allocated')).toBe(runner.keyspace.usedBytes)
  })

  itOfReference('USAGE grows with the value, whole, and takes its options', async () => {
    const runner = newRunner()
    runner.put('small', 0, Buffer.from('v'))
    runner.put('large', 18, Buffer.alloc(100_000, 1))
    const usage = (key: string): number => Number(runner.text('MEMORY', 'USAGE', key).slice(1))
    expect(usage('small')).toBeGreaterThan(10)
    expect(usage('small')).toBeLessThan(64)
    expect(usage('large')).toBeGreaterThan(100_000)
    expect(usage('large')).toBeLessThan(120_000)
    const client = await server.raw()
    for (const args of [
      ['absent'],
      ['absent', 'SAMPLES', '0'],
      ['absent', 'samples', '5', 'SAMPLES', '6'],
      ['absent', 'SAMPLES'],
      ['absent', 'SAMPLES', 'x'],
      ['absent', 'SAMPLES', '-1'],
      ['absent', 'nope', '1'],
      [],
    ]) {
      expect(runner.text('MEMORY', 'USAGE', ...args), args.join(' ')).toBe(
        await client.callExact('MEMORY', 'USAGE', ...args),
      )
    }
    for (const args of [['HELP'], ['PURGE'], ['nope'], ['STATS', 'x']]) {
      expect(runner.text('MEMORY', ...args), args.join(' ')).toBe(await client.callExact('MEMORY', ...args))
    }
  })

  it('USAGE measures as many elements as SAMPLES says, and takes their mean', () => {
    const runner = newRunner()
    const COUNT = 1500
    let bytes = 0
    for (let i = 0; i < COUNT; i++) {
      const value = 'v'.repeat((i % 30) * 20)
      bytes += value.length
      runner.run('HSET', 'hash', `field:${i}`, value)
    }
    const usage = (...samples: string[]): number => Number(runner.text('MEMORY', 'USAGE', 'hash', ...samples).slice(1))
    const whole = usage('SAMPLES', '0')
    expect(whole).toBeGreaterThan(bytes)
    expect(whole).toBeLessThan(bytes * 1.3)
    // Five elements of one page are off by more than a thousand are; as many as Redis' default are measured when nothing is said.
    expect(Math.abs(usage('SAMPLES', '1000') / whole - 1)).toBeLessThan(0.05)
    expect(usage()).toBe(usage('SAMPLES', '5'))
    expect(Math.abs(usage() / whole - 1)).toBeLessThan(0.9)
  })

  it('DOCTOR says what is wrong', async () => {
    const small = newRunner({ ...FACTS, usedBytes: 1 << 20 })
    const client = await server.raw()
    expect(small.text('MEMORY', 'DOCTOR')).toBe(await client.callExact('MEMORY', 'DOCTOR'))
    expect(newRunner().text('MEMORY', 'DOCTOR')).toContain("Hi Sam, I can't find any memory issue in your instance.")
    expect(newRunner({ ...FACTS, peakBytes: 500 << 20 }).text('MEMORY', 'DOCTOR')).toContain('Peak memory')
    const fragmented = newRunner()
    for (let i = 0; i < 6000; i++) fragmented.put(`k${i}`, 0, Buffer.alloc(6000))
    for (let i = 0; i < 6000; i++) if (i % 12 !== 0) fragmented.run('DEL', `k${i}`)
    expect(fragmented.text('MEMORY', 'DOCTOR')).toContain('High allocator fragmentation')
  })

  it('MALLOC-STATS shows every arena, PURGE frees what waits', () => {
    const runner = newRunner()
    runner.put('stays', 0, Buffer.from('v'))
    runner.db = 1
    for (let i = 0; i < 100; i++) runner.put(`k${i}`, 18, Buffer.alloc(2000))
    runner.run('FLUSHDB')
    const { keyspace } = runner
    const before = keyspace.usedBytes
    expect(keyspace.lazyFreePending).toBeGreaterThan(0)
    for (let i = 0; i < 1000 && keyspace.lazyFreePending > 0; i++) runner.run('MEMORY', 'PURGE')
    expect(keyspace.lazyFreePending).toBe(0)
    expect(keyspace.usedBytes).toBeLessThan(before / 10)
    const lines = runner.text('MEMORY', 'MALLOC-STATS').split('\n')
    expect(lines.filter((line) => /^\d+ \d+ \d+ \d+ \d+$/.test(line))).toHaveLength(8)
  })
})
