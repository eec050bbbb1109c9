/**
 * Times to live of fields: the redis-server that tests run with may not know them. What redis 8.0 replies was seen on 8.0.2, where
 * `REDIS_SERVER=… fuzz` compares what a replica holds.
 */
import { dataCommandFamilies, LibraryStore } from '@understudy/core/internal'
import { beforeEach, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'

const NOW = 1_800_000_000_000

let runner: CommandRunner
beforeEach(() => {
  runner = new CommandRunner(
    dataCommandFamilies({ libraries: new LibraryStore(), memory: () => expect.unreachable() }),
    { nowMs: NOW },
  )
})

/** Replies in one line: `[1 -2]` for an array. */
function says(command: string): string {
  const lines = runner.text(...command.split(' ')).split('\r\n')
  return lines.filter((line) => line !== '' && !/^\$\d/.test(line)).join(' ')
}

describe('fields with a time to live', () => {
  it('get one, tell it, lose it', () => {
    expect(says('HSET h a 1 b 2 c 3')).toBe(':3')
    expect(says('OBJECT ENCODING h')).toBe('listpack')
    expect(says(`HPEXPIREAT h ${NOW + 5000} FIELDS 2 a none`)).toBe('*2 :1 :-2')
    expect(says('OBJECT ENCODING h')).toBe('listpackex')
    expect(says('HPTTL h FIELDS 3 a b none')).toBe('*3 :5000 :-1 :-2')
    expect(says('HTTL h FIELDS 1 a')).toBe('*1 :5')
    expect(says('HEXPIRETIME h FIELDS 1 a')).toBe(`*1 :${(NOW + 5000) / 1000}`)
    expect(says('HPEXPIRETIME h FIELDS 1 a')).toBe(`*1 :${NOW + 5000}`)
    expect(says('HEXPIRE h 10 NX FIELDS 2 a b')).toBe('*2 :0 :1')
    expect(says('HEXPIRE h 3 GT FIELDS 2 a c')).toBe('*2 :0 :0')
    expect(says('HEXPIRE h 3 LT FIELDS 2 a c')).toBe('*2 :1 :1')
    expect(says('HPERSIST h FIELDS 3 a b none')).toBe('*3 :1 :1 :-2')
    expect(says('HPERSIST h FIELDS 1 a')).toBe('*1 :-1')
    expect(says('HTTL absent FIELDS 2 a b')).toBe('*2 :-2 :-2')
    // HSET takes it away, HINCRBY leaves it.
    expect(says('HPEXPIRE h 5000 FIELDS 2 a b')).toBe('*2 :1 :1')
    says('HSET h a 5')
    says('HINCRBY h b 5')
    expect(says('HPTTL h FIELDS 2 a b')).toBe('*2 :-1 :5000')
    checkKeyspace(runner.keyspace)
  })

  it('are hidden from clients when it is over, and stay for the stream', () => {
    says('HSET h a 1 b 2')
    says('HPEXPIRE h 1000 FIELDS 1 a')
    runner.nowMs = NOW + 1001
    expect(says('HGET h a')).toBe('$-1')
    expect(says('HGETALL h')).toBe('*2 b 2')
    expect(says('HEXISTS h a')).toBe(':0')
    expect(says('HRANDFIELD h 5')).toBe('*1 b')
    expect(says('HSCAN h 0')).toBe('*2 0 *2 b 2')
    runner.fromPrimary = true
    expect(says('HINCRBY h a 1')).toBe(':2')
    runner.fromPrimary = false
    expect(says('HGET h a')).toBe('$-1')
    expect(says('HSET h a 9')).toBe(':1')
    expect(says('HGETALL h')).toMatch(/a 9/)
    checkKeyspace(runner.keyspace)
  })

  it('of the past are removed, by clients; the last one takes the key along', () => {
    says('HSET h a 1 b 2')
    expect(says('HPEXPIREAT h 1 FIELDS 1 a')).toBe('*1 :2')
    expect(says('HPEXPIREAT h 1 FIELDS 2 b a')).toBe('*2 :2 :-2')
    expect(says('EXISTS h')).toBe(':0')
    checkKeyspace(runner.keyspace)
  })

  const FIELDS_MISSING = 'ERR Mandatory argument FIELDS is missing or not at the right position'
  const NO_COUNT = 'ERR Number of fields must be a positive integer'
  const COUNT_MISMATCH = 'ERR The `numfields` parameter must match the number of arguments'
  const NEGATIVE = 'ERR invalid expire time, must be >= 0'
  it.each([
    ['HEXPIRE h x FIELDS 1 a', 'ERR value is not an integer or out of range'],
    ['HEXPIRE h 9223372036854775807 FIELDS 1 a', "ERR invalid expire time in 'hexpire' command"],
    ['HPEXPIREAT h 70368744177664 FIELDS 1 a', "ERR invalid expire time in 'hpexpireat' command"],
    ['HEXPIRE h -1 FIELDS 1 a', NEGATIVE],
    ['HEXPIRE nokey -1 FIELDS 1 a', NEGATIVE],
    ['HEXPIRE h 10 FIELDS 0 a', 'ERR Parameter `numFields` should be greater than 0'],
    ['HEXPIRE h 10 FIELDS x a', 'ERR Parameter `numFields` should be greater than 0'],
    ['HEXPIRE h 10 FIELDS 2 a', COUNT_MISMATCH],
    ['HEXPIRE h 10 FIELDS 1 a b', COUNT_MISMATCH],
    ['HEXPIRE h 10 NX XX FIELDS 1 a', FIELDS_MISSING],
    ['HEXPIRE h 10 NX FOO 1 a', FIELDS_MISSING],
    ['HPERSIST h FIELDS 0 a', NO_COUNT],
    ['HPERSIST h FIELDS 2 a', COUNT_MISMATCH],
    ['HPERSIST h FOO 1 a', FIELDS_MISSING],
    ['HTTL nokey FIELDS 0 a', NO_COUNT],
    ['HTTL h FIELDS x a', NO_COUNT],
    ['HGETDEL h FIELDS 3 a', COUNT_MISMATCH],
    ['HGETDEL h FIELDS x a', NO_COUNT],
    ['HGETEX h FIELDS 0 a', NO_COUNT],
    ['HGETEX h EX FIELDS 1 a', 'ERR value is not an integer or out of range'],
    ['HGETEX nokey EX -1 FIELDS 1 a', NEGATIVE],
    ['HGETEX h EX 99999999999999999 FIELDS 1 a', "ERR invalid expire time in 'hgetex' command"],
    ['HGETEX h EX 10 PX 10 FIELDS 1 a', FIELDS_MISSING],
    ['HGETEX h FOO FIELDS 1 a', FIELDS_MISSING],
    ['HSETEX h FIELDS 1 a 1 b', "ERR wrong number of arguments for 'hsetex' command"],
    ['HSETEX h FIELDS 2 a 1', "ERR wrong number of arguments for 'hsetex' command"],
    ['HSETEX h FIELDS 0 a 1', 'ERR invalid number of fields'],
    ['HSETEX h FNX FXX FIELDS 1 a 1', 'ERR Only one of FXX or FNX arguments can be specified'],
    ['HSETEX h EX 10 KEEPTTL FIELDS 1 a 1', 'ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified'],
    ['HSETEX h EX -1 FIELDS 1 a 1', NEGATIVE],
    ['HSETEX h FOO FIELDS 1 a 1', 'ERR unknown argument: FOO'],
  ])('%s is refused as by redis 8.0', (command, error) => {
    says('HSET h a 1 b 2')
    expect(says(command)).toBe(`-${error}`)
    expect(says('HPTTL h FIELDS 2 a b')).toBe('*2 :-1 :-1')
  })

  it('is at most 2^46-1 for clients, and more for the stream and for files', () => {
    says('HSET h a 1 b 2')
    expect(says('HPEXPIREAT h 70368744177663 FIELDS 1 a')).toBe('*1 :1')
    runner.fromPrimary = true
    expect(says('HPEXPIREAT h 140000000000000 FIELDS 1 b')).toBe('*1 :1')
    expect(says('HPEXPIRETIME h FIELDS 2 a b')).toBe('*2 :70368744177663 :140000000000000')
  })

  it('HGETDEL, HGETEX and HSETEX', () => {
    expect(says(`HSETEX h PXAT ${NOW + 7000} FIELDS 2 a 1 b 2`)).toBe(':1')
    expect(says('HPTTL h FIELDS 2 a b')).toBe('*2 :7000 :7000')
    expect(says('HSETEX h FNX FIELDS 1 a 9')).toBe(':0')
    expect(says('HSETEX h FXX FIELDS 1 c 9')).toBe(':0')
    expect(says('HSETEX h KEEPTTL FIELDS 1 a 8')).toBe(':1')
    expect(says('HGETEX h FIELDS 1 a')).toBe('*1 8')
    expect(says('HPTTL h FIELDS 1 a')).toBe('*1 :7000')
    expect(says('HGETEX h PERSIST FIELDS 2 a none')).toBe('*2 8 $-1')
    expect(says('HGETEX h EX 5 FIELDS 1 b')).toBe('*1 2')
    expect(says('HPTTL h FIELDS 2 a b')).toBe('*2 :-1 :5000')
    expect(says('HGETDEL h FIELDS 2 a none')).toBe('*2 8 $-1')
    expect(says('HGETDEL h FIELDS 1 b')).toBe('*1 2')
    expect(says('EXISTS h')).toBe(':0')
    expect(says('HSETEX gone PXAT 1 FIELDS 1 a 1')).toBe(':1')
    expect(says('EXISTS gone')).toBe(':0')
    checkKeyspace(runner.keyspace)
  })

  it('survive DUMP and RESTORE, RENAME and COPY', () => {
    says('HSET h a 1 b 2')
    says('HPEXPIRE h 7000 FIELDS 1 b')
    const dumped = runner.run('DUMP', 'h')
    const payload = dumped.subarray(dumped.indexOf('\r\n') + 2, -2)
    expect(runner.text('RESTORE', 'i', 0, payload)).toBe('+OK\r\n')
    says('COPY h j')
    says('RENAME h k')
    for (const key of ['i', 'j', 'k']) {
      expect(says(`HPTTL ${key} FIELDS 2 a b`)).toBe('*2 :-1 :7000')
      expect(says(`HMGET ${key} a b`)).toBe('*2 1 2')
      expect(says(`OBJECT ENCODING ${key}`)).toBe('listpackex')
    }
    checkKeyspace(runner.keyspace)
  })

  it('are of hashes only', () => {
    says('SET text x')
    expect(says('HPERSIST text FIELDS 1 a')).toMatch(/^-WRONGTYPE/)
  })
})
