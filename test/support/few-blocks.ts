/** Memory that ends: a keyspace whose arenas have only so many blocks more. */
import { type Keyspace, KeyspaceError } from '@understudy/core/internal'

/** What a client is told then. */
export const OUT_OF_BLOCKS = 'OOM no block for the test'

/** Runs `change` with memory for `count` blocks more, in all regions together. */
export async function withBlocks<T>(keyspace: Keyspace, count: number, change: () => Promise<T> | T): Promise<T> {
  let left = count
  const arenas = keyspace.generation.regions.map(({ arena }) => arena)
  for (const arena of arenas) {
    const allocate = arena.allocate.bind(arena)
    arena.allocate = (bytes) => {
      if (left-- <= 0) throw new KeyspaceError('KEYSPACE_OUT_OF_MEMORY', OUT_OF_BLOCKS.slice('OOM '.length))
      return allocate(bytes)
    }
  }
  try {
    return await change()
  } finally {
    // What is on the object hides the method of its class.
    for (const arena of arenas) Reflect.deleteProperty(arena, 'allocate')
  }
}
