/**
 * WebAssembly put together here, instruction by instruction, for the few loops that it halves. Code is an array of bytes; what takes
 * values takes their code. Binary format: https://webassembly.github.io/spec/core/binary/
 *
 *   assign(SUM, add(get(SUM), load8(get(AT))))             $sum = $sum + load8($at)
 *   loop(…, branchIf(0, isBelow(get(AT), get(LIMIT))))     from the beginning again as long as $at < $end
 */
export type Code = readonly number[]

export const I32 = 0x7f
export const I64 = 0x7e

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const SECTION_TYPES = 1
const SECTION_FUNCTIONS = 3
const SECTION_MEMORIES = 5
const SECTION_EXPORTS = 7
const SECTION_CODE = 10
const FUNCTION_TYPE = 0x60
const EXPORTS_FUNCTION = 0
const EXPORTS_MEMORY = 2
const NO_RESULT = 0x40
const END = 0x0b

/** An unsigned number, seven bits a byte. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

/** The same of a signed one, as constants are: bit 6 of the last byte is the sign. */
function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
}

function vector(items: readonly Code[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

// ---- values ---------------------------------------------------------------------------------------------------------

export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const i32 = (value: number): Code => [0x41, ...signed(value)]
export const i64 = (value: number): Code => [0x42, ...signed(value)]

export const add = (left: Code, right: Code): Code => [...left, ...right, 0x6a]
export const subtract = (left: Code, right: Code): Code => [...left, ...right, 0x6b]
export const multiply = (left: Code, right: Code): Code => [...left, ...right, 0x6c]
export const and = (left: Code, right: Code): Code => [...left, ...right, 0x71]
export const or = (left: Code, right: Code): Code => [...left, ...right, 0x72]
export const xor = (left: Code, right: Code): Code => [...left, ...right, 0x73]
export const shiftLeft = (left: Code, right: Code): Code => [...left, ...right, 0x74]
export const shiftRight = (left: Code, right: Code): Code => [...left, ...right, 0x76]
export const isBelow = (left: Code, right: Code): Code => [...left, ...right, 0x48]
export const isAbove = (left: Code, right: Code): Code => [...left, ...right, 0x4a]
export const isAtLeast = (left: Code, right: Code): Code => [...left, ...right, 0x4e]
export const isNot = (left: Code, right: Code): Code => [...left, ...right, 0x47]
export const lesser = (left: Code, right: Code): Code => [...left, ...right, ...isBelow(left, right), 0x1b]

export const xor64 = (left: Code, right: Code): Code => [...left, ...right, 0x85]
export const shiftLeft64 = (left: Code, right: Code): Code => [...left, ...right, 0x86]
export const shiftRight64 = (left: Code, right: Code): Code => [...left, ...right, 0x88]
export const lowerHalf = (value: Code): Code => [...value, 0xa7]

/** Loads and stores may be unaligned: what is said of the alignment is a hint. */
export const load8 = (at: Code, offset = 0): Code => [...at, 0x2d, 0, ...unsigned(offset)]
export const load32 = (at: Code, offset = 0): Code => [...at, 0x28, 0, ...unsigned(offset)]
export const load64 = (at: Code, offset = 0): Code => [...at, 0x29, 0, ...unsigned(offset)]

/** @param arguments_ in their order. */
export const call = (func: number, ...arguments_: Code[]): Code => [...arguments_.flat(), 0x10, ...unsigned(func)]

// ---- statements -----------------------------------------------------------------------------------------------------

export const assign = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)]
export const store8 = (at: Code, value: Code, offset = 0): Code => [...at, ...value, 0x3a, 0, ...unsigned(offset)]
export const store32 = (at: Code, value: Code, offset = 0): Code => [...at, ...value, 0x36, 0, ...unsigned(offset)]
export const store64 = (at: Code, value: Code, offset = 0): Code => [...at, ...value, 0x37, 0, ...unsigned(offset)]

/** A branch to depth 0 goes to the end of the innermost block or the beginning of the innermost loop, to 1 of the one around it, … */
export const block = (...body: Code[]): Code => [0x02, NO_RESULT, ...body.flat(), END]
export const loop = (...body: Code[]): Code => [0x03, NO_RESULT, ...body.flat(), END]
/** What is within counts as a block. */
export const when = (condition: Code, then: readonly Code[], otherwise: readonly Code[] = []): Code => {
  const second = otherwise.length === 0 ? [] : [0x05, ...otherwise.flat()]
  return [...condition, 0x04, NO_RESULT, ...then.flat(), ...second, END]
}
export const branch = (depth: number): Code => [0x0c, ...unsigned(depth)]
export const branchIf = (depth: number, condition: Code): Code => [...condition, 0x0d, ...unsigned(depth)]
export const giveBack = (value: Code): Code => [...value, 0x0f]

// ---- modules --------------------------------------------------------------------------------------------------------

/** A function: its parameters are the first locals. */
export interface WasmFunction {
  readonly name: string
  /** Type of each. */
  readonly parameters: Code
  /** undefined: none. */
  readonly result?: number
  /** Types of the locals behind the parameters. */
  readonly locals: Code
  readonly body: readonly Code[]
}

/** What is used of it here; Node's types have it only from a later version on. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content]
}

function name(text: string): Code {
  return [...unsigned(text.length), ...Buffer.from(text)]
}

/**
 * Compiles functions that share one memory of their own, and exports them by their names, and the memory as `memory`.
 * @throws where there is no WebAssembly (`node --jitless`).
 */
export function compileWasm(functions: readonly WasmFunction[], pages: number): unknown {
  const types = functions.map(({ parameters, result }) => [
    FUNCTION_TYPE,
    ...vector(parameters.map((type) => [type])),
    ...vector(result === undefined ? [] : [[result]]),
  ])
  const bodies = functions.map(({ locals, body }) => {
    const bytes = [...vector(locals.map((type) => [1, type])), ...body.flat(), END]
    return [...unsigned(bytes.length), ...bytes]
  })
  const exports = functions.map((each, index) => [...name(each.name), EXPORTS_FUNCTION, ...unsigned(index)])
  const bytes = Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(SECTION_TYPES, vector(types)),
    ...section(SECTION_FUNCTIONS, vector(functions.map((_, index) => unsigned(index)))),
    ...section(SECTION_MEMORIES, vector([[0, ...unsigned(pages)]])),
    ...section(SECTION_EXPORTS, vector([...exports, [...name('memory'), EXPORTS_MEMORY, 0]])),
    ...section(SECTION_CODE, vector(bodies)),
  ])
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports
}
