/** What stock servers of this test do not send: the rest of lists is compared with them in test/soak and test/e2e. */
import { keyCommands, listCommands } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

it('LSET of a stream takes the low 32 bits of an index that no list has, as redis 8.0 and Valkey 8 did before they sent it', () => {
  const runner = new CommandRunner([listCommands, keyCommands])
  runner.text('RPUSH', 'l', 'a', 'b', 'c')
  const outOfRange = '-ERR index out of range\r\n'
  for (const index of ['-9223372036854775808', '4294967297', '-4', '3']) {
    expect(runner.text('LSET', 'l', index, 'x'), index).toBe(outOfRange)
  }
  runner.fromPrimary = true
  expect(runner.text('LSET', 'l', '-9223372036854775808', 'first')).toBe('+OK\r\n')
  expect(runner.text('LSET', 'l', '4294967297', 'second')).toBe('+OK\r\n')
  expect(runner.text('LSET', 'l', '9223372036854775807', 'last')).toBe('+OK\r\n')
  expect(runner.text('LSET', 'l', '4294967299', 'x')).toBe(outOfRange)
  expect(runner.text('LRANGE', 'l', '0', '-1')).toBe('*3\r\n$5\r\nfirst\r\n$6\r\nsecond\r\n$4\r\nlast\r\n')
})
