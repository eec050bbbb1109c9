import { BLOCK_BYTES_MAX, Keyspace, NodeValue } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { withBlocks } from '../../support/few-blocks.ts'

/** Bytes below one index block. */
const SINGLE_INDEX_BYTES = BLOCK_BYTES_MAX * 4096

function bytesOf(value: NodeValue, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from)
  value.read(from, to, bytes, 0)
  return bytes
}

describe('a value of nodes that is cut', () => {
  const text = Buffer.alloc(3 * BLOCK_BYTES_MAX, 'some text ')

  it.each([
    ['inside of one node', 100, 200],
    ['by some nodes', 5000, 3 * BLOCK_BYTES_MAX],
    ['at the end of a node', BLOCK_BYTES_MAX, 2 * BLOCK_BYTES_MAX],
    ['to nothing', 0, 2 * BLOCK_BYTES_MAX],
    ['by a level of index', SINGLE_INDEX_BYTES - 10, SINGLE_INDEX_BYTES + 3 * BLOCK_BYTES_MAX],
    ['by index blocks', SINGLE_INDEX_BYTES + 10, 2 * SINGLE_INDEX_BYTES + 10],
  ])('%s is as before, and nothing is left behind', (_name, before, after) => {
    const { generation } = new Keyspace({ databaseCount: 1 })
    const region = generation.regions[0]!
    const value = new NodeValue().open(region, 0, 0)
    const written = Math.min(before, text.length)
    value.grow(before)
    value.write(before - written, text, 0, written)
    for (let round = 0; round < 2; round++) {
      value.grow(after)
      value.write(Math.max(before, after - text.length), text, 0, after - Math.max(before, after - text.length))
      value.cut(before)
      expect(value.length).toBe(before)
      expect(bytesOf(value, before - written, before).equals(text.subarray(0, written))).toBe(true)
    }
    value.grow(after)
    expect(bytesOf(value, before, Math.min(after, before + 100_000)).every((byte) => byte === 0)).toBe(true)
    value.freeNodes(0, value.nodeCount)
    expect(region.arena.usedBytes).toBe(0)
  })

  it('needs no memory', async () => {
    const keyspace = new Keyspace({ databaseCount: 1 })
    const value = new NodeValue().open(keyspace.generation.regions[0]!, 0, 0)
    value.fill(text, 0, 20_000)
    value.grow(text.length)
    await withBlocks(keyspace, 0, () => value.cut(20_000))
    expect(bytesOf(value, 0, 20_000).equals(text.subarray(0, 20_000))).toBe(true)
  })
})
