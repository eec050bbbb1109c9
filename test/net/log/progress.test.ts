import { closeSync, openSync } from 'node:fs'
import { barStream, etaSeconds, ProgressBar, progressText } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'

describe('progress', () => {
  it('is told in megabytes, keys and seconds left', () => {
    const progress = { doneBytes: 250e6, totalBytes: 1000e6, keys: 3_000_000, elapsedMs: 1500 }
    expect(progressText(progress)).toBe('25%, 250.0 of 1000.0 MB, 166.7 MB/s, 2.00 M keys/s, ETA 5 s')
    expect(etaSeconds(progress)).toBeCloseTo(4.5)
  })

  it('has no share and no end when the length is not known, or nothing has come', () => {
    const unknown = { doneBytes: 5e5, totalBytes: 0, keys: 50_000, elapsedMs: 1000 }
    expect(progressText(unknown)).toBe('0.5 MB, 0.5 MB/s, 50 k keys/s')
    expect(progressText({ doneBytes: 0, totalBytes: 10, keys: 0, elapsedMs: 0 })).toBe(
      '0%, 0.0 of 0.0 MB, 0.0 MB/s, 0 keys/s',
    )
  })

  it('is drawn on a terminal, ten times a second, in one line', () => {
    const written: string[] = []
    const bar = new ProgressBar({ isTTY: true, columns: 60, write: (text) => written.push(text) }, 'dump.rdb')
    for (let elapsedMs = 0; elapsedMs < 1000; elapsedMs += 10) {
      bar.show({ doneBytes: elapsedMs, totalBytes: 1000, keys: 1, elapsedMs })
    }
    expect(written).toHaveLength(10)
    expect(written[5]?.startsWith(`\r\u001b[Kdump.rdb [${'#'.repeat(15)}${'.'.repeat(15)}] 50%`)).toBe(true)
    for (const line of written) expect(line.length).toBeLessThanOrEqual(59 + 4)
    bar.end()
    expect(written.at(-1)).toBe('\r\u001b[K')
  })

  it('is drawn on no terminal that is gone, which is no fault', () => {
    const fd = openSync('/dev/null', 'r')
    const bar = new ProgressBar(barStream({ fd, isTTY: true, columns: 60 }), 'dump.rdb')
    bar.show({ doneBytes: 1, totalBytes: 2, keys: 1, elapsedMs: 0 })
    closeSync(fd)
    bar.show({ doneBytes: 1, totalBytes: 2, keys: 1, elapsedMs: 1000 })
    bar.end()
  })

  it('is drawn nowhere else', () => {
    const bar = new ProgressBar({ write: () => expect.unreachable() }, 'dump.rdb')
    bar.show({ doneBytes: 1, totalBytes: 2, keys: 1, elapsedMs: 1000 })
    bar.end()
  })
})
