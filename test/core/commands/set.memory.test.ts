/** What commands on large sets hold of the heap while they work: nothing that grows with the members. */
import { setCommands } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

const MEMBERS = 600_000
/** An object for each member that goes would be 32 MiB and more; what is garbage fits into the 16 MiB of V8's young generation. */
const HEAP_BYTES_MAX: number = 24 << 20

it('SPOP of half a set', () => {
  const runner = new CommandRunner([setCommands])
  for (let i = 0; i < MEMBERS; i += 1000) {
    runner.run('SADD', 'set', ...Array.from({ length: 1000 }, (_, n) => `member:${i + n}`))
  }
  globalThis.gc!()
  const before = process.memoryUsage().heapUsed
  const reply = runner.run('SPOP', 'set', MEMBERS / 2)
  const after = process.memoryUsage().heapUsed
  expect(reply.subarray(0, 9).toString()).toBe(`*${MEMBERS / 2}\r\n`)
  expect(runner.text('SCARD', 'set')).toBe(`:${MEMBERS / 2}\r\n`)
  expect(after - before).toBeLessThan(HEAP_BYTES_MAX)
})
