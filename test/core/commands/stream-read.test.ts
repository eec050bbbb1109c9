/** XREAD's `+` of Redis 7.4; all else of XREAD is compared with a stock server by the soak streams-differential and the fuzz. */
import { streamCommands } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'

it('XREAD + reads the last entry', () => {
  const here = new CommandRunner([streamCommands])
  const call = (...command: readonly string[]): Reply => readAllReplies(here.run(...command))[0]!
  expect(call('XREAD', 'STREAMS', 's', '+')).toBe(null)
  for (const id of ['1-0', '1-1', '7-0', '9-3']) call('XADD', 's', id, 'f', id)
  expect(call('XREAD', 'COUNT', '5', 'STREAMS', 's', '+')).toEqual([['s', [['9-3', ['f', '9-3']]]]])
  call('XDEL', 's', '9-3')
  expect(call('XREAD', 'STREAMS', 's', 't', '+', '+')).toEqual([['s', [['7-0', ['f', '7-0']]]]])
  call('XTRIM', 's', 'MAXLEN', '0')
  expect(call('XREAD', 'STREAMS', 's', '+')).toBe(null)
  expect(here.text('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '+')).toMatch(/^-NOGROUP/)
  call('XGROUP', 'CREATE', 's', 'g', '0')
  expect(here.text('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '+')).toMatch(/^-ERR Invalid stream ID/)
})
