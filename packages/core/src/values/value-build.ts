/**
 * The making of one value from the bytes of a snapshot or payload, in the thread that owns its region: what the builders of
 * the types (builders.ts) are given, and what they leave. Reused for every value.
 */
import type { LazyFree } from '../keyspace/lazy-free.ts'
import type { RegionWriter } from '../keyspace/region-writer.ts'
import { DESCRIPTOR_WORDS_MAX } from './form-numbers.ts'
import { LargeValue } from './large-value.ts'
import type { EncodingThresholds } from './thresholds.ts'

export class ValueBuild {
  readonly thresholds: EncodingThresholds
  readonly regions: readonly RegionWriter[]
  readonly lazyFree: LazyFree
  /** Where blocks are to be allocated. */
  region: RegionWriter

  /** The result: type byte of the record, and its flags (FLAG_LARGE_ENCODING or 0). */
  form = 0
  flags = 0
  isLarge = false
  /** Was a large value begun, even if a packed one came of it? Its tables have moved the region's registers then. */
  begunLarge = false
  /** Packed: `bytes[start .. end)`, borrowed until the next value is built. */
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  end = 0
  /** Large: the descriptor, and a value that is opened on it. */
  readonly descriptor: Int32Array = new Int32Array(DESCRIPTOR_WORDS_MAX)
  readonly large: LargeValue = new LargeValue()

  constructor(regions: readonly RegionWriter[], lazyFree: LazyFree, thresholds: EncodingThresholds) {
    this.regions = regions
    this.region = regions[0]!
    this.lazyFree = lazyFree
    this.thresholds = thresholds
  }

  /** Nothing is built yet. */
  begin(region: RegionWriter): void {
    this.region = region
    this.isLarge = false
    this.begunLarge = false
    this.form = 0
  }

  /** The value is these bytes, at most PACKED_BYTES_MAX. */
  packed(form: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    this.form = form
    this.flags = flags
    this.isLarge = false
    this.bytes = bytes
    this.start = start
    this.end = end
  }

  /** The value is large: its descriptor is all zeros and is to be filled through the result. */
  beginLarge(form: number, bits: number): LargeValue {
    this.form = form
    this.flags = 0
    this.isLarge = true
    this.begunLarge = true
    this.descriptor.fill(0)
    this.descriptor[0] = (bits << 8) | this.region.index
    return this.large.open(this.regions, this.lazyFree, form, this.descriptor, 0)
  }
}
