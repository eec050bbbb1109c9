/** Sets as snapshots and payloads bring them, whose members nobody has compared yet. */
import {
  bytesSource,
  dumpCommands,
  encodeDump,
  objectCommands,
  RDB_TYPE_SET,
  RdbBuffer,
  setCommands,
  sourceBytes,
} from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'

function payloadOf(members: readonly string[]): Uint8Array {
  const out = new RdbBuffer()
  out.count(members.length)
  for (const member of members) out.string(Buffer.from(member), 0, member.length)
  return encodeDump(RDB_TYPE_SET, bytesSource(sourceBytes(out.source())))
}

describe('a set of a payload', () => {
  const kinds: [string, (i: number) => string, string][] = [
    ['words', (i) => `member:${i * 7919}`, 'hashtable'],
    ['integers', (i) => String((i - 3) * 7919), 'intset'],
    ['both', (i) => (i % 2 === 0 ? String(i * 31) : `m${i}`), 'hashtable'],
    ['short words', (i) => (i + 370).toString(36), 'hashtable'],
  ]

  // Packed, nearly too long for that, and in a table.
  for (const [name, memberOf, encoding] of kinds) {
    it.each([1, 2, 7, 40, 300, 510, 2500])(`of ${name} has %i members, and none twice`, (count) => {
      const runner = new CommandRunner([dumpCommands, objectCommands, setCommands])
      const members = Array.from({ length: count }, (_, i) => memberOf(i))
      expect(runner.text('RESTORE', 'set', 0, payloadOf(members))).toBe('+OK\r\n')
      expect(runner.text('SCARD', 'set')).toBe(`:${count}\r\n`)
      for (const member of members) expect(runner.text('SISMEMBER', 'set', member)).toBe(':1\r\n')
      const known = count === 1 && name === 'both' ? 'intset' : count > 512 ? 'hashtable' : encoding
      expect(runner.text('OBJECT', 'ENCODING', 'set')).toContain(known)
      for (const again of [0, count >>> 1, count - 1]) {
        expect(runner.text('RESTORE', 'other', 0, payloadOf([...members, members[again]!]))).toBe(
          '-ERR Bad data format\r\n',
        )
      }
      while (runner.keyspace.freeSlice(1000));
      checkKeyspace(runner.keyspace)
    })
  }
})
