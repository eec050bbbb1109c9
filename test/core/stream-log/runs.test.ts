import { describe, expect, it } from 'vitest'
import { historyAt, type LoggedHistory, logRuns, runBehind, type SegmentSummary } from '@understudy/core/internal'

const replid = (digit: string): string => digit.repeat(40)

interface Told {
  readonly at: number
  readonly id: string
  /** Ids before it, and the numbers of their last bytes. */
  readonly past?: readonly (readonly [id: string, upTo: number])[]
  readonly begins?: boolean
}

function segment(sequence: number, endOffset: number, ...told: readonly Told[]): SegmentSummary {
  const histories = told.map(({ at, id, past = [], begins = false }): LoggedHistory => ({
    offset: at,
    beginsRun: begins,
    history: { replid: replid(id), past: past.map(([old, upTo]) => ({ replid: replid(old), endsBefore: upTo + 1 })) },
  }))
  return { sequence, fileBytes: 0, histories, endOffset }
}

/** Pieces as `sequence:from-to`. */
const shown = (segments: readonly SegmentSummary[]): string[] =>
  logRuns(segments).map(({ pieces }) => pieces.map(({ sequence, from, to }) => `${sequence}:${from}-${to}`).join(' '))

describe('logRuns', () => {
  it('joins segments that follow each other', () => {
    expect(shown([segment(1, 200, { at: 100, id: 'a', begins: true }), segment(2, 300, { at: 200, id: 'a' })])).toEqual(
      ['1:100-200 2:200-300'],
    )
  })

  it('lets a later segment have what both have', () => {
    const torn = segment(3, 290, { at: 250, id: 'a' })
    const again = segment(4, 400, { at: 240, id: 'b', past: [['a', 240]] })
    const first = segment(2, 250, { at: 100, id: 'a' })
    expect(shown([first, torn, again])).toEqual(['2:100-240 4:240-400'])
    expect(logRuns([first, torn, again])[0]!.histories.map(({ offset }) => offset)).toEqual([100, 240])
  })

  it('does not join over a gap, into another history, or where a run begins', () => {
    const first = segment(1, 200, { at: 100, id: 'a' })
    expect(shown([first, segment(2, 300, { at: 201, id: 'a' })])).toHaveLength(2)
    expect(shown([first, segment(2, 300, { at: 200, id: 'b' })])).toHaveLength(2)
    expect(shown([first, segment(2, 300, { at: 200, id: 'b', past: [['a', 150]] })])).toHaveLength(2)
    expect(shown([first, segment(2, 300, { at: 200, id: 'a', begins: true })])).toHaveLength(2)
    expect(shown([first, segment(2, 300, { at: 50, id: 'a' })])).toHaveLength(2)
  })

  it('passes over segments without a good record', () => {
    expect(
      shown([
        segment(1, -1),
        segment(2, 200, { at: 100, id: 'a' }),
        segment(3, -1),
        segment(4, 300, { at: 200, id: 'a' }),
      ]),
    ).toEqual(['2:100-200 4:200-300'])
    expect(shown([])).toEqual([])
  })
})

describe('runBehind', () => {
  const promoted = segment(1, 400, { at: 100, id: 'a' }, { at: 300, id: 'b', past: [['a', 300]] })

  it.each([
    ['a', 100, true],
    ['a', 300, true],
    ['a', 301, false],
    ['b', 300, true],
    ['b', 400, true],
    ['b', 401, false],
    ['a', 99, false],
    ['c', 200, false],
  ] as const)('of data of history %s up to byte %i: %s', (id, offset, isFound) => {
    expect(runBehind(logRuns([promoted]), replid(id), offset) !== undefined).toBe(isFound)
  })

  it('takes the latest that has it', () => {
    const runs = logRuns([
      segment(1, 400, { at: 100, id: 'a', begins: true }),
      segment(2, 500, { at: 300, id: 'a', begins: true }),
    ])
    expect(runBehind(runs, replid('a'), 350)).toBe(runs[1])
    expect(runBehind(runs, replid('a'), 299)).toBe(runs[0])
  })

  it('tells whose the bytes are', () => {
    const { histories } = logRuns([promoted])[0]!
    expect(historyAt(histories, 299)?.replid).toBe(replid('a'))
    expect(historyAt(histories, 300)?.replid).toBe(replid('b'))
    expect(historyAt(histories, 99)).toBeUndefined()
  })
})
