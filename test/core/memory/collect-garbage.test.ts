import { collectGarbage, collectGarbageInSteps } from '@understudy/core/internal'
import vm from 'node:vm'
import { describe, expect, it, vi } from 'vitest'

/** What died while V8 was marking already is taken for alive by that collection. */
const COLLECTIONS_MAX = 5

/** A buffer that nobody holds, and what tells whether it is still there. */
function dropped(): WeakRef<SharedArrayBuffer> {
  return new WeakRef(new SharedArrayBuffer(1 << 20))
}

describe.each([
  ['in one piece', collectGarbage],
  ['in steps', collectGarbageInSteps],
])('collecting %s', (_, collect) => {
  it('frees a buffer that nobody holds', { timeout: 30_000 }, async () => {
    const buffer = dropped()
    for (let i = 0; i < COLLECTIONS_MAX; i++) {
      await collect()
      if (buffer.deref() === undefined) return
      // A reference that was looked at holds to the end of its turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect.fail('it is still there')
  })

  it('is asked for twice at once', { timeout: 30_000 }, async () => {
    await Promise.all([collect(), collect()])
  })

  it('says nothing on standard error, and leaves warnings of others alone', { timeout: 30_000 }, async () => {
    const warnings: string[] = []
    const note = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', note)
    await collect()
    process.emitWarning('one of somebody else')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual(['one of somebody else'])
  })
})

it('collects in one piece where memory cannot be measured', { timeout: 30_000 }, async () => {
  const measure = vi.spyOn(vm, 'measureMemory').mockRejectedValue(new Error('not here'))
  const buffer = dropped()
  for (let i = 0; i < COLLECTIONS_MAX && buffer.deref() !== undefined; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    await collectGarbageInSteps()
  }
  expect(measure).toHaveBeenCalled()
  measure.mockRestore()
  expect(buffer.deref()).toBeUndefined()
})
