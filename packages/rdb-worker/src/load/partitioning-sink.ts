/**
 * The sink of a load by several threads. It runs in the scanning thread: hashes each key once, inserts the keys of its own
 * regions, and copies the entries of others into the queues of the threads that own them. Until an inserter's thread is up its
 * regions are inserted here, so a short load waits for nobody; an inserter that does not come up is not missed.
 *
 *                              ┌── own regions ───────► BulkWriter
 *   scanner ──► hash, region ──┤
 *                              └── those of others ───► InsertQueue ──► thread ──► BulkWriter     (insert-task.ts)
 */
import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import {
  accessAtLoad,
  BulkWriter,
  hashKey,
  hashOrder,
  hashTag,
  REGION_COUNT,
  RdbError,
  regionOf,
  ReplicaError,
  shardOf,
} from '@understudy/core/loading'
import type { Generation, HashSeed, RdbSink } from '@understudy/core/loading'
import { fromRecord } from '../messages.ts'
import type { InserterLink, InserterOrder, InserterReport } from '../messages.ts'
import type { LoaderOutcome, LoaderSinkOptions } from './create-sink.ts'
import {
  ENTRY_BYTES_MAX,
  INSERTER_DONE,
  INSERTER_FAILED,
  InsertQueueProducer,
  ROW_APPEND,
  ROW_BEGIN,
  ROW_DROP,
  ROW_END,
  ROW_HINT,
  ROW_KEY,
  ROW_PUT,
} from './insert-queue.ts'
import { ValueCheck } from './value-check.ts'

const NO_BYTES: Uint8Array = new Uint8Array(0)

interface Inserter {
  readonly regions: number
  readonly queue: InsertQueueProducer
  readonly port: MessagePort
}

type KeyRules = Pick<LoaderSinkOptions, 'encodings' | 'tracksFrequency'>

export class PartitioningSink implements RdbSink {
  readonly databaseCount: number
  uncheckedAt = -1
  readonly #generation: Generation
  readonly #rules: KeyRules
  readonly #seed: HashSeed
  readonly #own: BulkWriter
  readonly #check: ValueCheck
  #ownRegions: number = (1 << REGION_COUNT) - 1
  readonly #inserters: Inserter[]
  /** Inserters that may still come up. */
  #awaited: number
  /** By region: who inserts its keys, if it is not this thread. */
  readonly #owners: (Inserter | undefined)[] = Array.from({ length: REGION_COUNT }, () => undefined)
  /** Between begin and end: no region changes hands. */
  #inPieces = false
  /** Gets the pieces of the value that comes in pieces; undefined: this thread. */
  #piecesOwner: Inserter | undefined

  constructor(generation: Generation, links: readonly InserterLink[], rules: KeyRules) {
    this.#rules = rules
    this.databaseCount = generation.databaseCount
    this.#generation = generation
    this.#seed = generation.seed
    this.#own = new BulkWriter(generation, rules.encodings, accessAtLoad(rules.tracksFrequency))
    this.#check = new ValueCheck(() => this.#own.flush())
    this.#inserters = links.map(({ queue, port, regions }) => ({
      regions,
      port,
      queue: new InsertQueueProducer(queue),
    }))
    this.#awaited = links.length
  }

  /** Gives all inserters that come up their regions now, rather than when they are up. */
  awaitInserters(): void {
    for (const { queue } of this.#inserters) queue.waitUntilUp()
    this.#letJoin()
  }

  resizeHint(db: number, keys: number, _expires: number): void {
    this.#own.plan(db, keys, this.#ownRegions)
    for (const inserter of this.#joined()) {
      this.#push(inserter, ROW_HINT, 0, 0, db, 0, NO_BYTES, 0, 0, NO_BYTES, 0, 0, keys, -1, -1)
    }
  }

  put(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    hashKey(this.#seed, key, keyStart, keyEnd)
    const order = hashOrder
    const tag = hashTag
    const owner = this.#owners[regionOf(shardOf(order))]
    const { uncheckedAt } = this
    let bytes = value
    let start = valueStart
    let end = valueEnd
    if (uncheckedAt >= 0) {
      this.uncheckedAt = -1
      // Others check what fits into a row, unless this thread would only wait for them.
      if (owner !== undefined && !owner.queue.isLong && keyEnd - keyStart + (end - start) <= ENTRY_BYTES_MAX) {
        owner.queue.uncheckedAt = uncheckedAt
      } else {
        if (!this.#check.pass(rdbType, value, valueStart, valueEnd)) return
        bytes = this.#check.bytes
        start = this.#check.start
        end = this.#check.end
      }
    }
    if (owner === undefined) {
      this.#own.putHashed(
        order,
        tag,
        db,
        rdbType,
        key,
        keyStart,
        keyEnd,
        bytes,
        start,
        end,
        expireAtMs,
        idleSeconds,
        freq,
      )
      return
    }
    let from = keyStart
    if (keyEnd - keyStart + (end - start) > ENTRY_BYTES_MAX) {
      if (end - start > ENTRY_BYTES_MAX / 2) {
        this.begin(db, rdbType, key, keyStart, keyEnd, expireAtMs, idleSeconds, freq)
        this.append(bytes, start, end)
        this.end()
        return
      }
      from = this.#pushLongKey(owner, key, keyStart, keyEnd)
    }
    this.#push(
      owner,
      ROW_PUT,
      order,
      tag,
      db,
      rdbType,
      key,
      from,
      keyEnd,
      bytes,
      start,
      end,
      expireAtMs,
      idleSeconds,
      freq,
    )
  }

  begin(
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    expireAtMs: number,
    idleSeconds: number,
    freq: number,
  ): void {
    hashKey(this.#seed, key, keyStart, keyEnd)
    const order = hashOrder
    const tag = hashTag
    const owner = this.#owners[regionOf(shardOf(order))]
    this.#inPieces = true
    this.#piecesOwner = owner
    if (owner === undefined) {
      this.#own.begin(db, rdbType, key, keyStart, keyEnd, expireAtMs, idleSeconds, freq)
      return
    }
    let from = keyStart
    if (keyEnd - keyStart > ENTRY_BYTES_MAX / 2) from = this.#pushLongKey(owner, key, keyStart, keyEnd)
    this.#push(
      owner,
      ROW_BEGIN,
      order,
      tag,
      db,
      rdbType,
      key,
      from,
      keyEnd,
      NO_BYTES,
      0,
      0,
      expireAtMs,
      idleSeconds,
      freq,
    )
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    const owner = this.#piecesOwner
    if (owner === undefined) this.#own.append(bytes, start, end)
    else this.#pushBytes(owner, ROW_APPEND, bytes, start, end)
  }

  end(): void {
    const owner = this.#piecesOwner
    this.#inPieces = false
    if (owner === undefined) this.#own.end()
    else this.#pushBare(owner, ROW_END)
  }

  drop(): void {
    const owner = this.#piecesOwner
    this.#inPieces = false
    if (owner === undefined) this.#own.drop()
    else this.#pushBare(owner, ROW_DROP)
  }

  /** Nothing that was put is borrowed any more; what others insert may still be on its way. */
  flush(): void {
    this.#own.flush()
    if (this.#awaited > 0 && !this.#inPieces) this.#letJoin()
  }

  /** Waits until everything is inserted. */
  finish(): LoaderOutcome {
    this.#own.flush()
    const segments = [...this.#generation.transfer().segments]
    const { emptyByType } = this.#check
    const joined = this.#joined()
    for (const { queue } of joined) queue.end()
    for (const inserter of joined) {
      const { queue, port, regions } = inserter
      if (queue.waitForEnd() !== INSERTER_DONE) this.#fail(inserter)
      const report: InserterReport = receiveMessageOnPort(port)?.message
      if (!report.ok) this.#fail(inserter)
      for (let region = 0; region < REGION_COUNT; region++) {
        if ((regions & (1 << region)) !== 0) segments[region] = report.generation.segments[region]!
      }
      for (const [rdbType, count] of report.emptyByType) {
        emptyByType.set(rdbType, (emptyByType.get(rdbType) ?? 0) + count)
      }
    }
    return { generation: { control: this.#generation.controlBuffer, segments }, emptyByType }
  }

  /** See `LoaderSink.faultBefore`. Nothing can be put any more after it. */
  faultBefore(byteOffset: number): RdbError | undefined {
    const joined = this.#joined()
    for (const { queue } of joined) queue.end()
    let first: RdbError | undefined
    for (const { queue, port } of joined) {
      if (queue.waitForEnd() !== INSERTER_FAILED) continue
      const report: InserterReport | undefined = receiveMessageOnPort(port)?.message
      if (report === undefined || report.ok) continue
      const fault = fromRecord(report.error)
      if (!(fault instanceof RdbError) || fault.byteOffset < 0) continue
      // A value that ends where the scan failed stands before it.
      if (fault.byteOffset <= (first?.byteOffset ?? byteOffset)) first = fault
    }
    return first
  }

  #joined(): Inserter[] {
    return this.#inserters.filter(({ queue }) => queue.joined)
  }

  /** Gives regions to inserters that have come up. From here on this thread does not touch them. */
  #letJoin(): void {
    for (const inserter of this.#inserters) {
      const { queue, port, regions } = inserter
      if (!queue.joinable) continue
      const order: InserterOrder = {
        generation: this.#generation.transfer(),
        regions,
        encodings: this.#rules.encodings,
        tracksFrequency: this.#rules.tracksFrequency,
      }
      port.postMessage(order)
      queue.join()
      this.#awaited--
      this.#ownRegions &= ~regions
      for (let region = 0; region < REGION_COUNT; region++) {
        if ((regions & (1 << region)) !== 0) this.#owners[region] = inserter
      }
    }
  }

  /** Sends so much of a key that the rest fits into a row with the value. @returns where the rest starts */
  #pushLongKey(owner: Inserter, key: Uint8Array, start: number, end: number): number {
    this.#pushBytes(owner, ROW_KEY, key, start, end)
    return end
  }

  #pushBytes(owner: Inserter, kind: number, bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at += ENTRY_BYTES_MAX) {
      const to = Math.min(end, at + ENTRY_BYTES_MAX)
      this.#push(owner, kind, 0, 0, 0, 0, NO_BYTES, 0, 0, bytes, at, to, -1, -1, -1)
    }
  }

  /** A row that says all by its kind. */
  #pushBare(owner: Inserter, kind: number): void {
    this.#push(owner, kind, 0, 0, 0, 0, NO_BYTES, 0, 0, NO_BYTES, 0, 0, -1, -1, -1)
  }

  #push(
    owner: Inserter,
    kind: number,
    order: number,
    tag: number,
    db: number,
    rdbType: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    time: number,
    idleSeconds: number,
    freq: number,
  ): void {
    const taken = owner.queue.push(
      kind,
      order,
      tag,
      db,
      rdbType,
      key,
      keyStart,
      keyEnd,
      value,
      valueStart,
      valueEnd,
      time,
      idleSeconds,
      freq,
    )
    if (!taken) this.#fail(owner)
  }

  /** The error that the inserter has sent; without one its thread has died. */
  #fail({ port }: Inserter): never {
    const report: InserterReport | undefined = receiveMessageOnPort(port)?.message
    if (report === undefined || report.ok) throw new ReplicaError('RDB_WORKER_FAILED', 'an inserting thread died')
    const fault = fromRecord(report.error)
    // A place that it does not know is where the scan is.
    if (!(fault instanceof RdbError) || fault.byteOffset >= 0) throw fault
    const { code, message, retryable } = report.error
    throw new ReplicaError(code, message, { retryable })
  }
}
