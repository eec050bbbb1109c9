/** What a command did cannot be told, not even as what its keys hold: replicas below begin anew, and so does the log. */
import { datasetDigest } from '@understudy/core/internal'
import type { UnderstudyServer } from '@understudy/net/internal'
import { expect, it } from 'vitest'
import { embeddedServer } from '../../support/embedded-server.ts'
import { withBlocks } from '../../support/few-blocks.ts'
import { freePort } from '../../support/free-port.ts'
import { RawClient } from '../../support/raw-client.ts'
import { waitFor } from '../../support/wait-for.ts'

const MEMBERS = Array.from({ length: 400 }, (_, i) => `member:${i}:`.padEnd(30, '.'))
const MORE = MEMBERS.map((member) => `more:${member}`)

/** Writes of which nobody can be told what they did to the set, as its payload cannot be made. */
async function writeUntold({ keyspace, below }: UnderstudyServer, client: RawClient): Promise<void> {
  const { effects } = below.own
  effects!.bytes = () => {
    throw new RangeError('Array buffer allocation failed')
  }
  const replies = await withBlocks(keyspace, 50, () =>
    client.pipeline([['MULTI'], ['SET', 'before', 1], ['SADD', 'set', ...MORE], ['SET', 'number', 7], ['EXEC']]),
  )
  expect(String(replies.at(-1))).toContain('OOM')
  Reflect.deleteProperty(effects!, 'bytes')
}

it('replicas below and the log begin anew, with what is there', async () => {
  const [port, portBelow] = [await freePort(), await freePort()]
  const primary = await embeddedServer((config) => {
    config.assign('port', port)
    config.assign('repl-stream-log', true)
    config.assign('repl-diskless-sync-delay', 0)
  })
  await primary.start()
  const client = await RawClient.connect({ port: primary.server.port })
  await client.call('SADD', 'set', ...MEMBERS)
  // What is overwritten in place needs no memory.
  await client.call('MSET', 'before', 0, 'number', 0)
  const replica = await embeddedServer((config) => {
    config.assign('port', portBelow)
    config.assign('replicaof', { host: '127.0.0.1', port })
  })
  await replica.start()
  const isCaughtUp = (): boolean =>
    replica.state.linkUp && replica.link.history.replOffset === primary.link.history.replOffset
  await waitFor('the replica', () => isCaughtUp() && replica.link.history.replid === primary.link.history.replid)
  await waitFor('the log', () => primary.streamLog.state === 'on')
  const { replid, replOffset } = primary.link.history

  await writeUntold(primary, client)
  expect(primary.streamLog.state).toBe('failed')
  expect(primary.link.history.replid).not.toBe(replid)
  // Until a snapshot has what the log lacks, as after any fault of it.
  await waitFor('the log again', () => primary.streamLog.state === 'on')
  await client.call('SET', 'after', 1)
  await waitFor('the replica again', () => isCaughtUp() && replica.link.history.replid === primary.link.history.replid)
  expect(primary.below.counters.fullSyncs).toBe(2)
  expect(primary.link.history.isContinuation(replid, replOffset + 1)).toBe(false)
  expect(datasetDigest(replica.keyspace)).toBe(datasetDigest(primary.keyspace))
  expect(Number(await client.call('SCARD', 'set'))).toBeGreaterThan(MEMBERS.length)
  client.close()
}, 40_000)
