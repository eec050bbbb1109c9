import { bitmapCommands, FLAG_NAMES, hyperloglogCommands, stringCommands } from '@understudy/core/internal'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startRedisServer } from '../../support/redis-server.ts'
import type { TestServer } from '../../support/test-server.ts'

const rows = { ...stringCommands, ...bitmapCommands, ...hyperloglogCommands }
/** Commands of later versions. */
const LATER = new Set(['MSETEX', 'DIGEST', 'DELEX'])

describe('string, bitmap and HyperLogLog rows', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startRedisServer()
  })
  afterAll(() => server.stop())

  it('say what COMMAND INFO and COMMAND DOCS of redis-server say', async () => {
    const names = Object.keys(rows).filter((name) => !LATER.has(name))
    expect(names.length).toBe(34)
    for (const name of names) {
      const row = rows[name]!
      const [info] = (await server.call('COMMAND', 'INFO', name)) as [unknown[]]
      const flags = FLAG_NAMES.filter(([flag]) => (row.flags & flag) !== 0).map(([, flag]) => flag)
      expect([name, row.arity, flags.toSorted(), ...row.keys]).toEqual([
        name,
        info[1],
        (info[2] as string[]).toSorted(),
        ...info.slice(3, 6),
      ])
      const [, docs] = (await server.call('COMMAND', 'DOCS', name)) as [string, string[]]
      const doc = (field: string): string | undefined => docs[docs.indexOf(field) + 1]
      expect([name, row.since, row.group]).toEqual([name, doc('since'), doc('group')])
    }
  })

  it('cover every command of the three groups', async () => {
    for (const group of ['string', 'bitmap', 'hyperloglog']) {
      const listed = (await server.call('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', group)) as string[]
      expect(listed.length).toBeGreaterThan(3)
      for (const name of listed) expect(Object.keys(rows)).toContain(name.toUpperCase())
    }
  })
})
