/** An inserter's part in one load, from its first chunk to its report; blocks the thread it runs in. See partitioning-sink.ts. */
import { receiveMessageOnPort } from 'node:worker_threads'
import { accessAtLoad, BulkWriter, Generation } from '@understudy/core/loading'
import { toRecord } from '../messages.ts'
import type { InsertTask, InserterOrder, InserterReport } from '../messages.ts'
import { GrowingBytes } from '../scan/scratch.ts'
import { checkSameCode } from './same-code.ts'
import { placed, ValueCheck } from './value-check.ts'
import {
  INSERTER_DONE,
  INSERTER_FAILED,
  INSERTER_READY,
  InsertQueueConsumer,
  QUEUE_CHUNK,
  QUEUE_ENDED,
  ROW_APPEND,
  ROW_BEGIN,
  ROW_DROP,
  ROW_END,
  ROW_HINT,
  ROW_KEY,
  ROW_PUT,
  ROW_STRIDE,
} from './insert-queue.ts'

export function runInsertTask(task: InsertTask): void {
  const { queue: memory, port } = task
  const queue = new InsertQueueConsumer(memory)
  const report = (message: InserterReport, state: number): void => {
    // First the message, then the state: who sees the state finds the message at its port.
    port.postMessage(message)
    queue.setState(state)
  }
  try {
    checkSameCode(task)
    queue.setState(INSERTER_READY)
    if (!queue.waitForJoin()) return
    const order: InserterOrder = receiveMessageOnPort(port)?.message
    const generation = new Generation(order.generation)
    const writer = new BulkWriter(generation, order.encodings, accessAtLoad(order.tracksFrequency))
    const check = new ValueCheck(() => writer.flush())
    if (insertAll(queue, writer, check, order.regions)) {
      report({ ok: true, generation: generation.transfer(), emptyByType: check.emptyByType }, INSERTER_DONE)
    }
  } catch (error) {
    const { bytes, uncheckedAt, rdbType, keyStart, keyEnd } = queue
    const fault = placed(error, uncheckedAt, rdbType, bytes, keyStart, keyEnd)
    report({ ok: false, error: toRecord(fault, -1) }, INSERTER_FAILED)
  } finally {
    port.close()
  }
}

/** @returns false: the load was given up */
function insertAll(queue: InsertQueueConsumer, writer: BulkWriter, check: ValueCheck, regions: number): boolean {
  const { bytes } = queue
  const longKey = new GrowingBytes()
  for (;;) {
    const state = queue.next()
    if (state !== QUEUE_CHUNK) return state === QUEUE_ENDED
    const end = queue.rowsEnd
    for (let row = queue.firstRow; row < end; row += ROW_STRIDE) {
      queue.open(row)
      if (queue.kind === ROW_PUT && longKey.length === 0) {
        let value = bytes
        let { valueStart, valueEnd } = queue
        if (queue.uncheckedAt >= 0) {
          if (!check.pass(queue.rdbType, value, valueStart, valueEnd)) continue
          value = check.bytes
          valueStart = check.start
          valueEnd = check.end
        }
        writer.putHashed(
          queue.order,
          queue.tag,
          queue.db,
          queue.rdbType,
          bytes,
          queue.keyStart,
          queue.keyEnd,
          value,
          valueStart,
          valueEnd,
          queue.time,
          queue.idleSeconds,
          queue.freq,
        )
      } else {
        insertRarely(queue, writer, regions, longKey)
      }
    }
    // The bytes are borrowed from the chunk.
    writer.flush()
    queue.release()
  }
}

/** Rows of all kinds but a PUT that is whole. */
function insertRarely(queue: InsertQueueConsumer, writer: BulkWriter, regions: number, longKey: GrowingBytes): void {
  const { kind, bytes, db, rdbType, valueStart, valueEnd, time, idleSeconds, freq } = queue
  const isLong = longKey.length > 0
  const key = isLong ? longKey.bytes : bytes
  const keyStart = isLong ? 0 : queue.keyStart
  const keyEnd = isLong ? longKey.length : queue.keyEnd
  switch (kind) {
    case ROW_PUT: {
      const { order, tag } = queue
      writer.putHashed(
        order,
        tag,
        db,
        rdbType,
        key,
        keyStart,
        keyEnd,
        bytes,
        valueStart,
        valueEnd,
        time,
        idleSeconds,
        freq,
      )
      // Forgets the bytes and keeps none of them for the next key: the writer may look at these until it flushes.
      longKey.clear()
      break
    }
    case ROW_KEY:
      longKey.append(bytes, valueStart, valueEnd)
      break
    case ROW_HINT:
      writer.plan(db, time, regions)
      break
    case ROW_BEGIN:
      writer.begin(db, rdbType, key, keyStart, keyEnd, time, idleSeconds, freq)
      longKey.clear()
      break
    case ROW_APPEND:
      writer.append(bytes, valueStart, valueEnd)
      break
    case ROW_END:
      writer.end()
      break
    case ROW_DROP:
      writer.drop()
      break
    default:
      throw new TypeError(`a row of unknown kind ${kind}`)
  }
}
