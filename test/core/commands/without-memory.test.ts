/** What makes values shorter needs no memory: it works when there is none, and replicas are told of what it did. */
import { BLOCK_BYTES_MAX, Effects, hashCommands, Keyspace, setCommands, zsetCommands } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

const MEMBERS = 120

/** A runner with a region for `key` in which no block can be had any more. */
function withoutMemory(key: string, ...fill: readonly (string | number)[]): CommandRunner {
  const keyspace = new Keyspace({ databaseCount: 1, segmentBytesMax: 256 << 10 })
  const runner = new CommandRunner([setCommands, hashCommands, zsetCommands], { keyspace })
  runner.run(...fill)
  keyspace.lookup(0, Buffer.from(key), 0, key.length)
  const { arena } = keyspace.targetRegion
  for (let bytes = BLOCK_BYTES_MAX; bytes > 0; bytes -= 8) {
    expect(() => {
      for (;;) arena.allocate(bytes)
    }).toThrow(expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }))
  }
  return runner
}

const members: readonly string[] = Array.from({ length: MEMBERS }, (_, i) => `member:${i}:`.padEnd(20, '.'))
const integers: readonly string[] = members.map((_, i) => String(100_000 + i))

describe('without memory', () => {
  it('SPOP with a count removes members, and tells of just these', () => {
    const runner = withoutMemory('s', 'SADD', 's', ...members)
    const effects = new Effects()
    Object.assign(runner.context, { effects })
    expect(runner.text('SPOP', 's', 100)).toMatch(/^\*100\r\n/)
    expect(runner.text('SCARD', 's')).toBe(':20\r\n')
    let told = ''
    effects.moveTo({ append: (bytes, start, end) => void (told += Buffer.from(bytes.subarray(start, end)).toString()) })
    expect(told).toContain('*102\r\n$4\r\nSREM\r\n$1\r\ns\r\n')
    expect(told.match(/member:/g)).toHaveLength(100)
  })

  it.each([
    ['SADD', 'SREM', ['SMEMBERS', 'key'], integers, (name: string) => [name]],
    ['SADD', 'SREM', ['SMEMBERS', 'key'], members, (name: string) => [name]],
    ['HSET', 'HDEL', ['HKEYS', 'key'], members, (name: string) => [name, 'value']],
    ['ZADD', 'ZREM', ['ZRANGE', 'key', 0, -1], members, (name: string, i: number) => [i, name]],
  ] as const)('%s, then %s: a packed value becomes shorter and stays whole', (add, remove, show, names, itemOf) => {
    const runner = withoutMemory('key', add, 'key', ...names.flatMap(itemOf))
    for (const name of names.slice(0, 100)) expect(runner.text(remove, 'key', name)).toBe(':1\r\n')
    const shown = runner.text(...show).match(/^[m1][^\r]+/gm)
    expect(shown?.toSorted()).toEqual(names.slice(100).toSorted())
  })
})
