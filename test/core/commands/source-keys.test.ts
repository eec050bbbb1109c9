/** Commands that keep something on the JavaScript heap for each of their keys take a number of them that it has room for. */
import { listMoveCommands, setCommands, zsetCommands } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'

const MOST = 65_536
const REFUSED = `-ERR too many keys for one command, at most ${MOST} are taken\r\n`

/** The same key again and again. A call cannot have so many arguments: they are given as one array. */
function keys(count: number): string[] {
  return Array.from({ length: count }, () => 's')
}

describe('as many keys as fit a request', () => {
  const cases: [...string[]][] = [
    ['SUNION'],
    ['SINTERCARD', 'n'],
    ['ZUNION', 'n'],
    ['ZDIFF', 'n'],
    ['SUNIONSTORE', 'to'],
  ]
  for (const words of cases) {
    it(`${words.join(' ')}: refused to clients, not to the stream`, () => {
      const run = (fromPrimary: boolean, count: number): string => {
        const here = new CommandRunner([setCommands, zsetCommands], { fromPrimary })
        const command = words.map((word) => (word === 'n' ? String(count) : word)).concat(keys(count))
        return here.textOf(command)
      }
      expect(run(false, MOST + 1)).toBe(REFUSED)
      expect(run(true, MOST + 1)).not.toContain('ERR')
      expect(run(false, MOST)).not.toContain('ERR')
    })
  }

  it('BLPOP', () => {
    const here = new CommandRunner([listMoveCommands])
    expect(here.textOf(['BLPOP', ...keys(MOST + 1).concat('1')])).toBe(REFUSED)
    expect(here.textOf(['BLPOP', ...keys(MOST).concat('1')])).not.toContain('ERR')
  })
})
