/** Passes over a dataset that goes on changing: every target gets the same bytes, whatever the others do. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { dataCommandFamilies, datasetDigest, Keyspace, LibraryStore, snapshotAux } from '@understudy/core/internal'
import {
  loadIterable,
  type PassOptions,
  RdbLoaderPool,
  REPLICA_PASSES_MAX,
  SnapshotPool,
  type SnapshotPass,
  type SnapshotReader,
} from '@understudy/rdb-worker'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { adopt } from '../../support/keyspace-digest.ts'
import { LargeValueLoad } from '../../support/large-value-load.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { FACTS } from '../../support/snapshot-bytes.ts'
import { waitFor } from '../../support/wait-for.ts'

const LIMITS = { bytesMax: 1 << 30, durationMsMax: 3_600_000 }
/** More than what the pieces in memory hold: 4 MiB. */
const KEYS = 5000
const VALUE_BYTES = 1000
const hashSeed = new SeededRandom(71).bytes(16)
const OPTIONS: PassOptions = {
  rdbVersion: 12,
  access: 'none',
  compress: true,
  checksum: true,
  hasKeys: true,
  isLive: true,
}

const families = dataCommandFamilies({
  libraries: new LibraryStore(),
  memory: () => {
    throw new Error('nobody asks')
  },
})

let keyspace: Keyspace
let runner: CommandRunner
let pool: SnapshotPool
let directory: string
const random = new SeededRandom(72)

beforeEach(async () => {
  keyspace = new Keyspace({ databaseCount: 16, hashSeed })
  runner = new CommandRunner(families, { keyspace, nowMs: 1_900_000_000_000 })
  for (let i = 0; i < KEYS; i++) runner.run('SET', `key:${i}`, random.bytes(VALUE_BYTES))
  pool = new SnapshotPool(() => keyspace.pin(LIMITS, 0))
  directory = await mkdtemp(join(tmpdir(), 'pass-'))
})
afterEach(async () => {
  await pool.close()
  await rm(directory, { recursive: true, force: true })
})

function begin(options: Partial<PassOptions> = {}): SnapshotPass {
  return pool.begin({ aux: snapshotAux(FACTS), libraries: [] }, { ...OPTIONS, ...options })
}

/** Reads to the end, resting a while now and then. */
async function readAll(reader: SnapshotReader, restMs = 0): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let piece = await reader.read(); piece !== undefined; piece = await reader.read()) {
    if (restMs > 0) await sleep(random.int(0, restMs))
    pieces.push(Buffer.from(piece))
  }
  reader.close()
  return Buffer.concat(pieces)
}

async function digestOf(bytes: Buffer): Promise<string> {
  const loader = new RdbLoaderPool({ threads: 1 })
  const { generation } = await loadIterable(loader, [bytes], { databaseCount: 16, hashSeed, verifyChecksum: true })
  await loader.close()
  return datasetDigest(adopt(generation, hashSeed))
}

/** Writes until it is told to stop. */
function startWrites(load: LargeValueLoad): () => void {
  const timer = setInterval(() => {
    load.run(20)
    for (let i = 0; i < 20; i++) runner.run('SET', `key:${random.int(0, KEYS * 2)}`, random.bytes(random.int(0, 2000)))
  }, 3)
  return () => clearInterval(timer)
}

/** The pin of a pass ends with it, in a later turn. */
async function allEnded(): Promise<void> {
  await waitFor('the end of all pins', () => keyspace.pins.count === 0)
}

describe('one pass', () => {
  it('gives targets of every speed the same bytes, of one moment, while writes go on', async () => {
    const load = new LargeValueLoad(runner, random)
    load.fill()
    const before = datasetDigest(keyspace)
    const pass = begin({ spoolPath: join(directory, 'spool') })
    const readers = [pass.open(false)!, pass.open(false)!, pass.open(true)!]
    const stop = startWrites(load)
    expect(await readers[0]!.ready).toBeUndefined()
    const [fast, slow, counted] = await Promise.all([
      readAll(readers[0]!),
      readAll(readers[1]!, 3),
      readers[2]!.ready.then(async (length) => ({ length, bytes: await readAll(readers[2]!) })),
    ])
    stop()
    pass.close()
    expect(fast.length).toBeGreaterThan(KEYS * VALUE_BYTES)
    expect(slow.equals(fast)).toBe(true)
    expect(counted.length).toBe(fast.length)
    expect(counted.bytes.equals(fast)).toBe(true)
    expect((await pass.written).bytes).toBe(fast.length)
    expect(await digestOf(fast)).toBe(before)
    expect(datasetDigest(keyspace)).not.toBe(before)
    await allEnded()
  })

  it('goes on for the others when one stops, and when that leaves', async () => {
    const pass = begin()
    const [reader, stopped, never] = [pass.open(false)!, pass.open(false)!, pass.open(false)!]
    const first = await stopped.read()
    expect(first!.length).toBeGreaterThan(0)
    let isDone = false
    const all = readAll(reader).finally(() => {
      isDone = true
    })
    await waitFor('the others to be held up', () => stopped.heldUpMs > 30)
    expect(isDone).toBe(false)
    expect(never.heldUpMs).toBeGreaterThan(0)
    expect(reader.heldUpMs).toBe(0)
    const left = stopped.read()
    stopped.close()
    never.close()
    expect((await left)?.length ?? 0).toBeGreaterThanOrEqual(0)
    expect((await all).length).toBe((await pass.written).bytes)
    pass.close()
  })

  it('can be joined while its first bytes are there, and by way of its file until it is closed', async () => {
    const pass = begin({ spoolPath: join(directory, 'spool') })
    const first = pass.open(false)!
    await first.ready
    const joined = pass.open(false)!
    const [one, other] = await Promise.all([readAll(first), readAll(joined)])
    expect(other.equals(one)).toBe(true)
    const late = pass.open(false)!
    expect(await late.ready).toBe(one.length)
    expect((await readAll(late)).equals(one)).toBe(true)
    pass.close()
    expect(await readdir(directory)).toEqual([])

    const live = begin()
    const alone = live.open(false)!
    await alone.read()
    await alone.read()
    expect(live.open(false)).toBeUndefined()
    expect(live.open(true)).toBeUndefined()
    live.close()
  })

  it('that is not taken keeps no thread from a file of our own, nor do as many as replicas may have', async () => {
    const passes = Array.from({ length: REPLICA_PASSES_MAX }, () => begin())
    await Promise.all(passes.map((pass) => pass.open(false)!.ready))
    const path = join(directory, 'dump.rdb')
    const { rdbVersion, access, compress, checksum } = OPTIONS
    const file = { path, temporaryPath: `${path}.tmp`, syncsAsItGrows: false, rdbVersion, access, compress, checksum }
    const saved = await pool.saveFile({ aux: [], libraries: [] }, file)
    expect(saved.keys).toBe(KEYS)
    expect(passes.map(({ isUnderWay }) => isUnderWay)).toEqual(passes.map(() => true))
    await waitFor('all to wait for their readers', () => passes.every(({ isHeldUp }) => isHeldUp))
    for (const pass of passes) {
      pass.close()
      await expect(pass.written).rejects.toMatchObject({ code: 'RDB_ABORTED' })
      expect(pass.isUnderWay).toBe(false)
      expect(pass.isHeldUp).toBe(false)
    }
  })

  it('that nobody wants any more ends, with its pin', async () => {
    for (const spoolPath of [undefined, join(directory, 'spool')]) {
      const pass = begin(spoolPath === undefined ? {} : { isLive: false, spoolPath })
      const reader = pass.open(spoolPath !== undefined)!
      if (spoolPath === undefined) await reader.read()
      reader.close()
      pass.close()
      const outcome = await pass.written.then(
        () => 'whole',
        (error: unknown) => (error as { code: string }).code,
      )
      // A file may have been whole before anybody could look.
      if (outcome !== 'whole' || spoolPath === undefined) expect(outcome).toBe('RDB_ABORTED')
      await allEnded()
    }
    expect(await readdir(directory)).toEqual([])
  })

  it('ends when its pool is closed: its readers are told', async () => {
    const pass = begin()
    const reader = pass.open(false)!
    await reader.read()
    const written = expect(pass.written).rejects.toMatchObject({ code: 'RDB_ABORTED' })
    await pool.close()
    await written
    await expect(readAll(reader)).rejects.toMatchObject({ code: 'RDB_ABORTED' })
    const late = begin()
    await expect(late.open(false)!.ready).rejects.toMatchObject({ code: 'RDB_ABORTED' })
  })

  it('tells all of a value that the version does not know', async () => {
    runner.run('HSET', 'hash', 'field', 'value')
    runner.run('HPEXPIRE', 'hash', 10_000_000, 'FIELDS', 1, 'field')
    const pass = begin({ rdbVersion: 10, spoolPath: join(directory, 'spool') })
    const [live, counted] = [pass.open(false)!, pass.open(true)!]
    await expect(readAll(live)).rejects.toMatchObject({ code: 'RDB_VERSION_TOO_LOW', message: /'hash'/ })
    await expect(counted.ready).rejects.toMatchObject({ code: 'RDB_VERSION_TOO_LOW' })
    pass.close()
    expect(await readdir(directory)).toEqual([])
  })

  it('costs its file only when the disk fails', async ({ skip }) => {
    const missing = begin({ spoolPath: join(directory, 'no', 'directory') })
    const [live, counted] = [missing.open(false)!, missing.open(true)!]
    expect((await readAll(live)).length).toBeGreaterThan(KEYS * VALUE_BYTES)
    await expect(counted.ready).rejects.toMatchObject({ code: 'FILE_FAILED', message: /ENOENT/ })
    missing.close()
    await expect(begin({ isLive: false, spoolPath: join(directory, 'no', 'x') }).written).rejects.toMatchObject({
      code: 'FILE_FAILED',
    })

    const disk = await mountSmallDisk(1024)
    if (disk === undefined) return skip('a tmpfs cannot be mounted here')
    try {
      const full = begin({ spoolPath: join(disk.directory, 'spool') })
      const [beside, refused] = [full.open(false)!, full.open(true)!]
      expect((await readAll(beside)).length).toBeGreaterThan(KEYS * VALUE_BYTES)
      await expect(refused.ready).rejects.toMatchObject({ code: 'FILE_FAILED', message: /ENOSPC/ })
      full.close()
    } finally {
      await disk.remove()
    }
  })
})
