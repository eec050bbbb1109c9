/**
 * `lzfCompress` in WebAssembly, in half the time: every place of a string is looked at, a word each, and here that takes no check of
 * bounds. What comes out is the same, byte for byte.
 *
 *   memory   | table of places, 64 KiB | input, INPUT_BYTES and a word | output, OUTPUT_BYTES and a run |
 *
 * Runs are copied eight bytes at a time, so up to seven bytes behind the input are read, and behind the output written.
 * Each thread has a memory of its own, from the first time that it needs one. Without WebAssembly (`node --jitless`) there is none.
 */
import { copyBytes, viewOf } from '../memory/copy-bytes.ts'
import {
  add,
  assign,
  block,
  branch,
  branchIf,
  call,
  compileWasm,
  get,
  giveBack,
  I32,
  i32,
  isAbove,
  isAtLeast,
  isBelow,
  isNot,
  lesser,
  load32,
  load64,
  load8,
  loop,
  multiply,
  or,
  shiftLeft,
  shiftRight,
  store32,
  store64,
  store8,
  subtract,
  type Code,
  type WasmFunction,
  when,
  xor,
} from './wasm-code.ts'

/** How far back a copy may reach. */
export const LZF_DISTANCE_MAX = 8192
/** The longest copy. */
export const LZF_COPY_MAX = 264
/** Room that a copy takes in the output, at most. */
export const COPY_ROOM_BYTES = 3
/** Literals of a run, at most. */
const RUN_BYTES_MAX = 32
/** Bits of the hash of a place; shorter inputs use a part of the table, which stays in the nearest cache. */
export const HASH_BITS = 14
export const HASH_FACTOR: number = 0x9e3779b1 | 0

const PAGE_BYTES = 65_536
const TABLE_BYTES: number = 4 << HASH_BITS
const SLACK_BYTES = 64
/** The longest input. */
export const INPUT_BYTES: number = 4 * PAGE_BYTES
/** Of an input without any repetition. */
const OUTPUT_BYTES: number = INPUT_BYTES + INPUT_BYTES / RUN_BYTES_MAX + COPY_ROOM_BYTES
const INPUT_AT = TABLE_BYTES
const OUTPUT_AT: number = INPUT_AT + INPUT_BYTES + SLACK_BYTES
const PAGES: number = Math.ceil((OUTPUT_AT + OUTPUT_BYTES + SLACK_BYTES) / PAGE_BYTES)

const LITERALS_FUNCTION = 0

/** Writes the runs of literals [FROM, LIMIT) at TO. @returns the position behind them. */
function literals(): WasmFunction {
  const [FROM, LIMIT, TO, COUNT, DONE] = [0, 1, 2, 3, 4] as const
  return {
    name: 'literals',
    parameters: [I32, I32, I32],
    result: I32,
    locals: [I32, I32],
    body: [
      block(
        loop(
          branchIf(1, isAtLeast(get(FROM), get(LIMIT))),
          assign(COUNT, lesser(i32(RUN_BYTES_MAX), subtract(get(LIMIT), get(FROM)))),
          store8(get(TO), subtract(get(COUNT), i32(1))),
          assign(DONE, i32(0)),
          loop(
            store64(add(get(TO), get(DONE)), load64(add(get(FROM), get(DONE))), 1),
            assign(DONE, add(get(DONE), i32(8))),
            branchIf(0, isBelow(get(DONE), get(COUNT))),
          ),
          assign(TO, add(add(get(TO), get(COUNT)), i32(1))),
          assign(FROM, add(get(FROM), get(COUNT))),
          branch(0),
        ),
      ),
      get(TO),
    ],
  }
}

/**
 * Compresses [FROM, LIMIT) into [TO, TO_LIMIT). BASE: what is added to a position to make the entry of its place, so that all entries
 * of earlier calls are out of reach. @returns the bytes written, 0 if they do not fit.
 */
function compress(): WasmFunction {
  const [FROM, LIMIT, TO, TO_LIMIT, BASE, SHIFT] = [0, 1, 2, 3, 4, 5] as const
  const [BEGIN, LITERALS, STOP, WORD, SLOT, DISTANCE, COUNT, LONGEST] = [6, 7, 8, 9, 10, 11, 12, 13] as const
  const candidate = subtract(get(FROM), get(DISTANCE))
  const offset = subtract(get(DISTANCE), i32(1))
  const room = (end: number): Code => {
    const count = subtract(get(end), get(LITERALS))
    const runs = shiftRight(add(count, i32(RUN_BYTES_MAX - 1)), i32(5))
    return add(add(get(TO), count), runs)
  }
  return {
    name: 'compress',
    parameters: [I32, I32, I32, I32, I32, I32],
    result: I32,
    locals: [I32, I32, I32, I32, I32, I32, I32, I32],
    body: [
      assign(BEGIN, get(TO)),
      assign(LITERALS, get(FROM)),
      block(
        // One copy and the literals before it.
        loop(
          // From this place on a copy comes too late: the literals before it leave it no room. Places are looked at as words.
          assign(
            STOP,
            lesser(
              subtract(get(LIMIT), i32(3)),
              subtract(add(get(LITERALS), subtract(get(TO_LIMIT), get(TO))), i32(COPY_ROOM_BYTES - 1)),
            ),
          ),
          branchIf(1, isAtLeast(get(FROM), get(STOP))),
          assign(FROM, subtract(get(FROM), i32(1))),
          loop(
            assign(FROM, add(get(FROM), i32(1))),
            branchIf(2, isAtLeast(get(FROM), get(STOP))),
            assign(WORD, load32(get(FROM))),
            assign(
              SLOT,
              shiftLeft(shiftRight(multiply(shiftLeft(get(WORD), i32(8)), i32(HASH_FACTOR)), get(SHIFT)), i32(2)),
            ),
            assign(DISTANCE, subtract(add(get(FROM), get(BASE)), load32(get(SLOT)))),
            store32(get(SLOT), add(get(FROM), get(BASE))),
            branchIf(0, isAbove(get(DISTANCE), i32(LZF_DISTANCE_MAX))),
            // Three bytes of four are the same.
            branchIf(0, shiftLeft(xor(load32(candidate), get(WORD)), i32(8))),
          ),
          assign(COUNT, i32(3)),
          assign(LONGEST, lesser(i32(LZF_COPY_MAX), subtract(get(LIMIT), get(FROM)))),
          block(
            loop(
              branchIf(1, isAtLeast(get(COUNT), get(LONGEST))),
              branchIf(1, isNot(load8(add(candidate, get(COUNT))), load8(add(get(FROM), get(COUNT))))),
              assign(COUNT, add(get(COUNT), i32(1))),
              branch(0),
            ),
          ),
          when(isAbove(add(room(FROM), i32(COPY_ROOM_BYTES)), get(TO_LIMIT)), [giveBack(i32(0))]),
          assign(TO, call(LITERALS_FUNCTION, get(LITERALS), get(FROM), get(TO))),
          when(
            isBelow(get(COUNT), i32(9)),
            [
              store8(get(TO), or(shiftLeft(subtract(get(COUNT), i32(2)), i32(5)), shiftRight(offset, i32(8)))),
              assign(TO, add(get(TO), i32(1))),
            ],
            [
              store8(get(TO), or(i32(7 << 5), shiftRight(offset, i32(8)))),
              store8(get(TO), subtract(get(COUNT), i32(9)), 1),
              assign(TO, add(get(TO), i32(2))),
            ],
          ),
          store8(get(TO), offset),
          assign(TO, add(get(TO), i32(1))),
          assign(FROM, add(get(FROM), get(COUNT))),
          assign(LITERALS, get(FROM)),
          branch(0),
        ),
      ),
      when(isAbove(room(LIMIT), get(TO_LIMIT)), [giveBack(i32(0))]),
      subtract(call(LITERALS_FUNCTION, get(LITERALS), get(LIMIT), get(TO)), get(BEGIN)),
    ],
  }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly compress: (from: number, end: number, to: number, toEnd: number, base: number, shift: number) => number
}

export class LzfWords {
  readonly #compress: Exports['compress']
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor() {
    const exports = compileWasm([literals(), compress()], PAGES) as Exports
    this.#compress = exports.compress
    this.#bytes = new Uint8Array(exports.memory.buffer)
    this.#view = new DataView(exports.memory.buffer)
  }

  /** Forgets all places of earlier calls. */
  reset(): void {
    this.#bytes.fill(0, 0, TABLE_BYTES)
  }

  /**
   * As `lzfCompress`, of an input of at most INPUT_BYTES. @param base above that of the call before by its input's length and
   * LZF_DISTANCE_MAX. @param shift leaves the bits of a hash.
   */
  compress(
    source: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    targetStart: number,
    targetEnd: number,
    base: number,
    shift: number,
  ): number {
    const bytes = this.#bytes
    const view = this.#view
    copyBytes(source, viewOf(source), start, end, bytes, view, INPUT_AT)
    const length = end - start
    const outputEnd = OUTPUT_AT + Math.min(OUTPUT_BYTES, targetEnd - targetStart)
    const count = this.#compress(INPUT_AT, INPUT_AT + length, OUTPUT_AT, outputEnd, base - INPUT_AT, shift)
    if (count > 0) copyBytes(bytes, view, OUTPUT_AT, OUTPUT_AT + count, target, viewOf(target), targetStart)
    return count
  }
}
