/**
 * Checks values of which the scanner has only found the ends, in the thread that inserts them; what is compressed in them is unpacked
 * for the writer on the way. See `RdbSink.uncheckedAt`.
 */
import { printableBytes, RdbError, rdbTypeFacts, valueGrammar, ValueFault, ValueWalker } from '@understudy/core/loading'
import { ScratchArena } from '../scan/scratch.ts'

/** Unpacked values of entries that the writer may still hold. */
const ARENA_BYTES: number = 1 << 20

export class ValueCheck {
  /** What passed last is `bytes[start .. end)`: borrowed from who had it checked, or ours until the writer has flushed. */
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  end = 0
  /** Keys that were dropped because they have no elements, by RDB type. */
  readonly emptyByType: Map<number, number> = new Map()
  readonly #walker: ValueWalker = new ValueWalker()
  readonly #arena: ScratchArena = new ScratchArena(ARENA_BYTES)
  readonly #flush: () => void

  /** @param flush makes the writer let go of all that passed */
  constructor(flush: () => void) {
    this.#flush = flush
  }

  /**
   * @returns false: a key without elements, which is to be dropped
   * @throws ValueFault
   */
  pass(rdbType: number, bytes: Uint8Array, start: number, end: number): boolean {
    const arena = this.#arena
    if (arena.used > ARENA_BYTES / 2) {
      this.#flush()
      arena.reset()
    }
    const walker = this.#walker
    walker.begin(valueGrammar(rdbType), end - start, arena)
    if (!walker.walk(bytes, start, end, true)) {
      throw new ValueFault('RDB_BAD_VALUE', 'the value ends too early', end - start)
    }
    if (walker.elements === 0 && rdbTypeFacts(rdbType)!.droppedWhenEmpty) {
      this.emptyByType.set(rdbType, (this.emptyByType.get(rdbType) ?? 0) + 1)
      return false
    }
    const unpackedBytes = walker.takeUnpacked(bytes)
    if (unpackedBytes === 0) {
      this.bytes = bytes
      this.start = start
      this.end = end
    } else {
      this.bytes = arena.bytes
      this.start = arena.used
      this.end = arena.used += unpackedBytes
    }
    return true
  }
}

/** A fault of a value that begins at byte `valueAt` of the snapshot, with its place; other errors as they are. */
export function placed(
  error: unknown,
  valueAt: number,
  rdbType: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
): unknown {
  if (!(error instanceof ValueFault)) return error
  return new RdbError(
    error.code,
    error.message,
    valueAt + error.valueOffset,
    rdbType,
    printableBytes(key, keyStart, keyEnd),
  )
}
