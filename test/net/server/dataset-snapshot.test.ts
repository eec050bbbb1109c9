/** The dataset of a moment as bytes, for an application. */
import { datasetDigest } from '@understudy/core/internal'
import type { UnderstudyServer } from '@understudy/net/internal'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'
import { expect, it } from 'vitest'
import { embeddedServer } from '../../support/embedded-server.ts'
import { freePort } from '../../support/free-port.ts'
import { adopt } from '../../support/keyspace-digest.ts'
import { RawClient } from '../../support/raw-client.ts'
import { waitFor } from '../../support/wait-for.ts'

const KEYS = 3000
const VALUE = 'x'.repeat(2000)

/** With data that compression does not make short, and a client. */
async function startFilled(): Promise<{ server: UnderstudyServer; client: RawClient }> {
  const port = await freePort()
  const server = await embeddedServer((config) => {
    config.assign('rdbcompression', false)
    config.assign('port', port)
  })
  await server.start()
  const client = await RawClient.connect({ port: server.server.port })
  await client.pipeline(Array.from({ length: KEYS }, (_, i) => ['SET', `key:${i}`, VALUE]))
  return { server, client }
}

async function readAll(snapshot: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of snapshot) continue
}

it('is of the moment of the call, whatever is written while it is read', async () => {
  const { server, client } = await startFilled()
  const before = datasetDigest(server.keyspace)
  const snapshot = server.snapshot()
  await client.pipeline(Array.from({ length: KEYS }, (_, i) => ['SET', `key:${i * 2}`, `later ${i}`]))
  expect(datasetDigest(server.keyspace)).not.toBe(before)
  const loader = new RdbLoaderPool({ threads: 1 })
  const { hashSeed } = server.keyspace
  const { generation, summary } = await loadIterable(loader, snapshot, {
    databaseCount: 16,
    hashSeed,
    verifyChecksum: true,
  })
  await loader.close()
  expect(datasetDigest(adopt(generation, hashSeed))).toBe(before)
  expect(summary.byteCount).toBeGreaterThan(KEYS * VALUE.length)
  // Nobody follows this node, so its data have no place in any history.
  expect(snapshot.position).toBeUndefined()
  await waitFor('the end of the pin', () => server.keyspace.pins.count === 0)
  client.close()
})

it('has the position of the data, once there is a history', async () => {
  const { server, client } = await startFilled()
  const replica = await RawClient.connect({ port: server.server.port })
  replica.send('PSYNC ? -1\r\n')
  expect(await replica.readReply()).toMatch(/^FULLRESYNC/)
  await client.call('SET', 'more', '1')
  const snapshot = server.snapshot({ rdbVersion: 12 })
  expect(snapshot.position).toEqual({
    replid: server.link.history.replid,
    offset: server.link.history.replOffset,
    db: 0,
  })
  for await (const piece of snapshot) {
    expect(piece.subarray(0, 9).toString()).toBe('REDIS0012')
    break
  }
  replica.close()
  client.close()
  await waitFor('the end of the pins', () => server.keyspace.pins.count === 0)
})

it('is written in the versions that it can be, and in no other', async () => {
  const server = await embeddedServer()
  await server.start()
  for (const rdbVersion of [99, 17, 13, 9, -3, 10.5, Number.NaN, '11', null] as number[]) {
    expect(() => server.snapshot({ rdbVersion }), String(rdbVersion)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    )
  }
  expect(server.keyspace.pins.count).toBe(0)
  for (const rdbVersion of [10, 11, 12]) {
    const pieces: Buffer[] = []
    for await (const piece of server.snapshot({ rdbVersion })) pieces.push(piece)
    expect(Buffer.concat(pieces).subarray(0, 9).toString()).toBe(`REDIS00${rdbVersion}`)
  }
})

it('is given up when it is closed, and its reader is told', async () => {
  const { server, client } = await startFilled()
  const snapshot = server.snapshot()
  await expect(
    (async () => {
      for await (const piece of snapshot) if (piece.length > 0) snapshot.close()
    })(),
  ).rejects.toMatchObject({ code: 'RDB_ABORTED' })
  await waitFor('the end of the pin', () => server.keyspace.pins.count === 0)
  client.close()
})

it('cannot be had before there are data', async () => {
  const server = await embeddedServer()
  expect(() => server.snapshot()).toThrow(expect.objectContaining({ code: 'NOT_READY' }))
})

it('that nobody reads keeps no other ones, and no saves, from being made', async () => {
  const { server, client } = await startFilled()
  const forgotten = Array.from({ length: 4 }, () => server.snapshot())
  const tooMany = expect.objectContaining({ code: 'PIN_LIMIT', retryable: true })
  expect(() => server.snapshot()).toThrow(tooMany)
  expect(server.persistence.saveInBackground()).toBe('started')
  await waitFor('the file', () => !server.persistence.isSaving)
  expect(server.persistence.fault).toBe('')
  forgotten[0]!.close()
  // One that was left early is over at once, and so is one that was read.
  for (let i = 0; i < 10; i++) for await (const _ of server.snapshot()) break
  await readAll(server.snapshot())
  const last = server.snapshot()
  expect(() => server.snapshot()).toThrow(tooMany)
  await server.stop()
  for (const snapshot of [...forgotten.slice(1), last]) {
    await expect(readAll(snapshot)).rejects.toMatchObject({ code: 'RDB_ABORTED' })
  }
  expect(() => server.snapshot()).toThrow(expect.objectContaining({ code: 'NOT_READY' }))
  client.close()
})
