/** The examples of docs/formats/record.md, byte for byte: who changes the layout has to change the page. */
import { Keyspace } from '@understudy/core/internal'
import { expect, it } from 'vitest'

const HASH_SEED = Uint8Array.from({ length: 16 }, (_, i) => i + 1)

function recordOf(key: string, value: string, expireAtMs: number, length: number): string {
  const keyspace = new Keyspace({ databaseCount: 16, hashSeed: HASH_SEED })
  const k = Buffer.from(key)
  const v = Buffer.from(value)
  keyspace.access.clock = 0x4ac9
  keyspace.begin()
  keyspace.put(0, k, 0, k.length, 0, 0, v, 0, v.length, expireAtMs)
  keyspace.end()
  keyspace.lookup(0, k, 0, k.length)
  const { address, region } = keyspace.entry
  const offset = (address & 0x0fffffff) * 8
  const place = `${region.index} ${(address >>> 0).toString(16).padStart(8, '0')}`
  const bytes = Buffer.from(region.memory.u8[address >>> 28]!.subarray(offset, offset + length))
  return `${place} ${bytes.toString('hex')}`
}

it('a small string is its header, its key and its value', () => {
  expect(recordOf('greeting', 'hello', -1, 21)).toBe('4 10002000 000008000540b2126772656574696e6768656c6c6f')
})

it('a time to live stands behind the header', () => {
  expect(recordOf('session:42', 'x=1', 1_800_000_000_000, 29)).toBe(
    '0 10002000 00010a000340b21200505c18a301000073657373696f6e3a3432783d31',
  )
})

it('a long value is named by its length, the root of its nodes and their region', () => {
  expect(recordOf('big', 'y'.repeat(40_000), -1, 27)).toBe(
    '3 10002000 000203000040b212409c0000000000000040001003000000626967',
  )
})
