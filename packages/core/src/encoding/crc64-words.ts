/**
 * The inner loop of a CRC-64 in WebAssembly: its registers have 64 bits, which JavaScript's numbers have not, and that halves the time. A
 * snapshot is checksummed byte for byte, so it counts.
 *
 *   memory   | tables: 8 x 256 x 8 bytes | register, 8 bytes | input, INPUT_BYTES |
 *
 * The register is passed in memory: of a BigInt that goes through a loop, Node 20's compiler makes code that ends the process
 * ("RepresentationChangerError: node of kRepTagged (SignedBigInt64) cannot be changed to kRepWord64").
 *
 * Each thread has a memory of its own, from the first time that it needs one. Without WebAssembly (`node --jitless`) there is none.
 */
import {
  add,
  and,
  assign,
  branchIf,
  type Code,
  compileWasm,
  get,
  I32,
  i32,
  I64,
  i64,
  isBelow,
  load64,
  loop,
  lowerHalf,
  shiftLeft64,
  shiftRight64,
  store64,
  type WasmFunction,
  xor64,
} from './wasm-code.ts'

const TABLES_BYTES = 8 * 256 * 8
const REGISTER_AT: number = TABLES_BYTES
const INPUT_AT: number = REGISTER_AT + 8
const PAGE_BYTES = 65_536
const PAGES = 2
/** Bytes that one call takes. */
export const INPUT_BYTES: number = PAGES * PAGE_BYTES - INPUT_AT

const AT = 0
const LIMIT = 1
const CRC = 2
const X = 3

/** What byte `k` of $x contributes. Eight times the byte is the place in its table. */
function lookUp(k: number): Code {
  const shifted = k === 0 ? shiftLeft64(get(X), i64(3)) : shiftRight64(get(X), i64(8 * k - 3))
  return load64(and(lowerHalf(shifted), i32(255 * 8)), (7 - k) * 256 * 8)
}

/** Takes the bytes [AT, LIMIT) of the memory, a multiple of 8 and not none, into the register. */
const UPDATE: WasmFunction = {
  name: 'update',
  parameters: [I32, I32],
  locals: [I64, I64],
  body: [
    assign(CRC, load64(i32(REGISTER_AT))),
    loop(
      assign(X, xor64(get(CRC), load64(get(AT)))),
      assign(CRC, [1, 2, 3, 4, 5, 6, 7].map(lookUp).reduce(xor64, lookUp(0))),
      assign(AT, add(get(AT), i32(8))),
      branchIf(0, isBelow(get(AT), get(LIMIT))),
    ),
    store64(i32(REGISTER_AT), get(CRC)),
  ],
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly update: (at: number, end: number) => void
}

export class Crc64Words {
  /** The checksum so far: its lower half, then its upper one. */
  readonly register: Int32Array
  readonly #update: Exports['update']
  readonly #input: Uint8Array

  /** @param tableLo entry b of table k at k * 256 + b: the register after byte b and k zero bytes, its lower half. */
  constructor(tableLo: Int32Array, tableHi: Int32Array) {
    const { memory, update } = compileWasm([UPDATE], PAGES) as Exports
    const tables = new Int32Array(memory.buffer, 0, TABLES_BYTES >> 2)
    for (let entry = 0; entry < tableLo.length; entry++) {
      tables[2 * entry] = tableLo[entry]!
      tables[2 * entry + 1] = tableHi[entry]!
    }
    this.register = new Int32Array(memory.buffer, REGISTER_AT, 2)
    this.#update = update
    this.#input = new Uint8Array(memory.buffer, INPUT_AT, INPUT_BYTES)
  }

  /** Takes the bytes into `register`. @param bytes a multiple of 8, not none, at most INPUT_BYTES. */
  update(bytes: Uint8Array): void {
    this.#input.set(bytes)
    this.#update(INPUT_AT, INPUT_AT + bytes.length)
  }
}
