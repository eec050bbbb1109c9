import { FLAG_RAW, type CommandArgs, stringCommands } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

const NOW = 1_700_000_000_000

function stream(): CommandRunner {
  return new CommandRunner([stringCommands], { fromPrimary: true, nowMs: NOW })
}

function client(): CommandRunner {
  return new CommandRunner([stringCommands], { nowMs: NOW })
}

describe('string commands', () => {
  it('hide an expired key from clients and leave it to the stream', () => {
    const here = client()
    here.put('k', 0, Buffer.from('5'), NOW - 1)
    expect(here.text('GET', 'k')).toBe('$-1\r\n')
    expect(here.text('STRLEN', 'k')).toBe(':0\r\n')
    expect(here.peek('k')?.value.toString(), 'a read removes nothing').toBe('5')
    here.context.fromPrimary = true
    expect(here.text('GET', 'k')).toBe('$1\r\n5\r\n')
    expect(here.text('INCR', 'k')).toBe(':6\r\n')
    expect(here.peek('k')?.expireAtMs).toBe(NOW - 1)
    here.context.fromPrimary = false
    expect(here.text('INCR', 'k'), 'a write of a client begins anew').toBe(':1\r\n')
    expect(here.peek('k')?.expireAtMs).toBe(-1)
    here.put('k', 0, Buffer.from('5'), NOW)
    expect(here.text('GET', 'k'), 'the millisecond itself still counts').toBe('$1\r\n5\r\n')
  })

  it('store times that have passed when the stream brings them', () => {
    const here = stream()
    expect(here.text('SET', 'k', 'v', 'PXAT', NOW - 5)).toBe('+OK\r\n')
    expect(here.peek('k')).toMatchObject({ expireAtMs: NOW - 5 })
    here.text('SET', 'k', 'w', 'KEEPTTL')
    expect(here.peek('k')).toMatchObject({ expireAtMs: NOW - 5 })
    expect(here.peek('k')?.value.toString()).toBe('w')
  })

  it('count times from the clock of the command, and refuse those beyond 64 bits', () => {
    const here = client()
    here.text('SET', 'k', 'v', 'EX', '10')
    expect(here.peek('k')?.expireAtMs).toBe(NOW + 10_000)
    here.text('SET', 'k', 'v', 'EXAT', '9223372036854775')
    expect(here.peek('k')?.expireAtMs).toBe(9223372036854775000)
    for (const time of [
      ['EX', '0'],
      ['EX', '9223372036854776'],
      ['EX', '9223372036854775'],
      ['PX', '9223372036854775807'],
    ]) {
      expect(here.text('SET', 'k', 'v', ...time)).toBe("-ERR invalid expire time in 'set' command\r\n")
    }
  })

  it('evaluate the conditions of Redis 8.4 and Valkey 8.1', () => {
    const here = stream()
    expect(here.text('SET', 'k', 'new', 'IFEQ', 'old')).toBe('$-1\r\n')
    expect(here.peek('k')).toBeUndefined()
    expect(here.text('SET', 'k', 'old', 'IFNE', 'x')).toBe('+OK\r\n')
    expect(here.text('SET', 'k', 'x', 'IFNE', 'old')).toBe('$-1\r\n')
    expect(here.text('SET', 'k', 'new', 'IFEQ', 'older')).toBe('$-1\r\n')
    expect(here.text('SET', 'k', 'new', 'ifeq', 'old', 'GET')).toBe('$3\r\nold\r\n')
    expect(here.peek('k')?.value.toString()).toBe('new')
    expect(here.text('SET', 'k', 'digest', 'IFDEQ', '0123456789abcdef')).toBe('$-1\r\n')
    expect(here.text('SET', 'k', 'digest', 'IFDEQ', here.text('DIGEST', 'k').slice(5, 21))).toBe('+OK\r\n')
    expect(here.peek('k')?.value.toString()).toBe('digest')
    expect(here.text('SET', 'none', 'digest', 'IFDEQ', '0123456789abcdef')).toBe('$-1\r\n')
    expect(here.text('SET', 'none', 'digest', 'IFDNE', '0123456789abcdef')).toBe('+OK\r\n')
    expect(here.text('SET', 'k', 'v', 'IFEQ', 'a', 'NX')).toBe('-ERR syntax error\r\n')
    expect(here.text('SET', 'k', 'v', 'IFEQ')).toBe('-ERR syntax error\r\n')
    const long = 'x'.repeat(40_000)
    here.text('SET', 'k', long)
    expect(here.text('SET', 'k', 'short', 'IFEQ', `${long.slice(1)}y`)).toBe('$-1\r\n')
    expect(here.text('SET', 'k', 'short', 'IFEQ', long)).toBe('+OK\r\n')
    expect(client().text('SET', 'k', 'v', 'IFNE', 'a')).toBe('+OK\r\n')
  })

  it('run DIGEST and DELEX', () => {
    const here = client()
    expect(here.text('DIGEST', 'k')).toBe('$-1\r\n')
    here.text('SET', 'k', 'abc')
    expect(here.text('DIGEST', 'k')).toBe('$16\r\n78af5f94892f3950\r\n')
    for (const condition of [
      ['IFEQ', 'abd'],
      ['IFNE', 'abc'],
      ['IFDEQ', '78af5f94892f3951'],
      ['IFDNE', '78AF5F94892F3950'],
    ]) {
      expect(here.text('DELEX', 'k', ...condition), condition.join(' ')).toBe(':0\r\n')
    }
    expect(here.text('DELEX', 'k', 'ifdeq', '78AF5F94892F3950')).toBe(':1\r\n')
    expect(here.peek('k')).toBeUndefined()
    expect(here.text('DELEX', 'k', 'IFNE', 'x')).toBe(':0\r\n')
    here.text('SET', 'k', 'abc')
    for (const wrong of [['IFEQ'], ['IFEQ', 'a', 'IFNE', 'b'], ['NX'], ['IFEQ', 'a', 'IFEQ', 'b']]) {
      expect(here.text('DELEX', 'k', ...wrong)).toBe('-ERR syntax error\r\n')
    }
    expect(here.text('DELEX', 'k')).toBe(':1\r\n')
  })

  it('run MSETEX', () => {
    const here = stream()
    expect(here.text('MSETEX', '2', 'a', '1', 'b', '2', 'PXAT', NOW + 7)).toBe(':1\r\n')
    expect(here.peek('b')).toMatchObject({ expireAtMs: NOW + 7 })
    expect(here.text('MSETEX', '2', 'a', '3', 'c', '4', 'NX')).toBe(':0\r\n')
    expect(here.text('MSETEX', '2', 'a', '3', 'c', '4', 'XX')).toBe(':0\r\n')
    expect(here.peek('a')?.value.toString()).toBe('1')
    expect(here.text('MSETEX', '2', 'a', '3', 'c', '4', 'KEEPTTL')).toBe(':1\r\n')
    expect(here.peek('a')).toMatchObject({ expireAtMs: NOW + 7 })
    expect(here.peek('c')).toMatchObject({ expireAtMs: -1 })
    expect(here.text('MSETEX', '3', 'a', '3', 'c', '4')).toBe('-ERR syntax error\r\n')
    expect(here.text('MSETEX', '0', 'a', '3')).toBe('-ERR invalid numkeys value\r\n')
    const keys: number[] = []
    stringCommands['MSETEX']!.findKeys!(argsOf('MSETEX', '2', 'a', '1', 'b', '2', 'NX'), keys)
    expect(keys).toEqual([2, 4])
    stringCommands['MSETEX']!.findKeys!(argsOf('MSETEX', 'x', 'a', '1'), keys)
    expect(keys).toEqual([2, 4])
  })

  it('bound the length of strings for clients by proto-max-bulk-len, and the stream not', () => {
    const here = client()
    here.settings.protoMaxBulkBytes = 100
    const tooLong = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n'
    expect(here.text('SETRANGE', 'k', '99', 'xy')).toBe(tooLong)
    expect(here.text('SETRANGE', 'k', '98', 'xy')).toBe(':100\r\n')
    expect(here.text('APPEND', 'k', 'z')).toBe(tooLong)
    here.context.fromPrimary = true
    expect(here.text('APPEND', 'k', 'z')).toBe(':101\r\n')
    expect(here.text('SETRANGE', 'k', '600000000', 'xy')).toBe(':600000002\r\n')
    expect(here.text('GETRANGE', 'k', '599999999', '-1')).toBe('$3\r\n\0xy\r\n')
    expect(here.text('SETRANGE', 'k', '9223372036854775807', 'xy'), 'more than the keyspace can hold').toBe(tooLong)
  })

  it('remember which strings were changed in place', () => {
    const here = client()
    const isRaw = (): boolean | undefined => here.peek('k')?.raw
    here.text('APPEND', 'k', '1')
    expect(isRaw()).toBe(false)
    here.text('APPEND', 'k', '2')
    expect(isRaw()).toBe(true)
    here.text('INCR', 'k')
    expect(isRaw()).toBe(false)
    here.text('SETRANGE', 'k', '0', '9')
    expect(isRaw()).toBe(true)
    expect(FLAG_RAW).toBe(8)
  })

  it('append to and cut from values of many blocks', () => {
    const here = client()
    let expected = ''
    for (let i = 0; i < 60; i++) {
      const piece = String.fromCharCode(97 + (i % 26)).repeat(1777 * (i % 5))
      expected += piece
      expect(here.text('APPEND', 'k', piece)).toBe(`:${expected.length}\r\n`)
    }
    expect(here.text('GET', 'k')).toBe(`$${expected.length}\r\n${expected}\r\n`)
    expect(here.text('GETRANGE', 'k', '16380', '33000')).toBe(`$16621\r\n${expected.slice(16_380, 33_001)}\r\n`)
    here.text('SETRANGE', 'k', '16382', 'BORDER')
    expected = `${expected.slice(0, 16_382)}BORDER${expected.slice(16_388)}`
    expect(here.text('GETDEL', 'k')).toBe(`$${expected.length}\r\n${expected}\r\n`)
    expect(here.keyspace.size(0)).toBe(0)
  })

  it('refuse other types', () => {
    const here = client()
    here.put('list', 18, Buffer.from('blob'))
    const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'
    for (const command of [
      ['GET', 'list'],
      ['GETSET', 'list', 'v'],
      ['GETDEL', 'list'],
      ['GETEX', 'list'],
      ['SET', 'list', 'v', 'GET'],
      ['APPEND', 'list', 'v'],
      ['STRLEN', 'list'],
      ['SETRANGE', 'list', '0', 'v'],
      ['GETRANGE', 'list', '0', '1'],
      ['INCR', 'list'],
      ['INCRBYFLOAT', 'list', '1'],
    ]) {
      expect(here.text(...command), command[0]).toBe(wrongType)
    }
    expect(here.text('MGET', 'list', 'none')).toBe('*2\r\n$-1\r\n$-1\r\n')
    expect(here.text('LCS', 'list', 'none')).toBe('-ERR The specified keys must contain string values\r\n')
    expect(here.text('SET', 'list', 'v')).toBe('+OK\r\n')
  })
})

function argsOf(...command: string[]): CommandArgs {
  const bytes = Buffer.from(command.join(''))
  const ends = command.map((_, index) => command.slice(0, index + 1).join('').length)
  return {
    bytes,
    count: command.length,
    start: Int32Array.from(ends, (end, index) => end - command[index]!.length),
    end: Int32Array.from(ends),
  }
}
