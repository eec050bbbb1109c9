/** A snapshot file made from a pin, in a thread of its own: the writer goes on meanwhile (docs/pins.md). */
import { renameSync } from 'node:fs'
import { type PinHandle, PinnedKeyspace, ReplicaError } from '@understudy/core/internal'
import { NODE_CALLS } from '../file/snapshot-file.ts'
import { checkSameCode } from '../load/same-code.ts'
import { type ErrorRecord, type SharedMemoryTask, toRecord } from '../messages.ts'
import { saveFile, type SavedFile, type SaveFileOptions, type SnapshotPreamble } from './save-file.ts'
import { SaveGate } from './save-gate.ts'

export interface SaveTask extends SharedMemoryTask {
  readonly pin: PinHandle
  readonly preamble: SnapshotPreamble
  readonly options: Omit<SaveFileOptions, 'calls'>
  /** Of a SaveGate. */
  readonly gate: SharedArrayBuffer
}

export type SaveReply =
  | { readonly ok: true; readonly saved: SavedFile }
  | { readonly ok: false; readonly error: ErrorRecord }

export function runSaveTask(task: SaveTask): SaveReply {
  const gate = new SaveGate(task.gate)
  const nameUnlessCancelled = (from: string, to: string): void => {
    if (!gate.enter()) throw new ReplicaError('RDB_ABORTED', 'the snapshot is not wanted any more')
    try {
      renameSync(from, to)
    } finally {
      gate.leave()
    }
  }
  try {
    checkSameCode(task)
    const pinned = new PinnedKeyspace(task.pin)
    const calls = { ...NODE_CALLS, renameSync: nameUnlessCancelled }
    return { ok: true, saved: saveFile(pinned, task.preamble, { ...task.options, calls }) }
  } catch (error) {
    return { ok: false, error: toRecord(error, 0) }
  } finally {
    // Ends the pin, also when it was never opened.
    task.pin.port.close()
  }
}
