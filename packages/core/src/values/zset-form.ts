/**
 * Sorted sets: a listpack of members and scores, or a table of members beside an ordered index of their records.
 *
 *   descriptor   0 owner, bits   1 … 5 root of the table   6 … 10 state of the index   11 unused
 *
 * OBJECT ENCODING names Redis' encoding: a large one whose LARGE_REPORTS_PACKED is set is a 'listpack' there, a listpack whose
 * record has FLAG_LARGE_ENCODING a 'skiplist'.
 */
import {
  LISTPACK_EMPTY_BYTES,
  listpackAppend,
  listpackCount,
  listpackCreate,
  listpackItemBytes,
} from '../encoding/listpack-edit.ts'
import { SCORE_TEXT_BYTES_MAX, writePackedScore } from '../encoding/score-text.ts'
import { FLAG_LARGE_ENCODING } from '../keyspace/layout.ts'
import { TABLE_POSITIONS } from '../keyspace/table-move.ts'
import { RDB_TYPE_ZSET_2, RDB_TYPE_ZSET_LISTPACK, RDB_TYPE_ZSET_ZIPLIST } from '../object-codec/rdb-types.ts'
import { type ItemVisitor, visitItems } from '../object-codec/value-items.ts'
import type { ValueSource } from '../object-codec/value-source.ts'
import { ValueFault } from '../object-codec/value-walker.ts'
import {
  FORM_ZSET,
  FORM_ZSET_LISTPACK,
  LARGE_REPORTS_PACKED,
  PACKED_BYTES_MAX,
  WRITTEN_LISTPACK_BYTES_MAX,
} from './form-numbers.ts'
import { ItemCopy } from './item-copy.ts'
import { LargeValue } from './large-value.ts'
import { writeRecordKey } from './record-strings.ts'
import { SCORED } from './ordered-index-cursor.ts'
import { OrderedIndex } from './ordered-index.ts'
import { OrderedIndexMover } from './ordered-index-mover.ts'
import { SortedSet, ZSET_DESCRIPTOR_WORDS, ZSET_INDEX, ZSET_TABLE } from './sorted-set.ts'
import { fitsPackedZset, LargeSortedSet } from './sorted-set-writer.ts'
import type { EncodingThresholds } from './thresholds.ts'
import type { ValueBuild } from './value-build.ts'
import type { ValueForm } from './value-form.ts'
import { ZsetPacker } from './zset-packer.ts'

/** Parts of `move`: the index and the records its leaves name; then the pages of the table. */
const PART_INDEX = 0
const PART_TABLE = 1

/** Leaves freed in one call of a slice. */
const LEAVES_PER_SLICE = 64

/** Of whole values: copies, digests, builds. Commands have their own. */
const opened = new LargeSortedSet()
const copied = new LargeSortedSet()
const built = new LargeSortedSet()
const copiedValue = new LargeValue()
const movedIndex = new OrderedIndexMover(SCORED)

export const zsetForm: ValueForm = {
  form: FORM_ZSET,
  descriptorWords: ZSET_DESCRIPTOR_WORDS,

  count(value) {
    return opened.openLarge(value).count
  },

  encodingName(value) {
    return (value.bits & LARGE_REPORTS_PACKED) === 0 ? 'skiplist' : 'listpack'
  },

  visitItems(value, visitor) {
    opened.openLarge(value)
    for (let more = opened.seekRank(0); more; more = opened.next()) {
      visitor.text(opened.memberBytes, opened.memberStart, opened.memberEnd)
      visitor.score(opened.score)
    }
  },

  snapshotType(value) {
    if ((value.bits & LARGE_REPORTS_PACKED) === 0) return RDB_TYPE_ZSET_2
    const bytes = packedBytes(opened.openLarge(value), WRITTEN_LISTPACK_BYTES_MAX)
    return bytes <= WRITTEN_LISTPACK_BYTES_MAX ? RDB_TYPE_ZSET_LISTPACK : RDB_TYPE_ZSET_2
  },

  serialize(value, rdbType, out) {
    opened.openLarge(value)
    if (rdbType === RDB_TYPE_ZSET_LISTPACK) {
      const bytes = new Uint8Array(packedBytes(opened))
      const length = writePacked(opened, bytes, false)
      out.string(bytes, 0, length)
      return
    }
    // From the greatest down, as Redis does: whoever loads it inserts at one end.
    const { index, table } = opened
    out.count(opened.count)
    index.end()
    while (index.previous()) {
      writeRecordKey(table.loadElement(index.address), out)
      out.double(index.score)
    }
  },

  footprint(value, samples) {
    opened.openLarge(value)
    return opened.table.footprint(samples) + opened.index.footprint()
  },

  copy(value, target, descriptor) {
    opened.openLarge(value)
    // Word 0 is the caller's, and is written already: it names the owner.
    copied.openLarge(copiedValue.open(value.regions, value.lazyFree, FORM_ZSET, descriptor, 0))
    try {
      opened.table.copyTo(target, descriptor, ZSET_TABLE)
      for (let more = opened.seekRank(0); more; more = opened.next()) {
        copied.find(opened.memberBytes, opened.memberStart, opened.memberEnd)
        copied.index.append(copied.table.element.address, opened.score)
      }
    } catch (error) {
      copied.free()
      throw error
    }
  },

  free(value) {
    opened.openLarge(value)
    opened.table.free()
    const { index } = opened
    for (let leaves = 0; leaves < LEAVES_PER_SLICE; leaves++) if (!index.freeLastLeaf()) return
    const state = value.words.slice(value.at + ZSET_INDEX, value.at + ZSET_DESCRIPTOR_WORDS)
    const { region } = value
    const rest = new OrderedIndex(SCORED)
    value.lazyFree.addSlices(() => {
      rest.open(region, state, 0)
      for (let leaves = 0; leaves < LEAVES_PER_SLICE; leaves++) if (!rest.freeLastLeaf()) return true
      return false
    })
  },

  move(value, mover, at) {
    opened.openLarge(value)
    if (at.part === PART_INDEX) {
      movedIndex.open(value.region, value.words, value.at + ZSET_INDEX)
      const isDone = movedIndex.moveLeaf(at, mover, (address) => {
        const moved = opened.table.moveElement(address, mover)
        // Of a long name the rest may be left; what has moved costs nothing then.
        at.inner = mover.isExhausted ? 1 : 0
        return moved
      })
      if (!isDone) return false
      at.part = PART_TABLE
      at.position = 0
      return false
    }
    at.position = opened.table.movePage(at.position, mover, false)
    return at.position === TABLE_POSITIONS
  },

  visitBlocks(value, visit) {
    opened.openLarge(value)
    opened.index.visitBlocks(visit)
    opened.table.visitBlocks(visit)
  },
}

const scoreText: Uint8Array = new Uint8Array(SCORE_TEXT_BYTES_MAX)
const packing: Uint8Array = new Uint8Array(PACKED_BYTES_MAX)

/** Bytes of the listpack with all elements. */
function packedBytes(set: SortedSet, most = Number.POSITIVE_INFINITY): number {
  let bytes = LISTPACK_EMPTY_BYTES
  for (let more = set.seekRank(0); more && bytes <= most; more = set.next()) {
    bytes += listpackItemBytes(set.memberBytes, set.memberStart, set.memberEnd)
    bytes += listpackItemBytes(scoreText, 0, writePackedScore(set.score, scoreText, 0))
  }
  return bytes
}

/** Writes them; `target` is long enough. @param dropsSigns of zeros. @returns the length. */
function writePacked(set: SortedSet, target: Uint8Array, dropsSigns: boolean): number {
  let length = listpackCreate(target, 0)
  for (let more = set.seekRank(0); more; more = set.next()) {
    length = listpackAppend(target, 0, set.memberBytes, set.memberStart, set.memberEnd)
    const score = dropsSigns && set.score === 0 ? 0 : set.score
    length = listpackAppend(target, 0, scoreText, 0, writePackedScore(score, scoreText, 0))
  }
  return length
}

/**
 * Leaves a finished set as the result of a build: packed when that is short, with what Redis would call it.
 * @param set opened on `build.large`
 * @param keepsSigns of zeros: Redis drops them when it inserts into a listpack itself, but not when it copies the texts
 */
export function finishZset(set: LargeSortedSet, isListpack: boolean, build: ValueBuild, keepsSigns = false): void {
  // Two bytes an item or more: longer ones need not be measured.
  const mayFit = fitsPackedZset(set.count * 4, set.count, !isListpack)
  if (mayFit && fitsPackedZset(packedBytes(set, PACKED_BYTES_MAX), set.count, !isListpack)) {
    const length = writePacked(set, packing, isListpack && !keepsSigns)
    set.free()
    build.packed(FORM_ZSET_LISTPACK, isListpack ? 0 : FLAG_LARGE_ENCODING, packing, 0, length)
  } else if (isListpack) {
    if (!keepsSigns) set.dropNegativeZeros()
    build.large.setBits(LARGE_REPORTS_PACKED)
  }
}

/** See `PackedRule`: redis 7.0 looks at the number of elements only when it loads a listpack. */
export function packedZsetFlags(bytes: Uint8Array, start: number, end: number, thresholds: EncodingThresholds): number {
  const elements = listpackCount(bytes, start) / 2
  if (elements <= thresholds.zsetMaxListpackEntries) return 0
  return fitsPackedZset(end - start, elements, true) ? FLAG_LARGE_ENCODING : -1
}

/** Makes a sorted set of any RDB type: packed while its elements come in their order and are few, then large. */
export function buildZset(rdbType: number, source: ValueSource, build: ValueBuild): void {
  builder.begin(build)
  try {
    visitItems(rdbType, source, builder)
    builder.finish(rdbType === RDB_TYPE_ZSET_LISTPACK || rdbType === RDB_TYPE_ZSET_ZIPLIST)
  } finally {
    builder.release()
  }
}

class ZsetBuilder implements ItemVisitor {
  #build!: ValueBuild
  #longest = 0
  #isPacking = false
  readonly #member = new ItemCopy()
  readonly #packer = new ZsetPacker()
  readonly #packed = new SortedSet()

  begin(build: ValueBuild): void {
    this.#build = build
    this.#longest = 0
    this.#isPacking = true
    this.#packer.begin(build.region.seed)
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    this.#member.take(bytes, start, end)
    this.#longest = Math.max(this.#longest, end - start)
  }

  score(value: number): void {
    if (Number.isNaN(value)) throw new ValueFault('RDB_BAD_VALUE', 'a score is not a number', 0)
    const { bytes: member, length } = this.#member
    if (this.#isPacking) {
      // Whether a zero keeps its sign depends on how many elements follow.
      if (!Object.is(value, -0) && this.#packer.add(member, 0, length, value)) return
      this.#packer.finish()
      this.#makeLarge()
    }
    if (built.find(member, 0, length)) throw new ValueFault('RDB_BAD_VALUE', 'a member comes twice', 0)
    built.add(member, 0, length, value)
  }

  fieldTtl(): void {}

  entry(): void {}

  release(): void {
    this.#member.release()
  }

  #makeLarge(): void {
    this.#isPacking = false
    built.openLarge(this.#build.beginLarge(FORM_ZSET, 0))
    const { bytes, start, end } = this.#packer
    built.addAll(this.#packed.openPacked(bytes, start, end))
  }

  /** @param isPacked the encoding was packed: only the number of elements may make it large (redis 7.0 rdb.c). */
  finish(isPacked: boolean): void {
    const build = this.#build
    const packer = this.#packer
    const { thresholds } = build
    const count = this.#isPacking ? packer.count : built.count
    const isListpack =
      count <= thresholds.zsetMaxListpackEntries && (isPacked || this.#longest <= thresholds.zsetMaxListpackValue)
    if (this.#isPacking) {
      packer.finish()
      const { bytes, start, end } = packer
      if (fitsPackedZset(end - start, count, !isListpack)) {
        build.packed(FORM_ZSET_LISTPACK, isListpack ? 0 : FLAG_LARGE_ENCODING, bytes, start, end)
        return
      }
      this.#makeLarge()
    }
    finishZset(built, isListpack, build, isPacked)
  }
}

const builder = new ZsetBuilder()
