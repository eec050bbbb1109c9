import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Keyspace,
  type Logger,
  type RdbLoadResult,
  ReplicaError,
  snapshotAux,
  stringCommands,
} from '@understudy/core/internal'
import { Config, Persistence, type PersistencePorts } from '@understudy/net/internal'
import type { FileCalls, SavedFile, SaveFileOptions, Snapshots } from '@understudy/rdb-worker'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CommandRunner } from '../../support/command-runner.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { scanBytes } from '../../support/scan-rdb.ts'
import { FACTS } from '../../support/snapshot-bytes.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'understudy-test-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

interface Bench {
  readonly persistence: Persistence
  readonly config: Config
  readonly clock: FakeClock
  readonly runner: CommandRunner
  readonly log: string[]
}

function newBench(ports: Partial<PersistencePorts> = {}): Bench {
  const log: string[] = []
  const note = (message: string): void => void log.push(message)
  const logger: Logger = { debug: note, verbose: note, notice: note, warning: note }
  const config = new Config({ dir: directory })
  const clock = new FakeClock()
  const keyspace = new Keyspace({ databaseCount: 2 })
  const persistence = new Persistence({
    config,
    clock,
    logger,
    keyspace,
    preamble: () => ({ aux: snapshotAux(FACTS), libraries: [] }),
    snapshots: new HeldSnapshots(),
    onOutcome: () => {},
    ...ports,
  })
  return { persistence, config, clock, runner: new CommandRunner([stringCommands], { keyspace }), log }
}

/** The calls of node, one of which fails; `times` it works first. */
function failing(name: keyof FileCalls, code: string, times = 0): FileCalls {
  let left = times
  const calls: FileCalls = { ...fs }
  const real = calls[name] as (...args: unknown[]) => unknown
  return {
    ...calls,
    [name]: (...args: unknown[]) => {
      if (left-- > 0) return real(...args)
      throw Object.assign(new Error(`${code}: made up`), { code })
    },
  }
}

/** Snapshots beside the writer that end when the test says so. */
class HeldSnapshots implements Snapshots {
  readonly asked: SaveFileOptions[] = []
  cancelled = 0
  #end: { resolve: (saved: SavedFile) => void; reject: (error: unknown) => void } | undefined

  saveFile(_preamble: unknown, options: SaveFileOptions): Promise<SavedFile> {
    this.asked.push(options)
    return new Promise((resolve, reject) => (this.#end = { resolve, reject }))
  }

  cancel(): void {
    this.cancelled++
  }

  async succeed(): Promise<void> {
    this.#end!.resolve({ keys: 1, bytes: 100, rdbVersion: 10 })
    await new Promise(setImmediate)
  }

  async fail(code: 'FILE_FAILED' | 'RDB_ABORTED' = 'FILE_FAILED'): Promise<void> {
    this.#end!.reject(new ReplicaError(code, 'cannot write there: input/output error (EIO)'))
    await new Promise(setImmediate)
  }
}

describe('a save that fails', () => {
  it.each([
    ['openSync', 'EACCES', /cannot create .*permission denied \(EACCES\)/],
    ['writeSync', 'ENOSPC', /cannot write .*no space left on the device \(ENOSPC\)/],
    ['writeSync', 'EIO', /cannot write .*input\/output error \(EIO\)/],
    ['fsyncSync', 'EIO', /cannot write .*input\/output error \(EIO\)/],
    ['closeSync', 'EDQUOT', /cannot write .*quota is used up \(EDQUOT\)/],
    ['renameSync', 'EACCES', /cannot rename .*permission denied \(EACCES\)/],
  ] as const)('in %s with %s: the old file is as it was, nothing else is left', async (call, code, expected) => {
    const good = newBench()
    good.runner.run('SET', 'k', 'old')
    expect(good.persistence.save()).toBe(true)
    const old = await readFile(join(directory, 'dump.rdb'))
    const bad = newBench({ calls: failing(call, code) })
    bad.runner.run('SET', 'k', 'new')
    expect(bad.persistence.save()).toBe(false)
    expect(bad.persistence.fault).toMatch(expected)
    expect(bad.log).toHaveLength(1)
    expect(bad.log[0]).toMatch(expected)
    expect(bad.persistence.changes).toBe(1)
    expect(bad.persistence.saves).toBe(0)
    expect(await readdir(directory)).toEqual(['dump.rdb'])
    expect(await readFile(join(directory, 'dump.rdb'))).toEqual(old)
  })

  it('after the file has its name is told as well, and the file is whole', async () => {
    const { persistence, runner } = newBench({ calls: failing('fsyncSync', 'EIO', 1) })
    runner.run('SET', 'k', 'v')
    expect(persistence.save()).toBe(false)
    expect(persistence.fault).toMatch(/cannot sync .*EIO/)
    expect(scanBytes(await readFile(join(directory, 'dump.rdb'))).keyCount).toBe(1)
  })

  it('stops writes while there are save points and the directive says so, until one succeeds', () => {
    let fails = true
    const calls: FileCalls = {
      ...fs,
      writeSync: (descriptor, bytes, offset, length) => {
        if (fails) throw Object.assign(new Error('made up'), { code: 'ENOSPC' })
        return fs.writeSync(descriptor, bytes, offset, length)
      },
    }
    let told = 0
    const { persistence, config } = newBench({ calls, onOutcome: () => told++ })
    expect(persistence.stopsWrites).toBe(false)
    persistence.save()
    expect(persistence.stopsWrites).toBe(true)
    config.assign('stop-writes-on-bgsave-error', false)
    expect(persistence.stopsWrites).toBe(false)
    config.assign('stop-writes-on-bgsave-error', true)
    config.assign('save', [])
    expect(persistence.stopsWrites).toBe(false)
    config.assign('save', [{ seconds: 60, changes: 1 }])
    fails = false
    expect(persistence.save()).toBe(true)
    expect(persistence.stopsWrites).toBe(false)
    expect(told).toBe(2)
  })
})

describe('saving beside the writer', () => {
  it('begins behind the transaction that asks for it', () => {
    const snapshots = new HeldSnapshots()
    const { persistence, runner } = newBench({ snapshots })
    runner.keyspace.begin()
    expect(persistence.saveInBackground()).toBe('scheduled')
    runner.keyspace.end()
    expect(snapshots.asked).toHaveLength(0)
    persistence.tick()
    expect(snapshots.asked).toHaveLength(1)
    expect(persistence.saveInBackground()).toBe('busy')
  })

  it('is given up when the final snapshot is saved', () => {
    const snapshots = new HeldSnapshots()
    const { persistence } = newBench({ snapshots })
    persistence.saveInBackground()
    expect(snapshots.cancelled).toBe(0)
    expect(persistence.save()).toBe(true)
    expect(snapshots.cancelled).toBe(1)
  })

  it.each(['with', 'without'])('is given up when data come whole, %s a file of theirs', async (how) => {
    const snapshots = new HeldSnapshots()
    const saved: unknown[] = []
    const { persistence, config, clock, runner, log } = newBench({ snapshots, onSaved: (aux) => saved.push(aux) })
    config.assign('save', [{ seconds: 1, changes: 1 }])
    runner.run('SET', 'k', 'old')
    persistence.saveInBackground()
    const { lastSaveMs } = persistence
    clock.advance(2000)
    persistence.noteLoaded({ summary: { family: 'redis', version: 10 }, keyCount: 5 } as RdbLoadResult, false)
    expect(snapshots.cancelled).toBe(1)
    if (how === 'with') persistence.noteFile()
    // It had its name already: this is heard of behind it.
    await snapshots.succeed()
    expect(persistence).toMatchObject({ changes: how === 'with' ? 0 : 5, saves: 0, lastSaveMs, isSaving: false })
    expect(saved).toEqual([])
    expect(log).toEqual(['Background saving started', 'Background saving given up'])
    persistence.tick()
    expect(snapshots.asked).toHaveLength(how === 'with' ? 1 : 2)
  })

  it('is no failed one when the process ends in the middle of it', async () => {
    const snapshots = new HeldSnapshots()
    const { persistence, log } = newBench({ snapshots })
    persistence.saveInBackground()
    await snapshots.fail('RDB_ABORTED')
    expect(persistence).toMatchObject({ fault: '', isSaving: false, saves: 0 })
    expect(log.at(-1)).toBe('Background saving given up')
  })

  it('is given up with FLUSHALL, with save points or without', async () => {
    for (const save of [[], [{ seconds: 1, changes: 1 }]]) {
      const snapshots = new HeldSnapshots()
      const { persistence, config, runner, log } = newBench({ snapshots })
      config.assign('save', save)
      runner.run('SET', 'k', 'old')
      persistence.saveInBackground()
      persistence.datasetFlushed()
      expect(snapshots.cancelled).toBe(1)
      await snapshots.fail()
      expect(persistence).toMatchObject({ fault: '', isSaving: false, saves: save.length })
      expect(log.at(-1)).toBe('Background saving given up')
    }
  })

  it('counts the changes that came meanwhile, and is one at a time', async () => {
    const snapshots = new HeldSnapshots()
    const { persistence, clock, runner, log } = newBench({ snapshots })
    runner.run('MSET', 'a', 1, 'b', 2)
    expect(persistence.saveInBackground()).toBe('started')
    expect(persistence.saveInBackground()).toBe('busy')
    clock.advance(3500)
    expect(persistence.backgroundSeconds).toBe(3)
    runner.run('SET', 'c', 3)
    expect(persistence.changes).toBe(3)
    await snapshots.succeed()
    expect(persistence).toMatchObject({ changes: 1, saves: 1, isSaving: false, lastBackgroundSeconds: 3 })
    expect(persistence.backgroundSeconds).toBe(-1)
    expect(persistence.lastSaveMs).toBe(clock.wallMs())
    expect(log).toEqual(['Background saving started', 'Background saving terminated with success'])
    expect(snapshots.asked[0]).toMatchObject({ path: join(directory, 'dump.rdb'), rdbVersion: 10, compress: true })
  })

  it('begins when a save point is reached: enough changes in enough time', async () => {
    const snapshots = new HeldSnapshots()
    const { persistence, config, clock, runner, log } = newBench({ snapshots })
    config.assign('save', [
      { seconds: 100, changes: 3 },
      { seconds: 10, changes: 5 },
    ])
    const ticked = (): boolean => {
      persistence.tick()
      return persistence.isSaving
    }
    for (let i = 0; i < 3; i++) runner.run('SET', `k${i}`, i)
    clock.advance(60_000)
    expect(ticked()).toBe(false)
    clock.advance(41_000)
    expect(ticked()).toBe(true)
    expect(log[0]).toBe('3 changes in 100 seconds. Saving...')
    await snapshots.succeed()
    expect(ticked()).toBe(false)
    for (let i = 0; i < 5; i++) runner.run('SET', `k${i}`, i)
    expect(ticked()).toBe(false)
    clock.advance(10_001)
    expect(ticked()).toBe(true)
  })

  it('that failed is tried again by save points, but not at once', async () => {
    const snapshots = new HeldSnapshots()
    const { persistence, config, clock, runner } = newBench({ snapshots })
    config.assign('save', [{ seconds: 1, changes: 1 }])
    runner.run('SET', 'k', 'v')
    clock.advance(2000)
    persistence.tick()
    await snapshots.fail()
    expect(persistence).toMatchObject({ changes: 1, stopsWrites: true, isSaving: false })
    clock.advance(4000)
    persistence.tick()
    expect(snapshots.asked).toHaveLength(1)
    clock.advance(1500)
    persistence.tick()
    expect(snapshots.asked).toHaveLength(2)
    await snapshots.succeed()
    expect(persistence).toMatchObject({ changes: 0, fault: '', stopsWrites: false })
  })
})
