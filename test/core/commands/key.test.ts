import {
  databaseCommands,
  dumpCommands,
  encodeDump,
  bytesSource,
  expireCommands,
  keyCommands,
  objectCommands,
  scanCommands,
  sortCommands,
} from '@understudy/core/internal'
import { beforeEach, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { readAllReplies } from '../../support/resp-reader.ts'

const NOW = 1_800_000_000_000
const NO_CHECKSUM = Buffer.alloc(8)

let runner: CommandRunner
beforeEach(() => {
  runner = new CommandRunner(
    [keyCommands, expireCommands, scanCommands, objectCommands, dumpCommands, databaseCommands(), sortCommands],
    { nowMs: NOW },
  )
})

function keysOf(text: string): string[] {
  const [reply] = readAllReplies(Buffer.from(text)) as [string[] | [string, string[]]]
  const keys = Array.isArray(reply[1]) ? reply[1] : (reply as string[])
  return keys.toSorted()
}

describe('a key whose time has come, without a DEL from the primary', () => {
  beforeEach(() => {
    runner.put('gone', 0, Buffer.from('v'), NOW - 1)
    runner.put('now', 0, Buffer.from('v'), NOW)
    runner.put('stays', 0, Buffer.from('v'))
  })

  it('is hidden from clients that read, and counted by DBSIZE', () => {
    expect(runner.text('EXISTS', 'gone', 'now', 'stays', 'stays')).toBe(':3\r\n')
    expect(runner.text('TOUCH', 'gone', 'now')).toBe(':1\r\n')
    expect(runner.text('TYPE', 'gone')).toBe('+none\r\n')
    expect(runner.text('TTL', 'gone')).toBe(':-2\r\n')
    expect(runner.text('PTTL', 'now')).toBe(':0\r\n')
    expect(runner.text('PEXPIRETIME', 'gone')).toBe(':-2\r\n')
    expect(runner.text('DUMP', 'gone')).toBe('$-1\r\n')
    expect(runner.text('OBJECT', 'ENCODING', 'gone')).toBe('$-1\r\n')
    expect(keysOf(runner.text('KEYS', '*'))).toEqual(['now', 'stays'])
    expect(keysOf(runner.text('SCAN', '0', 'COUNT', '100'))).toEqual(['now', 'stays'])
    // C's strings end at a NUL.
    expect(keysOf(runner.text('SCAN', '\0x', 'COUNT', '100'))).toEqual(['now', 'stays'])
    for (let i = 0; i < 30; i++) expect(runner.text('RANDOMKEY')).not.toContain('gone')
    expect(runner.text('DBSIZE')).toBe(':3\r\n')
    expect(runner.peek('gone')).toBeDefined()
  })

  it('is not drawn by RANDOMKEY when it is all there is', () => {
    runner.run('DEL', 'now', 'stays')
    for (let i = 0; i < 300; i++) runner.put(`gone:${i}`, 0, Buffer.from('v'), NOW - 1)
    expect(runner.text('RANDOMKEY')).toBe('$-1\r\n')
    runner.put('alive', 0, Buffer.from('v'), NOW + 5)
    expect(runner.text('RANDOMKEY')).toBe('$5\r\nalive\r\n')
  })

  it('is removed by a client that writes, and counts as absent', () => {
    expect(runner.text('DEL', 'gone')).toBe(':0\r\n')
    expect(runner.peek('gone')).toBeUndefined()
    runner.put('gone', 0, Buffer.from('v'), NOW - 1)
    expect(runner.text('RENAME', 'gone', 'x')).toBe('-ERR no such key\r\n')
    expect(runner.peek('gone')).toBeUndefined()
    runner.put('gone', 0, Buffer.from('v'), NOW - 1)
    expect(runner.text('RENAMENX', 'stays', 'gone')).toBe(':1\r\n')
    expect(runner.peek('gone')).toMatchObject({ expireAtMs: -1 })
  })

  it('is alive for the stream', () => {
    runner.fromPrimary = true
    expect(runner.text('PERSIST', 'gone')).toBe(':1\r\n')
    runner.put('gone', 0, Buffer.from('v'), NOW - 1)
    expect(runner.text('RENAME', 'gone', 'moved')).toBe('+OK\r\n')
    expect(runner.text('COPY', 'moved', 'copy')).toBe(':1\r\n')
    expect(runner.peek('copy')).toMatchObject({ expireAtMs: NOW - 1 })
    expect(runner.text('PEXPIREAT', 'copy', NOW - 5000)).toBe(':1\r\n')
    expect(runner.peek('copy')).toMatchObject({ expireAtMs: NOW - 5000 })
    expect(runner.text('DEL', 'copy', 'moved')).toBe(':2\r\n')
  })
})

describe('a time in the past', () => {
  it.each(['EXPIRE', 'PEXPIRE', 'EXPIREAT', 'PEXPIREAT'])('%s by a client deletes the key', (name) => {
    runner.put('k', 0, Buffer.from('v'))
    expect(runner.text(name, 'k', '-1')).toBe(':1\r\n')
    expect(runner.peek('k')).toBeUndefined()
  })

  it('RESTORE by a client removes what was there; from the stream it is stored', () => {
    const payload = encodeDump(0, bytesSource(Buffer.from('new')))
    runner.put('k', 0, Buffer.from('old'))
    expect(runner.text('RESTORE', 'k', '1000', payload, 'ABSTTL', 'REPLACE')).toBe('+OK\r\n')
    expect(runner.peek('k')).toBeUndefined()
    runner.fromPrimary = true
    expect(runner.text('RESTORE', 'k', '1000', payload, 'ABSTTL', 'REPLACE')).toBe('+OK\r\n')
    expect(runner.peek('k')).toMatchObject({ expireAtMs: 1000 })
  })
})

describe('RESTORE without a checksum', () => {
  it('is taken from the stream, refused from a client', () => {
    const payload = Buffer.from(encodeDump(0, bytesSource(Buffer.from('value'))))
    payload.set(NO_CHECKSUM, payload.length - 8)
    expect(runner.text('RESTORE', 'k', 0, payload)).toBe('-ERR DUMP payload version or checksum are wrong\r\n')
    runner.fromPrimary = true
    expect(runner.text('RESTORE', 'k', 0, payload)).toBe('+OK\r\n')
    expect(runner.peek('k')?.value.toString()).toBe('value')
  })
})

describe('OBJECT', () => {
  it('IDLETIME and FREQ follow the policy, with the texts that tell why not', () => {
    const { keyspace } = runner
    runner.put('k', 0, Buffer.from('v'))
    expect(runner.text('OBJECT', 'FREQ', 'k')).toMatch(
      /^-ERR An LFU maxmemory policy is not selected, access frequency not/,
    )
    keyspace.access.clock += 7
    expect(runner.text('OBJECT', 'IDLETIME', 'k')).toBe(':14\r\n')
    runner.run('TOUCH', 'k')
    expect(runner.text('OBJECT', 'IDLETIME', 'k')).toBe(':0\r\n')
    const payload = encodeDump(0, bytesSource(Buffer.from('value')))
    runner.run('RESTORE', 'k', 0, payload, 'REPLACE', 'IDLETIME', 500)
    expect(runner.text('OBJECT', 'IDLETIME', 'k')).toBe(':500\r\n')
    // Redis' clock has 24 bits of seconds.
    runner.run('RESTORE', 'k', 0, payload, 'REPLACE', 'IDLETIME', 2 ** 32)
    expect(runner.text('OBJECT', 'IDLETIME', 'k')).toBe(':0\r\n')
    runner.run('RESTORE', 'k', 0, payload, 'REPLACE', 'IDLETIME', 2 ** 24 - 2)
    expect(runner.text('OBJECT', 'IDLETIME', 'k')).toBe(':393216\r\n')
    keyspace.access.tracksFrequency = true
    expect(runner.text('OBJECT', 'IDLETIME', 'k')).toMatch(
      /^-ERR An LFU maxmemory policy is selected, idle time not tracked/,
    )
    runner.run('RESTORE', 'k', 0, payload, 'REPLACE', 'FREQ', 77)
    expect(runner.text('OBJECT', 'FREQ', 'k')).toBe(':77\r\n')
    expect(runner.text('OBJECT', 'FREQ', 'absent')).toBe('$-1\r\n')
  })
})
