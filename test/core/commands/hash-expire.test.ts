/** Times to live of fields, by the descriptions of redis 7.4 and 8.0: no stock server of that version is at hand. */
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

  it('refuse what is wrong', () => {
    says('HSET h a 1')
    says('SET text x')
    expect(says('HPEXPIREAT h x FIELDS 1 a')).toMatch(/not an integer/)
    expect(says('HPEXPIREAT h -1 FIELDS 1 a')).toMatch(/invalid expire time in 'hpexpireat' command/)
    expect(says('HPEXPIRE h 5 FIELD 1 a')).toMatch(/FIELDS is missing/)
    expect(says('HPEXPIRE h 5 FIELDS 0 a')).toMatch(/greater than 0/)
    expect(says('HPEXPIRE h 5 FIELDS 2 a')).toMatch(/must match/)
    expect(says('HPERSIST text FIELDS 1 a')).toMatch(/^-WRONGTYPE/)
    expect(says('HSETEX h EX 5 KEEPTTL FIELDS 1 a 1')).toMatch(/syntax/)
    expect(says('HGETEX h EX 5 PERSIST FIELDS 1 a')).toMatch(/syntax/)
  })
})
