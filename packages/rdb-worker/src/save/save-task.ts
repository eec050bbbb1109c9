/** A snapshot file made from a pin, in a thread of its own: the writer goes on meanwhile (docs/pins.md). */
import { type PinHandle, PinnedKeyspace, ReplicaError } from '@understudy/core/internal'
import { type FileCalls, NODE_CALLS } from '../file/snapshot-file.ts'
import { checkSameCode } from '../load/same-code.ts'
import { type ErrorRecord, type SharedMemoryTask, toRecord } from '../messages.ts'
import { saveFile, type SavedFile, type SaveFileOptions, type SnapshotPreamble } from './save-file.ts'
import { SaveGate } from './save-gate.ts'
import { spoolFile, type SpoolOptions } from './spool-file.ts'

/** What becomes of the snapshot: the file that stays, once the gate lets it have its name, or one that is read once. */
export type SaveOrder =
  | { readonly kind: 'save'; readonly options: Omit<SaveFileOptions, 'calls'>; readonly gate: SharedArrayBuffer }
  | { readonly kind: 'spool'; readonly options: SpoolOptions }

export interface SaveTask extends SharedMemoryTask {
  readonly pin: PinHandle
  readonly preamble: SnapshotPreamble
  readonly order: SaveOrder
}

export type SaveReply =
  | { readonly ok: true; readonly saved: SavedFile }
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
  }
}

function carryOut({ preamble, order }: SaveTask, pinned: PinnedKeyspace): SavedFile {
  if (order.kind === 'spool') return spoolFile(pinned, preamble, order.options)
  const gate = new SaveGate(order.gate)
  const aborted = (): ReplicaError => new ReplicaError('RDB_ABORTED', 'the snapshot is not wanted any more')
  const calls: FileCalls = {
    ...NODE_CALLS,
    writeSync: (descriptor, bytes, offset, length) => {
      if (gate.isCancelled) throw aborted()
      return NODE_CALLS.writeSync(descriptor, bytes, offset, length)
    },
    renameSync: (from, to) => {
      if (!gate.enter()) throw aborted()
      try {
        NODE_CALLS.renameSync(from, to)
      } finally {
        gate.leave()
      }
    },
  }
  return saveFile(pinned, preamble, { ...order.options, calls })
}
