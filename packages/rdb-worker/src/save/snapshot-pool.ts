/**
 * Saves snapshots in a worker thread while the writer goes on. The dataset is pinned in the call, so the file has what was there
 * at that moment; everything else happens in the thread. A thread that dies ends its pin.
 */
import { rm } from 'node:fs/promises'
import { Piscina } from 'piscina'
import { memoryFingerprint, type PinHandle, ReplicaError } from '@understudy/core/internal'
import { fromRecord } from '../messages.ts'
import type { SavedFile, SaveFileOptions, SnapshotPreamble, Snapshots } from './save-file.ts'
import { SaveGate } from './save-gate.ts'
import type { SaveOrder, SaveReply, SaveTask } from './save-task.ts'
import type { SpoolOptions } from './spool-file.ts'

/** Not rewritten by the compiler: the name the file has beside this one's output in dist/. */
const WORKER_URL = new URL('./snapshot-worker.js', import.meta.url)
/** A thread that did its work goes soon: memory of a generation that was dropped is held by every thread that saw it. */
const IDLE_TIMEOUT_MS = 1000
/** A file of our own, and replicas of two kinds. More snapshots than that wait, and their pins with them. */
const SAVES_MAX = 3

export class SnapshotPool implements Snapshots {
  readonly #pin: () => PinHandle
  readonly #pool: Piscina<SaveTask, SaveReply>
  /** Of the snapshots under way: what ends the wait for a thread that cannot start. */
  readonly #active = new Set<AbortController>()
  /** What keeps each file from getting its name. */
  readonly #gates = new Set<SaveGate>()
  #isClosed = false

  /** @param pin pins the whole dataset as it is; called on the writer's thread, between two units. */
  constructor(pin: () => PinHandle) {
    this.#pin = pin
    this.#pool = new Piscina({
      filename: WORKER_URL.href,
      minThreads: 0,
      maxThreads: SAVES_MAX,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      idleTimeout: IDLE_TIMEOUT_MS,
    })
    // A thread that could not even start: its working directory is gone, or there is no memory.
    this.#pool.on('error', (error: unknown) => {
      for (const giveUp of this.#active) giveUp.abort(error)
    })
  }

  async saveFile(preamble: SnapshotPreamble, { calls, ...options }: SaveFileOptions): Promise<SavedFile> {
    if (calls !== undefined) throw new TypeError('another thread cannot make these calls')
    const memory = new SharedArrayBuffer(4)
    const gate = new SaveGate(memory)
    this.#gates.add(gate)
    try {
      return await this.#run(preamble, { kind: 'save', options, gate: memory }, options.temporaryPath)
    } finally {
      this.#gates.delete(gate)
    }
  }

  /**
   * Writes a file that is read once and then goes, of the data at the time of the call.
   * @throws ReplicaError RDB_VERSION_TOO_LOW for a value that the version does not know, FILE_FAILED; the file is gone then.
   */
  async spoolFile(preamble: SnapshotPreamble, options: SpoolOptions): Promise<SavedFile> {
    return await this.#run(preamble, { kind: 'spool', options }, options.path)
  }

  /** @param leftBehind the file that a thread which dies leaves. */
  async #run(preamble: SnapshotPreamble, order: SaveOrder, leftBehind: string): Promise<SavedFile> {
    if (this.#isClosed) throw new ReplicaError('RDB_ABORTED', 'no more snapshots are saved')
    const task: SaveTask = {
      memoryFingerprint: memoryFingerprint(),
      pin: this.#pin(),
      preamble: { aux: preamble.aux, libraries: [...preamble.libraries] },
      order,
    }
    const giveUp = new AbortController()
    const { signal } = giveUp
    this.#active.add(giveUp)
    let reply: SaveReply
    try {
      reply = await this.#pool.run(task, { signal, transferList: [task.pin.port] })
    } catch (error) {
      // The thread died, or the pool was closed. A port that it never got is still ours.
      task.pin.port.close()
      await rm(leftBehind, { force: true }).catch(() => {})
      const fault: unknown = signal.aborted ? signal.reason : error
      const text = fault instanceof Error ? fault.message : String(fault)
      throw new ReplicaError('RDB_WORKER_FAILED', `the thread that saved it died: ${text}`, { retryable: true })
    } finally {
      this.#active.delete(giveUp)
    }
    if (!reply.ok) throw fromRecord(reply.error)
    return reply.saved
  }

  cancel(): void {
    for (const gate of this.#gates) gate.cancel()
  }

  /** Gives up what is under way, and ends the thread. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.cancel()
    await this.#pool.destroy()
  }
}
