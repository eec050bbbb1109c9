import { hyperloglogCommands, stringCommands } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

const TABLES = [stringCommands, hyperloglogCommands]
const INVALID_BIT = 0x80

describe('PFCOUNT', () => {
  it('stores the cardinality when the stream brings it, and nothing for a reader of a replica', () => {
    const here = new CommandRunner(TABLES, { fromPrimary: true })
    here.run('PFADD', 'h', 'a', 'b', 'c')
    const before = here.peek('h')!.value
    expect(before[15]! & INVALID_BIT).toBe(INVALID_BIT)
    here.context.fromPrimary = false
    here.writable = false
    expect(here.text('PFCOUNT', 'h')).toBe(':3\r\n')
    expect(here.peek('h')!.value).toEqual(before)
    here.context.fromPrimary = true
    expect(here.text('PFCOUNT', 'h')).toBe(':3\r\n')
    const after = here.peek('h')!.value
    expect(after.subarray(8, 16)).toEqual(Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]))
    expect(here.text('PFADD', 'h', 'a')).toBe(':0\r\n')
    expect(here.peek('h')!.value, 'still valid').toEqual(after)
    here.run('PFADD', 'h', 'd')
    expect(here.peek('h')!.value[15]! & INVALID_BIT).toBe(INVALID_BIT)
  })

  it('believes what is stored', () => {
    const here = new CommandRunner(TABLES)
    here.run('PFADD', 'h', 'a')
    here.run('SETRANGE', 'h', '8', Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))
    expect(here.text('PFCOUNT', 'h')).toBe(':9223372036854775807\r\n')
  })
})

describe('HyperLogLog commands', () => {
  it('work on values that are dense and in nodes of their own', () => {
    const here = new CommandRunner(TABLES)
    const key = 'k'.repeat(8000)
    for (const name of [key, 'short']) {
      for (let from = 0; from < 20_000; from += 1000) {
        here.run('PFADD', name, ...Array.from({ length: 1000 }, (_, i) => from + i))
      }
    }
    expect(here.peek(key)!.value).toEqual(here.peek('short')!.value)
    const [, count] = /^:(\d+)\r\n$/.exec(here.text('PFCOUNT', key))!
    expect(Math.abs(Number(count) - 20_000)).toBeLessThan(600)
    expect(here.text('PFMERGE', 'both', key, 'short')).toBe('+OK\r\n')
    expect(here.text('PFCOUNT', 'both')).toBe(`:${count}\r\n`)
    expect(here.text('PFCOUNT', 'both', key, 'none')).toBe(`:${count}\r\n`)
  })

  it('refuse what is none', () => {
    const here = new CommandRunner(TABLES)
    const none = '-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n'
    const values = ['', 'HYLL', 'HYLL\0'.padEnd(100, '\0'), 'HYLL\x02'.padEnd(20, '\0'), 'HYLx'.padEnd(18, '\0')]
    for (const value of values) {
      here.run('SET', 's', value)
      for (const command of [
        ['PFADD', 's', 'a'],
        ['PFCOUNT', 's'],
        ['PFCOUNT', 's', 'x'],
        ['PFMERGE', 'h', 's'],
      ]) {
        expect(here.text(...command)).toBe(none)
      }
    }
    expect(here.peek('h')).toBeUndefined()
    const tooLong = Buffer.alloc(20 * 2 ** 20)
    tooLong.write('HYLL\x01')
    tooLong[15] = INVALID_BIT
    here.run('SET', 's', tooLong)
    expect(here.text('PFCOUNT', 's')).toBe('-INVALIDOBJ Corrupted HLL object detected\r\n')
    expect(here.text('PFADD', 's', 'a')).toBe('-INVALIDOBJ Corrupted HLL object detected\r\n')
  })

  it('name an unknown subcommand as C prints it', () => {
    const here = new CommandRunner(TABLES)
    here.run('PFADD', 'h', 'a')
    expect(here.text('PFDEBUG', 'no\0pe', 'h')).toBe("-ERR Unknown PFDEBUG subcommand 'no'\r\n")
  })

  it('pass their own test', () => {
    expect(new CommandRunner(TABLES).text('PFSELFTEST')).toBe('+OK\r\n')
  })
})
