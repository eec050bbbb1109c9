/**
 * Snapshots made in worker threads while the writer goes on: files that stay, and passes for targets that want the bytes. The
 * dataset is pinned in the call, so the snapshot has what was there at that moment; everything else happens in the thread. A thread
 * that dies ends its pin.
 */
import { rm } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { memoryFingerprint, type PinHandle, ReplicaError } from '@understudy/core/saving'
import { type ErrorRecord, fromRecord, toRecord } from '../messages.ts'
import type { SavedFile, SaveFileOptions, SnapshotPreamble, Snapshots } from './save-file.ts'
import { SaveGate } from './save-gate.ts'
import type { SaveReply, SaveTask, SnapshotOrder } from './save-task.ts'
import { createPieces, PIECE_SLOTS, type PieceMemory } from './snapshot-pieces.ts'
import { type PassOptions, SnapshotPass } from './snapshot-pass.ts'
import { SpoolFile } from './spool-file.ts'
import type { PassOrder, PassResult } from './write-pass.ts'

/** Beside dist/, where this stands when it is bundled (scripts/bundle.mjs). */
const WORKER_URL = new URL('../threads/snapshot.cjs', import.meta.url)
/** A thread that did its work goes soon: memory of a generation that was dropped is held by every thread that saw it. */
const IDLE_TIMEOUT_MS = 1000
/** Passes for replicas that may be under way: who begins them keeps to it. Slow replicas may hold one each for hours. */
export const REPLICA_PASSES_MAX = 8
/** Those of them that are at work, and do not wait for a replica. */
export const REPLICA_PASSES_AT_WORK_MAX = 4
/** Snapshots of an embedder, who may be slow as well, or forget one: who begins them keeps to it. */
export const EMBEDDER_SNAPSHOTS_MAX = 4
/** And a file of our own. More than that would wait, and their pins with them. */
const SNAPSHOTS_MAX: number = REPLICA_PASSES_MAX + EMBEDDER_SNAPSHOTS_MAX + 1

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
      maxThreads: SNAPSHOTS_MAX,
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
    const order: SnapshotOrder = { kind: 'save', options, gate: memory }
    try {
      return await this.#run({ ...this.#take(preamble), order }, [])
    } catch (error) {
      // A thread that died has left it behind.
      await rm(options.temporaryPath, { force: true }).catch(() => {})
      throw error
    } finally {
      this.#gates.delete(gate)
    }
  }

  /** Begins a snapshot of the data at the time of the call, for targets that open it in this turn of the event loop, or later. */
  begin(preamble: SnapshotPreamble, options: PassOptions): SnapshotPass {
    const { isLive, spoolPath } = options
    const pieces = createPieces(isLive ? PIECE_SLOTS : 0)
    const { port1: port, port2 } = new MessageChannel()
    const spool = spoolPath === undefined ? undefined : SpoolFile.create(spoolPath)
    const written = this.#pass(preamble, options, pieces, port2, spool)
    return new SnapshotPass({ pieces, port, spool, written })
  }

  cancel(): void {
    for (const gate of this.#gates) gate.cancel()
  }

  /** Gives up what is under way, and ends the threads. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.cancel()
    await this.#pool.destroy()
  }

  async #pass(
    preamble: SnapshotPreamble,
    { hasKeys, isLive, ...rules }: PassOptions,
    pieces: PieceMemory,
    port: MessagePort,
    spool: Promise<SpoolFile> | undefined,
  ): Promise<PassResult> {
    const taken = this.#take(preamble)
    let file: PassOrder['file']
    let fileFault: ErrorRecord | undefined
    try {
      const { descriptor, path } = (await spool) ?? {}
      if (descriptor !== undefined && path !== undefined) file = { descriptor, path }
    } catch (error) {
      if (!isLive) {
        taken.pin.port.close()
        throw error
      }
      fileFault = toRecord(error, 0)
    }
    const order: SnapshotOrder = { kind: 'pass', rules, hasKeys, pieces, port, file }
    const result = await this.#run({ ...taken, order }, [port])
    return fileFault === undefined ? result : { ...result, fileFault }
  }

  /** What a snapshot has of this moment. */
  #take(preamble: SnapshotPreamble): Omit<SaveTask, 'order'> {
    if (this.#isClosed) throw new ReplicaError('RDB_ABORTED', 'no more snapshots are made')
    return {
      memoryFingerprint: memoryFingerprint(),
      preamble: { aux: preamble.aux, libraries: [...preamble.libraries] },
      pin: this.#pin(),
    }
  }

  async #run(task: SaveTask, ports: readonly MessagePort[]): Promise<PassResult> {
    // To start a thread takes milliseconds: not in the turn that made the pin.
    await nextTurn()
    const giveUp = new AbortController()
    const { signal } = giveUp
    this.#active.add(giveUp)
    let reply: SaveReply
    try {
      reply = await this.#pool.run(task, { signal, transferList: [task.pin.port, ...ports] })
    } catch (error) {
      // The thread died, or the pool was closed. A port that it never got is still ours.
      task.pin.port.close()
      if (this.#isClosed) throw new ReplicaError('RDB_ABORTED', 'no more snapshots are made', { cause: error })
      const fault: unknown = signal.aborted ? signal.reason : error
      const text = fault instanceof Error ? fault.message : String(fault)
      throw new ReplicaError('RDB_WORKER_FAILED', `the thread that saved it died: ${text}`, { retryable: true })
    } finally {
      this.#active.delete(giveUp)
    }
    if (!reply.ok) throw fromRecord(reply.error)
    return reply.saved
  }
}
