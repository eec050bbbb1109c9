import type { RdbLoadResult } from '@understudy/core/internal'
import { LoadReport } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'
import { RdbBuilder } from '../../support/rdb-builder.ts'
import { scanBytes } from '../../support/scan-rdb.ts'

function twoKeys(): RdbLoadResult {
  const { summary, keyCount } = scanBytes(new RdbBuilder().text('a', 'b').text('c', 'd').end())
  return { generation: { control: new SharedArrayBuffer(0), segments: [] }, summary, keyCount }
}

describe('the report', () => {
  function report(): { report: LoadReport; log: string[]; drawn: string[] } {
    const log: string[] = []
    const drawn: string[] = []
    const note = (text: string): void => void log.push(text)
    const logger = { debug: note, verbose: note, notice: note, warning: (text: string) => note(`! ${text}`) }
    return {
      report: new LoadReport(logger, { isTTY: true, columns: 100, write: (text) => drawn.push(text) }),
      log,
      drawn,
    }
  }

  it('logs every five seconds, draws in between, and sums up', () => {
    const { report: loading, log, drawn } = report()
    for (let elapsedMs = 0; elapsedMs <= 12_000; elapsedMs += 20) {
      loading.tick({ doneBytes: elapsedMs * 1000, totalBytes: 20e6, keys: elapsedMs * 10, elapsedMs })
    }
    expect(log).toEqual([
      'Loading: 25%, 5.0 of 20.0 MB, 1.0 MB/s, 10 k keys/s, ETA 15 s',
      'Loading: 50%, 10.0 of 20.0 MB, 1.0 MB/s, 10 k keys/s, ETA 10 s',
    ])
    expect(drawn.length).toBeGreaterThan(100)
    loading.loaded(twoKeys(), 2000)
    expect(log.slice(2)).toEqual([
      expect.stringMatching(/^Loaded 2 keys in 2\.000 seconds: 0\.0 MB, 0\.0 MB\/s, 1 keys\/s$/),
    ])
    expect(drawn.at(-1)).toBe('\r\u001b[K')
  })

  it('a load that begins while another was seen starts its own five seconds', () => {
    const { report: loading, log } = report()
    const at = (elapsedMs: number): void => loading.tick({ doneBytes: 1, totalBytes: 0, keys: 0, elapsedMs })
    at(6000)
    at(100)
    at(4900)
    expect(log).toHaveLength(1)
    at(5000)
    expect(log).toHaveLength(2)
  })
})
