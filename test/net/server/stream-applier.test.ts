/** What commands of the stream are given beside their arguments. */
import { Keyspace } from '@understudy/core/internal'
import { afterEach, expect, it, vi } from 'vitest'
import { encodeCommand } from '../../support/raw-client.ts'
import { KeyspaceStream } from '../../support/keyspace-stream.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

it('times that are relative count from when the command is applied, however slowly commands come', () => {
  const keyspace = new Keyspace({ databaseCount: 1 })
  const stream = new KeyspaceStream(keyspace)
  const key = Buffer.from('key')
  let nowMs = 1_700_000_000_000
  vi.spyOn(Date, 'now').mockImplementation(() => nowMs)
  stream.apply(encodeCommand('SET', 'key', 'value'))
  for (let i = 0; i < 3; i++) {
    nowMs += 3_600_000
    // As primaries before 7.0 send it.
    stream.apply(encodeCommand('EXPIRE', 'key', '10'))
    expect(keyspace.lookup(0, key, 0, key.length)).toBe(true)
    expect(keyspace.entry.expireAtMs).toBe(nowMs + 10_000)
  }
})

it('what stops the stream says which command it was, and at which offset', () => {
  const stream = new KeyspaceStream(new Keyspace({ databaseCount: 1 }))
  const before = Buffer.concat([encodeCommand('SET', 'key', 'value'), encodeCommand('SELECT', '3')])
  stream.apply(before)
  expect(() => stream.apply(encodeCommand('SET', 'key', 'other'))).toThrow(
    expect.objectContaining({
      code: 'KEYSPACE_BAD_DATABASE',
      message: `'set' at stream offset ${before.length} cannot be applied: database 3 is none of the 1 configured`,
    }),
  )
})
