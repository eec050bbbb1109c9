import { ReplyEncoder } from '@understudy/core/internal'
import { expect, it } from 'vitest'

it('an error that quotes a request is one line, and cut when the request is huge', () => {
  const reply = new ReplyEncoder()
  reply.error('ERR \r\nno\n')
  reply.error(`ERR ${'\n'.repeat(1_000_000)}`)
  const [first, second] = Buffer.from(reply.bytes.subarray(0, reply.length)).toString('latin1').split('\r\n')
  expect(first).toBe('-ERR   no')
  expect(second!.startsWith('-ERR')).toBe(true)
  expect(second!.length).toBeLessThan(17_000)
  expect(reply.lastError.length).toBeLessThan(17_000)
})
