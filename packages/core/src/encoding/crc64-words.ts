/**
 * The inner loop of a CRC-64 in WebAssembly: its registers have 64 bits, which JavaScript's numbers have not, and that halves the time. A
 * snapshot is checksummed byte for byte, so it counts. The module is put together here, instruction by instruction:
 *
 *   (func (export "update") (param $at i32) (param $end i32) (local $crc i64) (local $x i64)
 *     $crc = load64(REGISTER)
 *     (loop
 *       $x = $crc ^ load64($at)
 *       $crc = table[7][byte 0 of $x] ^ table[6][byte 1 of $x] ^ … ^ table[0][byte 7 of $x]
 *       $at = $at + 8
 *       (br_if 0 ($at <u $end)))
 *     store64(REGISTER, $crc))
 *
 *   memory   | tables: 8 x 256 x 8 bytes | register, 8 bytes | input, INPUT_BYTES |
 *
 * The register is passed in memory: of a BigInt that goes through a loop, Node 20's compiler makes code that ends the process
 * ("RepresentationChangerError: node of kRepTagged (SignedBigInt64) cannot be changed to kRepWord64").
 *
 * Each thread has a memory of its own, from the first time that it needs one. Without WebAssembly (`node --jitless`) there is none.
 */
const TABLES_BYTES = 8 * 256 * 8
const REGISTER_AT: number = TABLES_BYTES
const INPUT_AT: number = REGISTER_AT + 8
const PAGE_BYTES = 65_536
const PAGES = 2
/** Bytes that one call takes. */
export const INPUT_BYTES: number = PAGES * PAGE_BYTES - INPUT_AT

// https://webassembly.github.io/spec/core/binary/
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const SECTION_TYPES = 1
const SECTION_FUNCTIONS = 3
const SECTION_MEMORIES = 5
const SECTION_EXPORTS = 7
const SECTION_CODE = 10
const I32 = 0x7f
const I64 = 0x7e
const FUNCTION_TYPE = 0x60
const EXPORTS_FUNCTION = 0
const EXPORTS_MEMORY = 2
const NO_RESULT = 0x40
const LOOP = 0x03
const END = 0x0b
const BR_IF = 0x0d
const LOCAL_GET = 0x20
const LOCAL_SET = 0x21
const LOCAL_TEE = 0x22
const I64_LOAD = 0x29
const I64_STORE = 0x37
const I32_CONST = 0x41
const I64_CONST = 0x42
const I32_LT_U = 0x49
const I32_ADD = 0x6a
const I32_AND = 0x71
const I64_XOR = 0x85
const I64_SHL = 0x86
const I64_SHR_U = 0x88
const I32_WRAP_I64 = 0xa7
const ALIGNED_TO_8 = 3

const AT = 0
const LIMIT = 1
const CRC = 2
const X = 3

/** An unsigned number, seven bits a byte. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

/** As `unsigned`, for constants, which are signed: bit 6 of the last byte is the sign. */
function positive(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...positive(value >>> 7)]
}

function vector(items: number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function name(text: string): number[] {
  return [...unsigned(text.length), ...Buffer.from(text)]
}

/** What byte `k` of $x contributes. Eight times the byte is the place in its table. */
function lookUp(k: number): number[] {
  const shifted = k === 0 ? [I64_CONST, ...positive(3), I64_SHL] : [I64_CONST, ...positive(8 * k - 3), I64_SHR_U]
  const place = [LOCAL_GET, X, ...shifted, I32_WRAP_I64, I32_CONST, ...positive(255 * 8), I32_AND]
  return [...place, I64_LOAD, ALIGNED_TO_8, ...unsigned((7 - k) * 256 * 8)]
}

function moduleBytes(): Uint8Array {
  const bytes = [0, 1, 2, 3, 4, 5, 6, 7]
  const step = [
    [LOCAL_GET, CRC, LOCAL_GET, AT, I64_LOAD, ALIGNED_TO_8, 0, I64_XOR, LOCAL_SET, X],
    ...bytes.map((k) => (k === 0 ? lookUp(k) : [...lookUp(k), I64_XOR])),
    [LOCAL_SET, CRC],
    [LOCAL_GET, AT, I32_CONST, 8, I32_ADD, LOCAL_TEE, AT, LOCAL_GET, LIMIT, I32_LT_U, BR_IF, 0],
  ].flat()
  const register = [I32_CONST, ...positive(REGISTER_AT)]
  const before = [...register, I64_LOAD, ALIGNED_TO_8, 0, LOCAL_SET, CRC]
  const after = [...register, LOCAL_GET, CRC, I64_STORE, ALIGNED_TO_8, 0]
  const body = [...vector([[2, I64]]), ...before, LOOP, NO_RESULT, ...step, END, ...after, END]
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(SECTION_TYPES, vector([[FUNCTION_TYPE, ...vector([[I32], [I32]]), ...vector([])]])),
    ...section(SECTION_FUNCTIONS, vector([[0]])),
    ...section(SECTION_MEMORIES, vector([[0, PAGES]])),
    ...section(
      SECTION_EXPORTS,
      vector([
        [...name('update'), EXPORTS_FUNCTION, 0],
        [...name('memory'), EXPORTS_MEMORY, 0],
      ]),
    ),
    ...section(SECTION_CODE, vector([[...unsigned(body.length), ...body]])),
  ])
}

/** What is used of it here; Node's types have it only from a later version on. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
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
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()))
    const { memory, update } = exports as Exports
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
