import { snapshotAux, snapshotPosition, streamDb } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { FACTS } from '../../support/snapshot-bytes.ts'

const REPLID = '0123456789abcdef0123456789abcdef01234567'

describe('the position in a snapshot', () => {
  it('comes back as it was written', () => {
    for (const offset of [0, 1, 2 ** 53 - 1]) {
      const position = { replid: REPLID, offset }
      const aux = snapshotAux({ ...FACTS, streamDb: 15, position })
      expect(snapshotPosition(aux)).toEqual({ ...position, db: 15 })
    }
    expect(snapshotPosition(snapshotAux(FACTS))).toBeUndefined()
  })

  it('is left out where nobody knows the history; the database of the stream is not', () => {
    const aux = snapshotAux({ ...FACTS, streamDb: 5 })
    expect(aux.map(([name]) => name)).toEqual([
      'redis-ver',
      'redis-bits',
      'ctime',
      'used-mem',
      'repl-stream-db',
      'aof-base',
    ])
    expect(streamDb(aux)).toBe(5)
    expect(snapshotPosition(aux)).toBeUndefined()
  })

  it.each([
    ['no id', [['repl-offset', '5']]],
    ['no offset', [['repl-id', REPLID]]],
    [
      'a short id',
      [
        ['repl-id', REPLID.slice(1)],
        ['repl-offset', '5'],
      ],
    ],
    [
      'a long id',
      [
        ['repl-id', `${REPLID}8`],
        ['repl-offset', '5'],
      ],
    ],
    [
      'the id of nobody',
      [
        ['repl-id', '0'.repeat(40)],
        ['repl-offset', '5'],
      ],
    ],
    [
      'an id that would not be one word',
      [
        ['repl-id', `${REPLID.slice(2)}\r\n`],
        ['repl-offset', '5'],
      ],
    ],
    [
      'a negative offset',
      [
        ['repl-id', REPLID],
        ['repl-offset', '-1'],
      ],
    ],
    [
      'an offset that is none',
      [
        ['repl-id', REPLID],
        ['repl-offset', 'five'],
      ],
    ],
    [
      'an offset beyond all numbers',
      [
        ['repl-id', REPLID],
        ['repl-offset', '1e300'],
      ],
    ],
    [
      'an empty offset',
      [
        ['repl-id', REPLID],
        ['repl-offset', ''],
      ],
    ],
  ] as [string, [string, string][]][])('is not taken from %s', (_name, aux) => {
    expect(snapshotPosition(aux)).toBeUndefined()
  })

  it('is in database 0 unless a number says otherwise', () => {
    expect(streamDb([['repl-stream-db', '7']])).toBe(7)
    for (const text of ['-1', '', 'x', '99999999999']) expect(streamDb([['repl-stream-db', text]])).toBe(0)
    expect(streamDb([])).toBe(0)
  })
})
