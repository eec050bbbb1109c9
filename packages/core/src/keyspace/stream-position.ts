/**
 * Where in the replication stream the data are, kept in the control block so that a reader in any thread can say of which
 * offset its reads were. Written by the link role.
 *
 * An offset has more bits than a store that cannot tear. So the low word is stored by itself inside of the unit whose data it
 * tells of, and the high word, which changes once in 4 GiB, in a unit that enters all shards: a reader that has entered any
 * shard does not validate when it met halves that do not belong together (docs/consistency.md, section 5).
 */
import { strict as assert } from 'node:assert'
import type { GenerationLayout } from './generation.ts'
import {
  C_APPLIED_HIGH,
  C_APPLIED_LOW,
  C_NO_DATASET,
  C_OFFSET_HIGH,
  C_OFFSET_LOW,
  C_POSITION_END,
  C_REPLID,
} from './layout.ts'
import type { ShardCounters } from './shard-counters.ts'

const TWO_32: number = 2 ** 32
const REPLID_BYTES = 20

export class StreamPosition {
  #layout: GenerationLayout
  readonly #counters: ShardCounters
  /** The high words stand for numbers from these on, up to 2^32 more; NaN: not looked at yet. */
  #offsetStart = Number.NaN
  #appliedStart = Number.NaN

  constructor(layout: GenerationLayout, counters: ShardCounters) {
    this.#layout = layout
    this.#counters = counters
  }

  /** The data are as of `offset` from the end of the open unit on. @param appliedAtMs the wall clock. */
  note(offset: number, appliedAtMs: number): void {
    const { control } = this.#layout
    const offsetLow = offset - this.#offsetStart
    const appliedLow = appliedAtMs - this.#appliedStart
    const isHighRight = offsetLow >= 0 && offsetLow < TWO_32 && appliedLow >= 0 && appliedLow < TWO_32
    if (!isHighRight) this.#noteHigh(offset, appliedAtMs)
    control[C_OFFSET_LOW] = offset | 0
    control[C_APPLIED_LOW] = appliedAtMs | 0
  }

  #noteHigh(offset: number, appliedAtMs: number): void {
    const { control } = this.#layout
    const offsetHigh = Math.floor(offset / TWO_32)
    const appliedHigh = Math.floor(appliedAtMs / TWO_32)
    this.#offsetStart = offsetHigh * TWO_32
    this.#appliedStart = appliedHigh * TWO_32
    if (control[C_OFFSET_HIGH] === offsetHigh && control[C_APPLIED_HIGH] === appliedHigh) return
    this.#counters.enterAll()
    control[C_OFFSET_HIGH] = offsetHigh
    control[C_APPLIED_HIGH] = appliedHigh
  }

  /** The stream is another one. @param replid 40 hexadecimal digits. Inside a unit. */
  setReplid(replid: string): void {
    const bytes = Buffer.from(replid, 'hex')
    assert.equal(bytes.length, REPLID_BYTES)
    this.#counters.enterAll()
    new Uint8Array(this.#layout.controlBuffer, C_REPLID * 4, REPLID_BYTES).set(bytes)
  }

  /** Is this anybody's dataset? So it is from the beginning, until somebody says otherwise. */
  get hasDataset(): boolean {
    return hasDataset(this.#layout)
  }

  /** Without a dataset readers are refused: an empty keyspace would answer that no key exists. Inside a unit. */
  setHasDataset(has: boolean): void {
    this.#counters.enterAll()
    this.#layout.control[C_NO_DATASET] = has ? 0 : 1
  }

  /** Gives the position to a generation that is about to take over at the same place of the stream. */
  copyTo(next: GenerationLayout): void {
    next.control.set(this.#layout.control.subarray(C_OFFSET_LOW, C_POSITION_END), C_OFFSET_LOW)
  }

  /** Another generation takes over, with the position that stands in it: none, unless it was copied. */
  use(next: GenerationLayout): void {
    this.#layout = next
    this.#offsetStart = Number.NaN
  }
}

/** The applied offset that a generation tells of; 0: of none yet. For readers: inside of an attempt. */
export function positionOffset({ control }: GenerationLayout): number {
  return control[C_OFFSET_HIGH]! * TWO_32 + (control[C_OFFSET_LOW]! >>> 0)
}

/** False: what is here is nobody's dataset, and must not be read. For readers: inside of an attempt. */
export function hasDataset({ control }: GenerationLayout): boolean {
  return control[C_NO_DATASET] === 0
}

/** Milliseconds since 1970 at which that offset was applied. */
export function positionAppliedAtMs({ control }: GenerationLayout): number {
  return control[C_APPLIED_HIGH]! * TWO_32 + (control[C_APPLIED_LOW]! >>> 0)
}

/** The replication ID, 40 hexadecimal digits; all zeros: none. */
export function positionReplid(layout: GenerationLayout): string {
  return Buffer.from(new Uint8Array(layout.controlBuffer, C_REPLID * 4, REPLID_BYTES)).toString('hex')
}
