/**
 * A replica that follows a primary's values of one type: loaded from its snapshot, then changed by every command that it can
 * send. Digests and encodings of the replica are the primary's all the way.
 */
import { expect, it } from 'vitest'
import { equalDigests, untilEqualOffsets } from '../support/compare-datasets.ts'
import type { Argument, RawClient } from '../support/raw-client.ts'
import { comparesReplies } from '../support/redis-server.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { Directives, TestServer } from '../support/test-server.ts'
import { startPrimary, startReplica } from './topology.ts'

export interface FollowedType {
  /** Directives of the primary, and of the replica where they are about values. */
  readonly variants: readonly Directives[]
  /** Writes what the snapshot will have. */
  readonly fill: (client: RawClient, random: SeededRandom) => Promise<void>
  /** The next command of the stream. */
  readonly change: (random: SeededRandom) => Argument[]
  /** Keys whose OBJECT ENCODING is compared with redis 7.0's; none where the replica need not agree. */
  readonly encodedKeys: readonly string[]
  /** After FLUSHALL: makes a key with the one element 'x', and reads it. */
  readonly last: { readonly make: Argument[]; readonly read: Argument[] }
  readonly rounds: number
}

const COMMANDS_PER_ROUND = 1500
/** About the snapshot, or about what a list here does not have. */
const PRIMARY_ONLY = ['repl-diskless-sync', 'rdbcompression', 'list-compress-depth']

async function encodings(server: TestServer, keys: readonly string[]): Promise<unknown[]> {
  const client = await server.raw()
  return client.pipeline(keys.map((key) => ['OBJECT', 'ENCODING', key]))
}

/** Declares one test per variant. */
export function followsType({ variants, fill, change, encodedKeys, last, rounds }: FollowedType): void {
  it.each(variants.map((variant, i) => [i, variant] as const))(
    'variant %i',
    { timeout: 120_000 },
    async (index, variant) => {
      const isReference = await comparesReplies()
      const random = new SeededRandom(index + 1)
      const primary = await startPrimary(variant)
      const client = await primary.raw({ timeoutMs: 30_000 })
      await fill(client, random)
      const shared = Object.fromEntries(Object.entries(variant).filter(([name]) => !PRIMARY_ONLY.includes(name)))
      const replica = await startReplica(primary, shared)
      const same = async (): Promise<void> => {
        await equalDigests(primary, replica)
        if (isReference) expect(await encodings(replica, encodedKeys)).toEqual(await encodings(primary, encodedKeys))
      }
      await same()
      for (let round = 0; round < rounds; round++) {
        await client.pipeline(Array.from({ length: COMMANDS_PER_ROUND }, () => change(random)))
        await same()
      }
      expect((await replica.info('replication'))['stream_commands_not_applied']).toBe('0')
      // Freed in slices while the stream goes on.
      await client.pipeline([['FLUSHALL'], last.make])
      await untilEqualOffsets(primary, replica)
      expect(await replica.call(...last.read)).toEqual(['x'])
      await equalDigests(primary, replica)
    },
  )
}
