/** When the snapshot of a full resync takes the name of the file that a start loads, and that nothing is left of it otherwise. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SnapshotPosition } from '@understudy/core/internal'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { emptyRdb, FakePrimary } from '../../support/fake-primary.ts'
import { waitFor } from '../../support/wait-for.ts'
import { type FixtureOptions, LinkFixture } from './link-fixture.ts'

const OLD = 'the one before'
const NOT_MINE = join('no', 'such', 'directory')

let directory: string
let primary: FakePrimary
let fixture: LinkFixture
/** What the link told at the end of each full resync. */
let synced: (SnapshotPosition | undefined)[]

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'understudy-test-'))
  writeFileSync(join(directory, 'dump.rdb'), OLD)
  primary = await FakePrimary.start()
  synced = []
})
afterEach(async () => {
  fixture.link.stop()
  await primary.stop()
  rmSync(directory, { recursive: true, force: true })
})

function follow({ config, ports, loader }: FixtureOptions = {}): void {
  fixture = new LinkFixture({
    config: { disklessLoad: 'disabled', directory, ...config },
    ports: { onSynced: (file) => synced.push(file), ...ports },
    loader: {
      aux: [
        ['repl-id', primary.replid],
        ['repl-offset', '0'],
      ],
      ...loader,
    },
  })
  fixture.link.replicaOf('127.0.0.1', primary.port)
}

const file = (): Buffer => readFileSync(join(directory, 'dump.rdb'))

/** Nothing is there but the file from before. */
async function isAsBefore(): Promise<void> {
  await waitFor('nothing to be left behind', () => readdirSync(directory).length === 1)
  expect(file().toString()).toBe(OLD)
}

it('takes the name when the data are adopted, not before', async () => {
  let atAdoption = ''
  follow({
    ports: {
      onFullSync: () => {
        atAdoption = file().toString()
        expect(readdirSync(directory)).toHaveLength(2)
      },
    },
  })
  await fixture.connected()
  expect(atAdoption).toBe(OLD)
  expect(file()).toEqual(emptyRdb())
  expect(readdirSync(directory)).toEqual(['dump.rdb'])
  expect(synced).toEqual([{ replid: primary.replid, offset: 0, db: 0 }])
})

it('is gone when the data are refused', async () => {
  const gate = {
    refuseHistory: () => undefined,
    roomForTwo: () => ({ do: 'load' as const }),
    refuseDropFirst: () => undefined,
    refuseLoaded: () => 'no keys',
  }
  follow({ ports: { gate } })
  await fixture.inState('held')
  await isAsBefore()
  expect(synced).toEqual([])
})

it('is gone when the data cannot be adopted', async () => {
  const onFullSync = (): void => {
    throw new Error('a bug')
  }
  follow({ ports: { onFullSync } })
  await waitFor('the attempt to fail', () => fixture.link.getStatus().counters.failedAttempts === 1)
  await isAsBefore()
})

it('is gone when the link is given up between the end of the load and the swap', async () => {
  const onLoaded = (): void => queueMicrotask(() => fixture.link.replicaOf('127.0.0.1', 1))
  follow({ loader: { onLoaded } })
  await waitFor('the load', () => fixture.loader.loads[0]?.isAborted === true)
  await isAsBefore()
  expect(fixture.swaps).toBe(0)
})

it('that cannot take the name is told, gone, and not taken for the data of now', async () => {
  rmSync(join(directory, 'dump.rdb'))
  follow({ config: { dbFileName: NOT_MINE } })
  await fixture.connected()
  expect(fixture.link.getStatus().syncFileFault).toMatch(
    /^cannot rename .* to .*: no such file or directory \(ENOENT\)$/,
  )
  const told = fixture.log.filter((line) => line.startsWith('warning The snapshot was loaded, but not kept as '))
  expect(told).toHaveLength(1)
  expect(synced).toEqual([undefined])
  await waitFor('nothing to be left behind', () => readdirSync(directory).length === 0)
})

it('that the loader could not write leaves the one before', async () => {
  follow({ loader: { fileFault: 'cannot write it' } })
  await fixture.connected()
  expect(fixture.link.getStatus().syncFileFault).toBe('cannot write it')
  expect(synced).toEqual([undefined])
  await isAsBefore()
})

it('is gone, with the one before, when nothing else needs it', async () => {
  follow({ config: { deleteSyncFiles: true } })
  await fixture.connected()
  await waitFor('the file to go', () => readdirSync(directory).length === 0)
  expect(synced).toEqual([undefined])
})
