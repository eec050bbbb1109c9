import { describe, expect, it } from 'vitest'
import { PushReply, readAllReplies, readReplyAt, ReplyError } from './resp-reader.ts'

const read = (text: string): unknown => readAllReplies(Buffer.from(text))[0]

describe('readReplyAt', () => {
  it.each([
    ['+OK\r\n', 'OK'],
    [':-7\r\n', -7],
    [':9223372036854775807\r\n', 9223372036854775807n],
    ['$5\r\na\r\nbc\r\n', 'a\r\nbc'],
    ['$0\r\n\r\n', ''],
    ['$-1\r\n', null],
    ['*-1\r\n', null],
    ['_\r\n', null],
    ['*2\r\n:1\r\n*0\r\n', [1, []]],
    [',1.5e3\r\n', 1500],
    [',-inf\r\n', -Infinity],
    [',nan\r\n', NaN],
    ['#t\r\n', true],
    ['(12345678901234567890123\r\n', 12345678901234567890123n],
    ['=8\r\ntxt:text\r\n', 'text'],
    ['%1\r\n+a\r\n:1\r\n', new Map([['a', 1]])],
    ['~2\r\n:1\r\n:2\r\n', new Set([1, 2])],
    ['|1\r\n+ttl\r\n:3\r\n+OK\r\n', 'OK'],
    ['>2\r\n+message\r\n+x\r\n', new PushReply(['message', 'x'])],
    ['-WRONGTYPE no\r\n', new ReplyError('WRONGTYPE no')],
    ['!9\r\nERR a\r\nbc\r\n', new ReplyError('ERR a\r\nbc')],
  ])('reads %j', (text, expected) => {
    expect(read(text)).toEqual(expected)
    // Every shorter input is incomplete, never wrong.
    for (let count = 0; count < text.length; count++) {
      const result = readReplyAt(Buffer.from(text.slice(0, count)), 0)
      expect(result, `first ${count} bytes`).toHaveProperty('bytesNeeded')
      if ('bytesNeeded' in result) expect(result.bytesNeeded).toBeGreaterThan(count)
    }
  })

  it.each([
    'OK\r\n',
    '+OK\n',
    ':1x\r\n',
    '$01\r\na\r\n',
    '$1\r\nab\r\n',
    '#x\r\n',
    '*-2\r\n',
    '_x\r\n',
    '(1.5\r\n',
    '+a\rb\r\n',
  ])('refuses %j', (text) => {
    expect(() => read(text)).toThrow('not RESP')
  })

  it('gives strings as bytes when asked', () => {
    const bytes = Buffer.from([0x24, 0x32, 13, 10, 0xff, 0x00, 13, 10])
    expect(readAllReplies(bytes, true)).toEqual([Buffer.from([0xff, 0x00])])
  })

  it('refuses bytes behind the last whole reply', () => {
    expect(() => readAllReplies(Buffer.from('+OK\r\n$5\r\nab'))).toThrow('incomplete reply at byte 5 of 11')
  })
})
