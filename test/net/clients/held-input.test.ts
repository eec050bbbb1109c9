/** Input that is held back comes out as it came in, in blocks of bounded length, and takes little more memory than it is long. */
import { HeldInput } from '@understudy/net/internal'
import { expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

const BLOCK_BYTES_MAX: number = 64 * 1024

it('gives back what came, in the order in which it came', () => {
  const random = new SeededRandom(20_261_124)
  for (let round = 0; round < 50; round++) {
    const input = new HeldInput()
    const came: Buffer[] = []
    const given: Buffer[] = []
    const take = (): boolean => {
      const block = input.take()
      if (block === undefined) return false
      expect(block.length).toBeLessThanOrEqual(BLOCK_BYTES_MAX)
      given.push(block)
      return true
    }
    let leftBytes = 0
    for (let step = 0; step < 40; step++) {
      if (random.chance(0.3)) {
        const before = given.length
        take()
        leftBytes -= given[before]?.length ?? 0
      } else {
        const chunk = random.bytes(random.int(1, random.pick([3, 300, 70_000])))
        const length = random.int(0, chunk.length)
        came.push(Buffer.from(chunk.subarray(0, length)))
        input.append(chunk, length)
        // The chunk is somebody else's again.
        chunk.fill(0)
        leftBytes += length
      }
      expect(input.byteLength).toBe(leftBytes)
      expect(input.memoryBytes).toBeLessThanOrEqual(2 * leftBytes + BLOCK_BYTES_MAX)
    }
    while (take()) continue
    expect(Buffer.concat(given).equals(Buffer.concat(came))).toBe(true)
    expect([input.byteLength, input.memoryBytes]).toEqual([0, 0])
  }
})

it('takes little memory for a little', () => {
  const input = new HeldInput()
  input.append(Buffer.from('PING\r\n'), 6)
  expect(input.memoryBytes).toBeLessThanOrEqual(256)
})
