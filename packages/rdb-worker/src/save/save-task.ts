/** A snapshot made from a pin, in a thread of its own: the writer goes on meanwhile (docs/pins.md). */
import { renameSync } from 'node:fs'
import { type PinHandle, PinnedKeyspace, ReplicaError } from '@understudy/core/saving'
import { NODE_CALLS } from '../file/snapshot-file.ts'
import { checkSameCode } from '../load/same-code.ts'
import { type ErrorRecord, type SharedMemoryTask, toRecord } from '../messages.ts'
import { saveFile, type SavedFile, type SaveFileOptions, type SnapshotPreamble } from './save-file.ts'
import { SaveGate } from './save-gate.ts'
import { type PassOrder, type PassResult, writePass } from './write-pass.ts'

/** A file that stays, once the gate lets it have its name. */
interface SaveOrder {
  readonly options: Omit<SaveFileOptions, 'calls'>
  readonly gate: SharedArrayBuffer
}

/** What becomes of the snapshot. */
export type SnapshotOrder = ({ readonly kind: 'save' } & SaveOrder) | ({ readonly kind: 'pass' } & PassOrder)

export interface SaveTask extends SharedMemoryTask {
  readonly pin: PinHandle
  readonly preamble: SnapshotPreamble
  readonly order: SnapshotOrder
}

export type SaveReply =
  | { readonly ok: true; readonly saved: PassResult }
  | { readonly ok: false; readonly error: ErrorRecord }

export function runSaveTask(task: SaveTask): SaveReply {
  try {
    checkSameCode(task)
    return { ok: true, saved: carryOut(task, new PinnedKeyspace(task.pin)) }
  } catch (error) {
    return { ok: false, error: toRecord(error, 0) }
  } finally {
    // Ends the pin, also when it was never opened.
    task.pin.port.close()
    if (task.order.kind === 'pass') task.order.port.close()
  }
}

function carryOut({ preamble, order }: SaveTask, pinned: PinnedKeyspace): PassResult {
  return order.kind === 'pass' ? writePass(pinned, preamble, order) : save(pinned, preamble, order)
}

function save(pinned: PinnedKeyspace, preamble: SnapshotPreamble, order: SaveOrder): SavedFile {
  const gate = new SaveGate(order.gate)
  const nameUnlessCancelled = (from: string, to: string): void => {
    if (!gate.enter()) throw new ReplicaError('RDB_ABORTED', 'the snapshot is not wanted any more')
    try {
      renameSync(from, to)
    } finally {
      gate.leave()
    }
  }
  return saveFile(pinned, preamble, { ...order.options, calls: { ...NODE_CALLS, renameSync: nameUnlessCancelled } })
}
