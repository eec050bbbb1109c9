import { Keyspace } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { collectUntil } from '../../support/collected.ts'

it('lookups of keys that were announced hold the bytes no longer than other registers do', async () => {
  const keyspace = new Keyspace({ databaseCount: 1 })
  const announceIn = (): WeakRef<Uint8Array> => {
    const bytes = Uint8Array.from(Buffer.from('key'))
    keyspace.lookupsAhead.begin(bytes)
    keyspace.lookupsAhead.add(0, bytes.length)
    keyspace.lookupsAhead.touch(keyspace.generation, 0)
    return new WeakRef(bytes)
  }
  const announced = announceIn()
  expect(await collectUntil(() => announced.deref() === undefined)).toBe(true)
  // Of use again afterwards.
  const again = announceIn()
  expect(keyspace.lookup(0, again.deref()!, 0, 3)).toBe(false)
})
