/**
 * What the keyspace must be able to do with a value in a large form without knowing it. One object per form, in `forms.ts`.
 * The commands of a type know its form themselves.
 */
import type { RegionWriter } from '../keyspace/region-writer.ts'
import type { BlockMover } from '../memory/block-mover.ts'
import type { RdbWriter } from '../object-codec/rdb-writer.ts'
import type { ItemVisitor } from '../object-codec/value-items.ts'
import type { LargeValue } from './large-value.ts'

/** How far the blocks of a value were moved; what the parts mean is the form's. */
export interface MovePosition {
  part: number
  item: number
  position: number
  /** In the thing at `position`, when it takes more than one unit by itself; 0: at its beginning. */
  inner: number
}

export interface ValueForm {
  readonly form: number
  /** Words of the descriptor, at most DESCRIPTOR_WORDS_MAX. */
  readonly descriptorWords: number
  /** Elements. */
  count(value: LargeValue): number
  /** What OBJECT ENCODING says. */
  encodingName(value: LargeValue): string
  /** Shows the elements; those of hashes and sets in any order. */
  visitItems(value: LargeValue, visitor: ItemVisitor): void
  /** The RDB type as which a snapshot of version `rdbVersion` gets the value; it may be one that needs a later version. */
  snapshotType(value: LargeValue, rdbVersion: number): number
  /** Writes the value as it stands behind a key in a snapshot. @param rdbType what `snapshotType` said */
  serialize(value: LargeValue, rdbType: number, out: RdbWriter): void
  /** Bytes of all blocks beside the record; of more than `samples` elements, nodes or entries the mean is taken. */
  footprint(value: LargeValue, samples: number): number
  /**
   * Copies all blocks into `target` and fills `descriptor[1 …]`. When memory ends, nothing is left behind.
   * Word 0 is the caller's.
   */
  copy(value: LargeValue, target: RegionWriter, descriptor: Int32Array): void
  /**
   * Frees all blocks; those of a big value in slices (`value.lazyFree.addSlices`), after the record is gone. The descriptor
   * must not be used afterwards.
   */
  free(value: LargeValue): void
  /**
   * Moves a piece of the value's blocks (a page, a leaf of an index) out of segments that are being evacuated, and `at` behind
   * it unless the mover was exhausted. The value may change between two calls: what is missed then is left for another walk.
   * @returns true when all pieces are done.
   */
  move(value: LargeValue, mover: BlockMover, at: MovePosition): boolean
  /** Shows every block with the bytes that were asked for; for tests that look for lost memory. */
  visitBlocks?(value: LargeValue, visit: (address: number, bytes: number) => void): void
}
