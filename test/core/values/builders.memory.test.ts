/** What builders keep of a value with long items when it is made: nothing. */
import { BulkWriter, Generation, RDB_TYPE_HASH, RDB_TYPE_ZSET_2 } from '@understudy/core/internal'
import { expect, it } from 'vitest'
import { arrayBytesLeftBy } from '../../support/collected.ts'
import { RdbBuilder } from '../../support/rdb-builder.ts'

const LONG_BYTES: number = 16 << 20
const NOISE_BYTES: number = 2 << 20
const HASH_SEED = Uint8Array.from({ length: 16 }, (_, i) => i)

function load(rdbType: number, value: Buffer): void {
  const bytes = Buffer.concat([Buffer.from('key'), value])
  const writer = new BulkWriter(Generation.create({ databaseCount: 1, hashSeed: HASH_SEED }))
  writer.put(0, rdbType, bytes, 0, 3, bytes, 3, bytes.length, -1, -1, -1)
  writer.flush()
  writer.generation.letGo()
}

const long = 'x'.repeat(LONG_BYTES)
const score = Buffer.alloc(8)

it.each([
  [
    'a member of a sorted set',
    RDB_TYPE_ZSET_2,
    (text: string) => new RdbBuilder('').length(1).string(text).raw(score).bytes(),
  ],
  ['a field of a hash', RDB_TYPE_HASH, (text: string) => new RdbBuilder('').length(1).string(text).string('').bytes()],
])('%s', async (_name, rdbType, valueWith) => {
  const left = await arrayBytesLeftBy(() => {
    load(rdbType, valueWith(long))
    // Builders and registers know the load that they worked for last.
    load(rdbType, valueWith(long.slice(0, 20_000)))
  }, NOISE_BYTES)
  expect(left).toBeLessThan(NOISE_BYTES)
})
