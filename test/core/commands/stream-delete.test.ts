/** XDELEX, XACKDEL and the options of Redis 8.2 that say what becomes of pending entries. No stock server of that version is here. */
import { streamCommands } from '@understudy/core/internal'
import { beforeEach, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { checkKeyspace } from '../../support/keyspace-check.ts'
import { readAllReplies, type Reply } from '../../support/resp-reader.ts'

let here: CommandRunner

function call(...command: readonly (string | number)[]): Reply {
  return readAllReplies(here.run(...command))[0]!
}

function ids(replies: Reply): string[] {
  return (replies as Reply[]).map((entry) => String((entry as Reply[])[0]))
}

function entries(): string[] {
  return ids(call('XRANGE', 's', '-', '+'))
}

/** IDs that the stream has, and those pending in each group. */
function state(): { entries: string[]; pending: Record<string, string[]> } {
  const groups = ['g', 'h'].map((group) => [group, ids(call('XPENDING', 's', group, '-', '+', 1000))])
  return { entries: entries(), pending: Object.fromEntries(groups) }
}

/** Entries 1-0 to 6-0: g has got the first four and has 2-0 acknowledged, h the first two and none. */
beforeEach(() => {
  here = new CommandRunner([streamCommands], { nowMs: 1_700_000_000_000 })
  here.settings.encodings.streamNodeMaxEntries = 3
  for (let ms = 1; ms <= 6; ms++) call('XADD', 's', `${ms}-0`, 'f', 'v')
  call('XGROUP', 'CREATE', 's', 'g', '0')
  call('XGROUP', 'CREATE', 's', 'h', '0')
  call('XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '4', 'STREAMS', 's', '>')
  call('XREADGROUP', 'GROUP', 'h', 'bob', 'COUNT', '2', 'STREAMS', 's', '>')
  call('XACK', 's', 'g', '2-0')
})

describe('XDELEX', () => {
  it('KEEPREF, the default, leaves what is pending', () => {
    expect(call('XDELEX', 's', 'IDS', 3, '1-0', '9-0', '3-0')).toEqual([1, -1, 1])
    expect(call('XDELEX', 's', 'KEEPREF', 'IDS', 1, '6-0')).toEqual([1])
    expect(state()).toEqual({
      entries: ['2-0', '4-0', '5-0'],
      pending: { g: ['1-0', '3-0', '4-0'], h: ['1-0', '2-0'] },
    })
    checkKeyspace(here.keyspace)
  })

  it('DELREF takes entries out of every group, also those that are gone', () => {
    call('XDEL', 's', '4-0')
    expect(call('XDELEX', 's', 'delref', 'IDS', 2, '1-0', '4-0')).toEqual([1, -1])
    expect(state()).toEqual({ entries: ['2-0', '3-0', '5-0', '6-0'], pending: { g: ['3-0'], h: ['2-0'] } })
    checkKeyspace(here.keyspace)
  })

  it('ACKED keeps what a group has pending or still has to get', () => {
    expect(call('XDELEX', 's', 'IDS', 3, '1-0', '2-0', '5-0', 'ACKED')).toEqual([2, 2, 2])
    call('XACK', 's', 'h', '2-0')
    expect(call('XDELEX', 's', 'ACKED', 'IDS', 4, '1-0', '2-0', '3-0', '7-0')).toEqual([2, 1, 2, -1])
    call('XGROUP', 'DESTROY', 's', 'h')
    call('XGROUP', 'DESTROY', 's', 'g')
    expect(call('XDELEX', 's', 'ACKED', 'IDS', 1, '1-0')).toEqual([1])
  })

  it('answers for keys that are not there, and refuses what it does not understand', () => {
    expect(call('XDELEX', 'none', 'IDS', 2, '1-0', '2-0')).toEqual([-1, -1])
    const text = (...command: readonly (string | number)[]): string => here.text(...command)
    expect(text('XDELEX', 's', 'IDS', 0, '1-0')).toBe('-ERR Number of IDs must be a positive integer\r\n')
    expect(text('XDELEX', 's', 'IDS', 'x', '1-0')).toBe('-ERR Number of IDs must be a positive integer\r\n')
    expect(text('XDELEX', 's', 'IDS', 2, '1-0')).toBe(
      '-ERR The `numids` parameter must match the number of arguments\r\n',
    )
    for (const wrong of [
      ['KEEPREF', 'ACKED', '1-0'],
      ['KEEPREF', 'ACKED', 'IDS', 1, '1-0'],
      ['IDS', 1, '1-0', '2-0'],
      ['IDS', 1, '1-0', 'IDS', 1, '2-0'],
    ]) {
      expect(text('XDELEX', 's', ...wrong)).toBe('-ERR syntax error\r\n')
    }
    expect(text('XDELEX', 's', 'IDS', 2, '1-0', 'x')).toMatch(/^-ERR Invalid stream ID/)
    expect(entries()).toHaveLength(6)
  })
})

describe('XACKDEL', () => {
  it('acknowledges and deletes what is pending in the group', () => {
    expect(call('XACKDEL', 's', 'g', 'IDS', 3, '1-0', '2-0', '9-0')).toEqual([1, -1, -1])
    expect(state()).toEqual({
      entries: ['2-0', '3-0', '4-0', '5-0', '6-0'],
      pending: { g: ['3-0', '4-0'], h: ['1-0', '2-0'] },
    })
    expect(call('XACKDEL', 's', 'h', 'DELREF', 'IDS', 1, '2-0')).toEqual([1])
    expect(call('XACKDEL', 's', 'h', 'IDS', 1, '1-0'), 'pending, though the entry is gone').toEqual([1])
    expect(state().pending['h']).toEqual([])
    checkKeyspace(here.keyspace)
  })

  it('ACKED acknowledges and deletes only what no other group refers to', () => {
    expect(call('XACKDEL', 's', 'h', 'ACKED', 'IDS', 2, '1-0', '2-0')).toEqual([2, 1])
    expect(call('XACKDEL', 's', 'g', 'ACKED', 'IDS', 2, '1-0', '3-0')).toEqual([1, 2])
    expect(state()).toEqual({ entries: ['3-0', '4-0', '5-0', '6-0'], pending: { g: ['4-0'], h: [] } })
  })

  it('knows no ID in a group or key that is not there', () => {
    expect(call('XACKDEL', 's', 'none', 'IDS', 1, '1-0')).toEqual([-1])
    expect(call('XACKDEL', 'none', 'g', 'IDS', 2, '1-0', '2-0')).toEqual([-1, -1])
  })
})

describe('trimming with a policy', () => {
  it('DELREF forgets the pending entries that go', () => {
    expect(call('XTRIM', 's', 'MAXLEN', '=', 4, 'DELREF')).toBe(2)
    expect(state()).toEqual({ entries: ['3-0', '4-0', '5-0', '6-0'], pending: { g: ['3-0', '4-0'], h: [] } })
    expect(call('XADD', 's', 'DELREF', 'MINID', '5-0', '7-0', 'f', 'v')).toBe('7-0')
    expect(state()).toEqual({ entries: ['5-0', '6-0', '7-0'], pending: { g: [], h: [] } })
    checkKeyspace(here.keyspace)
  })

  it('ACKED leaves what is referred to', () => {
    call('XACK', 's', 'h', '2-0')
    expect(call('XTRIM', 's', 'ACKED', 'MAXLEN', 3)).toBe(1)
    expect(entries()).toEqual(['1-0', '3-0', '4-0', '5-0', '6-0'])
    call('XGROUP', 'DESTROY', 's', 'h')
    call('XACK', 's', 'g', '1-0', '3-0')
    expect(call('XTRIM', 's', 'MINID', '6-0', 'ACKED')).toBe(2)
    expect(entries()).toEqual(['4-0', '5-0', '6-0'])
    checkKeyspace(here.keyspace)
  })

  it('~ takes whole nodes only', () => {
    expect(call('XTRIM', 's', 'MAXLEN', '~', 4, 'DELREF')).toBe(0)
    expect(call('XTRIM', 's', 'MAXLEN', '~', 3, 'DELREF')).toBe(3)
    expect(state()).toEqual({ entries: ['4-0', '5-0', '6-0'], pending: { g: ['4-0'], h: [] } })
  })

  it('empties a stream', () => {
    expect(call('XTRIM', 's', 'MAXLEN', 0, 'DELREF')).toBe(6)
    expect(state()).toEqual({ entries: [], pending: { g: [], h: [] } })
    checkKeyspace(here.keyspace)
  })
})

it('XADD from the stream may name its producer', () => {
  here.fromPrimary = true
  expect(call('XADD', 's', 'IDMP', 'producer', 'i1', '7-0', 'f', 'v')).toBe('7-0')
  expect(call('XADD', 's', 'KEEPREF', 'IDMPAUTO', 'producer', 'MAXLEN', '=', 2, '8-0', 'f', 'v')).toBe('8-0')
  expect(entries()).toEqual(['7-0', '8-0'])
})
