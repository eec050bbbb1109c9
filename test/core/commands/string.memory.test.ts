import { stringCommands } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

const CALLS = 100_000
const ROUNDS = 3
/** Less than the smallest object would take per call; what is left is the collector's and the engine's own noise. */
const BYTES_PER_CALL_MAX = 4

describe('hot string commands', () => {
  it.each([
    ['SET', 'k', 'a value of some bytes'],
    ['GET', 'text'],
    ['INCR', 'n'],
    ['INCRBY', 'n', '17'],
    ['APPEND', 'text', ''],
    ['MGET', 'text', 'n', 'none'],
    ['MSET', 'a', '1', 'b', '2'],
    ['STRLEN', 'text'],
  ])('%s allocates nothing', (...command) => {
    const runner = new CommandRunner([stringCommands], { nowMs: 1_700_000_000_000, fromPrimary: true })
    runner.run('SET', 'text', 'some text')
    runner.run('SET', 'n', '100')
    runner.run(...command)
    const { context } = runner
    const row = stringCommands[command[0]]!
    const run = row.run ?? row.read
    context.reply.discardReplies = command[0] !== 'GET' && command[0] !== 'MGET'
    const calls = (count: number): void => {
      context.keyspace.begin()
      for (let i = 0; i < count; i++) {
        context.reply.length = 0
        run(context)
      }
      context.keyspace.end()
    }
    const grownBy = (): number => {
      globalThis.gc!()
      const before = process.memoryUsage().heapUsed
      calls(CALLS)
      return process.memoryUsage().heapUsed - before
    }
    calls(CALLS)
    calls(CALLS)
    // What a call leaves is in each of them; code that a busy machine compiles late is in one.
    const grown = Math.min(...Array.from({ length: ROUNDS }, grownBy))
    expect(grown / CALLS).toBeLessThan(BYTES_PER_CALL_MAX)
  })
})
