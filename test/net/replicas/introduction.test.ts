import { type CommandArgs } from '@understudy/core/internal'
import { type Introduction, newIntroduction, readReplconf, type ReplconfOutcome } from '@understudy/net/internal'
import { expect, it } from 'vitest'

function argsOf(words: readonly string[]): CommandArgs {
  const bytes = Buffer.from(words.join(''))
  const lengths = words.map((word) => Buffer.byteLength(word))
  const end = Int32Array.from(lengths, (_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0))
  return { bytes, count: words.length, start: Int32Array.from(end, (at, i) => at - lengths[i]!), end }
}

function replconf(known: Introduction, ...words: string[]): ReplconfOutcome {
  return readReplconf(argsOf(['REPLCONF', ...words]), known)
}

it('keeps what a replica tells', () => {
  const known = newIntroduction()
  expect(replconf(known, 'listening-port', '6380')).toEqual({ reply: 'ok' })
  expect(replconf(known, 'IP-ADDRESS', '10.0.0.1', 'capa', 'eof', 'capa', 'psync2', 'capa', 'dual-channel')).toEqual({
    reply: 'ok',
  })
  expect(replconf(known, 'version', '8.1.0', 'rdb-only', '1')).toEqual({ reply: 'ok' })
  expect(known).toEqual({
    listeningPort: 6380,
    ipAddress: '10.0.0.1',
    takesMark: true,
    takesNewReplid: true,
    version: '8.1.0',
    rdbOnly: true,
    filter: { data: true, functions: true },
  })
  replconf(known, 'rdb-filter-only', '')
  expect(known.filter).toEqual({ data: false, functions: false })
  replconf(known, 'rdb-filter-only', ' FUNCTIONS ')
  expect(known.filter).toEqual({ data: false, functions: true })
})

it('refuses what Redis refuses; what stands before it counts', () => {
  const known = newIntroduction()
  const error = (text: string): ReplconfOutcome => ({ reply: 'error', text })
  expect(replconf(known)).toEqual({ reply: 'ok' })
  expect(replconf(known, 'capa')).toEqual(error('ERR syntax error'))
  expect(replconf(known, 'listening-port', 'x')).toEqual(error('ERR value is not an integer or out of range'))
  expect(replconf(known, 'ip-address', 'x'.repeat(256))).toMatchObject(
    error('ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes'),
  )
  expect(replconf(known, 'rdb-only', '2')).toEqual(error('ERR value is out of range, value must between 0 and 1'))
  expect(replconf(known, 'rdb-filter-only', 'functions keys')).toEqual(
    error('ERR Unsupported rdb-filter-only option: keys'),
  )
  expect(replconf(known, 'listening-port', '1', 'uuid', 'x')).toEqual(error('ERR Unrecognized REPLCONF option: uuid'))
  expect(known.listeningPort).toBe(1)
})

it('ACK and GETACK are not answered', () => {
  const known = newIntroduction()
  expect(replconf(known, 'ACK', '123')).toEqual({ reply: 'none', ack: 123 })
  expect(replconf(known, 'ack', 'x')).toEqual({ reply: 'none', ack: NaN })
  expect(replconf(known, 'GETACK', '*')).toEqual({ reply: 'none' })
})

it('keeps and tells no more of a hostile argument than it needs', () => {
  const known = newIntroduction()
  expect(replconf(known, 'version', '8'.repeat(100_000))).toEqual({ reply: 'ok' })
  expect(known.version?.length).toBe(64)
  const refused = replconf(known, 'rdb-filter-only', 'x'.repeat(100_000))
  expect(refused.reply === 'error' && refused.text.length).toBeLessThan(1100)
})
