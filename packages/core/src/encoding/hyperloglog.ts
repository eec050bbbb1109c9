/**
 * HyperLogLog as Redis keeps it in a string, byte for byte (redis 7.0 hyperloglog.c), so that a value changed here equals
 * the primary's. Speaks of bytes and registers, not of keys.
 *
 *   header, 16 bytes   'HYLL' | encoding | 3 unused | cached cardinality, 8 bytes little endian, top bit set: invalid
 *   dense (0)          16,384 registers of 6 bits, lowest bits first: 12,288 bytes
 *   sparse (1)         runs of registers in order:
 *                        00LLLLLL            ZERO   1…64 registers of 0
 *                        01LLLLLL LLLLLLLL   XZERO  1…16,384 registers of 0
 *                        1VVVVVLL            VAL    1…4 registers of 1…32
 *
 * A sparse value becomes dense when a register exceeds 32 or it would become longer than hll-sparse-max-bytes.
 * Hash: MurmurHash64A (Austin Appleby); estimate: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches", arXiv:1702.01284.
 */
export const HLL_REGISTERS = 16_384
export const HLL_HEADER_BYTES = 16
export const HLL_DENSE_BYTES: number = HLL_HEADER_BYTES + (HLL_REGISTERS * 6) / 8
export const HLL_DENSE = 0
export const HLL_SPARSE = 1
/** A sparse value that is longer cannot be valid: every run takes at most two bytes and covers a register. */
export const HLL_SPARSE_BYTES_END: number = HLL_HEADER_BYTES + HLL_REGISTERS * 2 + 1

const INDEX_BITS = 14
/** Registers count up to 64 − 14 + 1. */
const RUN_MAX = 51
const SPARSE_VALUE_MAX = 32
const SPARSE_VALUE_RUN_MAX = 4
const ZERO_RUN_MAX = 64
/** Runs looked at for merging after a change. */
const MERGE_SCAN = 5
const ENCODING_AT = 4
const CARDINALITY_AT = 8
const CARDINALITY_TOP_AT = 15
const INVALID_BIT = 0x80
/** 0.5 / ln 2 */
const ALPHA = 0.7213475204444817
const TWO_32: number = 2 ** 32

/** A value being worked on: `bytes[0 .. length)`. */
export interface HllBytes {
  bytes: Uint8Array
  length: number
}

export type HllUpdate = 'same' | 'changed' | 'corrupt'

// ---- elements -----------------------------------------------------------------------------------------------------

const SEED = 0xadc83b19 | 0
const M_HIGH = 0xc6a4a793 | 0
const M_LOW = 0x5bd1e995

let high = 0
let low = 0

/** Registers: which register `hashElement` chose, and to what it raises it. */
export let elementIndex = 0
export let elementRun = 0

/** Hashes the element `bytes[start .. end)` into `elementIndex` and `elementRun`. */
export function hashElement(bytes: Uint8Array, start: number, end: number): void {
  const length = end - start
  high = 0
  low = length
  multiply()
  let hashHigh = high
  let hashLow = low ^ SEED
  let at = start
  for (const whole = start + (length & ~7); at < whole; at += 8) {
    low = word(bytes, at)
    high = word(bytes, at + 4)
    multiply()
    mixShift()
    multiply()
    low ^= hashLow
    high ^= hashHigh
    multiply()
    hashLow = low
    hashHigh = high
  }
  const tail = length & 7
  low = hashLow
  high = hashHigh
  if (tail > 0) {
    for (let i = 0; i < tail; i++) {
      if (i < 4) low ^= bytes[at + i]! << (8 * i)
      else high ^= bytes[at + i]! << (8 * (i - 4))
    }
    multiply()
  }
  mixShift()
  multiply()
  mixShift()
  elementIndex = low & (HLL_REGISTERS - 1)
  const restLow = (low >>> INDEX_BITS) | (high << (32 - INDEX_BITS))
  const restHigh = (high >>> INDEX_BITS) | (1 << (64 - INDEX_BITS - 32))
  elementRun = 1 + (restLow === 0 ? 32 + trailingZeros(restHigh) : trailingZeros(restLow))
}

/** (high, low) *= m, modulo 2^64. */
function multiply(): void {
  const a = low >>> 16
  const b = low & 0xffff
  const c = M_LOW >>> 16
  const d = M_LOW & 0xffff
  const lowProduct = b * d
  const middle = a * d + (lowProduct >>> 16)
  const carry = b * c + (middle & 0xffff)
  const upper = a * c + Math.floor(middle / 65_536) + (carry >>> 16)
  const newHigh = (upper + Math.imul(high, M_LOW) + Math.imul(low, M_HIGH)) | 0
  low = ((carry & 0xffff) << 16) | (lowProduct & 0xffff)
  high = newHigh
}

/** (high, low) ^= (high, low) >> 47 */
function mixShift(): void {
  low ^= high >>> 15
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function trailingZeros(value: number): number {
  return 31 - Math.clz32(value & -value)
}

// ---- header -------------------------------------------------------------------------------------------------------

/** Writes an empty sparse value. */
export function createSparse(hll: HllBytes): void {
  hll.bytes.fill(0, 0, HLL_HEADER_BYTES)
  hll.bytes.set([0x48, 0x59, 0x4c, 0x4c, HLL_SPARSE])
  writeZeroRun(hll.bytes, HLL_HEADER_BYTES, HLL_REGISTERS)
  hll.length = HLL_HEADER_BYTES + 2
}

/** Does a string of `length` bytes that begins with these 16 look like a HyperLogLog? */
export function isHllHeader(header: Uint8Array, length: number): boolean {
  if (length < HLL_HEADER_BYTES) return false
  if (header[0] !== 0x48 || header[1] !== 0x59 || header[2] !== 0x4c || header[3] !== 0x4c) return false
  const encoding = header[ENCODING_AT]!
  return encoding === HLL_SPARSE || (encoding === HLL_DENSE && length === HLL_DENSE_BYTES)
}

export function hllEncoding(header: Uint8Array): number {
  return header[ENCODING_AT]!
}

export function invalidateCardinality(header: Uint8Array): void {
  header[CARDINALITY_TOP_AT]! |= INVALID_BIT
}

/** The cached cardinality; -1 when it is not valid. A bigint only beyond 2^53. */
export function cachedCardinality(header: Uint8Array): number | bigint {
  if ((header[CARDINALITY_TOP_AT]! & INVALID_BIT) !== 0) return -1
  const lower = word(header, CARDINALITY_AT) >>> 0
  const upper = word(header, CARDINALITY_AT + 4)
  const value = upper * TWO_32 + lower
  return Number.isSafeInteger(value) ? value : (BigInt(upper) << 32n) | BigInt(lower)
}

/** Writes the 8 bytes of a cardinality at `target[at …)`. */
export function writeCardinality(target: Uint8Array, at: number, value: number | bigint): void {
  let rest = BigInt.asUintN(64, BigInt(value))
  for (let i = 0; i < 8; i++) {
    target[at + i] = Number(rest & 0xffn)
    rest >>= 8n
  }
}

// ---- dense --------------------------------------------------------------------------------------------------------

/** Position of the (first) byte of a dense register; the second one follows unless the register ends in the first. */
export function denseByteOf(index: number): number {
  return HLL_HEADER_BYTES + ((index * 6) >>> 3)
}

/** A register from the two bytes it lies in. */
export function denseFromBytes(index: number, first: number, second: number): number {
  const shift = (index * 6) & 7
  return ((first >>> shift) | (second << (8 - shift))) & 63
}

/** The two bytes of a register with another value in them, low byte first. */
export function denseToBytes(index: number, first: number, second: number, value: number): number {
  const shift = (index * 6) & 7
  return (((second << 8) | first) & ~(63 << shift)) | (value << shift)
}

export function denseRegister(bytes: Uint8Array, index: number): number {
  const at = denseByteOf(index)
  return denseFromBytes(index, bytes[at]!, at + 1 < HLL_DENSE_BYTES ? bytes[at + 1]! : 0)
}

function setDense(bytes: Uint8Array, index: number, run: number): boolean {
  if (denseRegister(bytes, index) >= run) return false
  const at = denseByteOf(index)
  const pair = denseToBytes(index, bytes[at]!, at + 1 < HLL_DENSE_BYTES ? bytes[at + 1]! : 0, run)
  bytes[at] = pair
  if (at + 1 < HLL_DENSE_BYTES) bytes[at + 1] = pair >>> 8
  return true
}

// ---- sparse -------------------------------------------------------------------------------------------------------

function isXZero(opcode: number): boolean {
  return (opcode & 0xc0) === 0x40
}

function isValue(opcode: number): boolean {
  return (opcode & 0x80) !== 0
}

function valueOf(opcode: number): number {
  return ((opcode >> 2) & 0x1f) + 1
}

/** Registers that the run at `at` covers. The second byte of an XZERO cut off at the end reads as 0. */
function runLength(bytes: Uint8Array, at: number, end: number): number {
  const opcode = bytes[at]!
  if (isValue(opcode)) return (opcode & 3) + 1
  if (!isXZero(opcode)) return (opcode & 0x3f) + 1
  return (((opcode & 0x3f) << 8) | (at + 1 < end ? bytes[at + 1]! : 0)) + 1
}

function writeValueRun(bytes: Uint8Array, at: number, value: number, count: number): number {
  bytes[at] = 0x80 | ((value - 1) << 2) | (count - 1)
  return at + 1
}

function writeZeroRun(bytes: Uint8Array, at: number, count: number): number {
  if (count <= ZERO_RUN_MAX) {
    bytes[at] = count - 1
    return at + 1
  }
  bytes[at] = 0x40 | ((count - 1) >> 8)
  bytes[at + 1] = (count - 1) & 0xff
  return at + 2
}

/** Makes a sparse value dense. @returns false, and changes nothing, when its runs do not cover exactly all registers. */
export function sparseToDense(hll: HllBytes): boolean {
  const { bytes, length } = hll
  if (bytes[ENCODING_AT] === HLL_DENSE) return true
  const dense = new Uint8Array(HLL_DENSE_BYTES)
  dense.set(bytes.subarray(0, HLL_HEADER_BYTES))
  dense[ENCODING_AT] = HLL_DENSE
  let index = 0
  for (let at = HLL_HEADER_BYTES; at < length; at += isXZero(bytes[at]!) ? 2 : 1) {
    const run = runLength(bytes, at, length)
    if (index + run > HLL_REGISTERS) return false
    if (isValue(bytes[at]!)) for (let i = 0; i < run; i++) setDense(dense, index + i, valueOf(bytes[at]!))
    index += run
  }
  if (index !== HLL_REGISTERS) return false
  ensureRoom(hll, HLL_DENSE_BYTES)
  hll.bytes.set(dense)
  hll.length = HLL_DENSE_BYTES
  return true
}

const sequence: Uint8Array = new Uint8Array(5)

/**
 * Raises a register of a sparse or dense value to `run` unless it is as high already. A sparse value may become dense.
 * A change of a sparse value invalidates its cached cardinality; for a dense one that is left to the caller, as in Redis.
 */
export function raiseRegister(hll: HllBytes, index: number, run: number, sparseBytesMax: number): HllUpdate {
  if (hll.bytes[ENCODING_AT] === HLL_DENSE) return setDense(hll.bytes, index, run) ? 'changed' : 'same'
  if (run > SPARSE_VALUE_MAX) return promote(hll, index, run)
  ensureRoom(hll, hll.length + sequence.length)
  const { bytes, length } = hll
  let at = HLL_HEADER_BYTES
  let previous = HLL_HEADER_BYTES
  let first = 0
  let span = 0
  while (at < length) {
    span = runLength(bytes, at, length)
    if (index < first + span) break
    previous = at
    at += isXZero(bytes[at]!) ? 2 : 1
    first += span
  }
  if (at >= length) return 'corrupt'
  const opcode = bytes[at]!
  if (isValue(opcode) && valueOf(opcode) >= run) return 'same'
  if (span === 1 && !isXZero(opcode)) writeValueRun(bytes, at, run, 1)
  else {
    const count = splitRun(opcode, first, span, index, run)
    const oldBytes = isXZero(opcode) ? 2 : 1
    const more = count - oldBytes
    if (more > 0 && length + more > sparseBytesMax) return promote(hll, index, run)
    bytes.copyWithin(at + count, at + oldBytes, length)
    for (let i = 0; i < count; i++) bytes[at + i] = sequence[i]!
    hll.length = length + more
  }
  mergeRuns(hll, previous)
  invalidateCardinality(bytes)
  return 'changed'
}

/** Writes into `sequence` what replaces a run when the register `index` inside it gets a value; @returns its bytes. */
function splitRun(opcode: number, first: number, span: number, index: number, run: number): number {
  const before = index - first
  const after = first + span - 1 - index
  let at = 0
  if (isValue(opcode)) {
    if (before > 0) at = writeValueRun(sequence, at, valueOf(opcode), before)
    at = writeValueRun(sequence, at, run, 1)
    return after > 0 ? writeValueRun(sequence, at, valueOf(opcode), after) : at
  }
  if (before > 0) at = writeZeroRun(sequence, at, before)
  at = writeValueRun(sequence, at, run, 1)
  return after > 0 ? writeZeroRun(sequence, at, after) : at
}

/** Joins neighbouring value runs of equal value that fit one, among the few runs from `from` on. */
function mergeRuns(hll: HllBytes, from: number): void {
  const { bytes } = hll
  let at = from
  for (let scan = 0; scan < MERGE_SCAN && at < hll.length; scan++) {
    const opcode = bytes[at]!
    if (isXZero(opcode)) {
      at += 2
      continue
    }
    const next = at + 1 < hll.length ? bytes[at + 1]! : 0
    if (isValue(opcode) && isValue(next) && valueOf(opcode) === valueOf(next)) {
      const count = (opcode & 3) + (next & 3) + 2
      if (count <= SPARSE_VALUE_RUN_MAX) {
        writeValueRun(bytes, at, valueOf(opcode), count)
        bytes.copyWithin(at + 1, at + 2, hll.length)
        hll.length--
        continue
      }
    }
    at++
  }
}

function promote(hll: HllBytes, index: number, run: number): HllUpdate {
  if (!sparseToDense(hll)) return 'corrupt'
  setDense(hll.bytes, index, run)
  return 'changed'
}

function ensureRoom(hll: HllBytes, bytes: number): void {
  if (hll.bytes.length >= bytes) return
  const grown = new Uint8Array(bytes * 2)
  grown.set(hll.bytes.subarray(0, hll.length))
  hll.bytes = grown
}

/** The runs of a sparse value as text, as PFDEBUG DECODE shows them. */
export function describeSparse({ bytes, length }: HllBytes): string {
  const runs: string[] = []
  for (let at = HLL_HEADER_BYTES; at < length; at += isXZero(bytes[at]!) ? 2 : 1) {
    const opcode = bytes[at]!
    const run = runLength(bytes, at, length)
    if (isValue(opcode)) runs.push(`v:${valueOf(opcode)},${run}`)
    else runs.push(`${isXZero(opcode) ? 'Z' : 'z'}:${run}`)
  }
  return runs.join(' ')
}

// ---- many registers -----------------------------------------------------------------------------------------------

/** Raises each of the 16,384 bytes of `into` to the value's register. @returns false when the value is corrupt. */
export function mergeRegisters(into: Uint8Array, { bytes, length }: HllBytes): boolean {
  if (bytes[ENCODING_AT] === HLL_DENSE) {
    // Four registers in three bytes.
    for (let at = HLL_HEADER_BYTES, register = 0; at < HLL_DENSE_BYTES; at += 3, register += 4) {
      const four = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
      if (four === 0) continue
      for (let i = 0; i < 4; i++) {
        const value = (four >>> (6 * i)) & 63
        if (value > into[register + i]!) into[register + i] = value
      }
    }
    return true
  }
  let index = 0
  for (let at = HLL_HEADER_BYTES; at < length; at += isXZero(bytes[at]!) ? 2 : 1) {
    const opcode = bytes[at]!
    const run = runLength(bytes, at, length)
    if (index + run > HLL_REGISTERS) return false
    if (isValue(opcode)) {
      const value = valueOf(opcode)
      for (let i = index; i < index + run; i++) if (value > into[i]!) into[i] = value
    }
    index += run
  }
  return index === HLL_REGISTERS
}

/** Writes all registers of a dense one, whose header stays. */
export function writeDenseRegisters({ bytes }: HllBytes, registers: Uint8Array): void {
  for (let at = HLL_HEADER_BYTES, register = 0; at < HLL_DENSE_BYTES; at += 3, register += 4) {
    const low = registers[register]! | (registers[register + 1]! << 6)
    const high = registers[register + 2]! | (registers[register + 3]! << 6)
    const four = low | (high << 12)
    bytes[at] = four
    bytes[at + 1] = four >>> 8
    bytes[at + 2] = four >>> 16
  }
}

const RUNS = 64
/** As many histograms as registers are looked at together: equal ones in a row would wait for each other's count. */
const TOGETHER = 4
const histogram: Int32Array = new Int32Array(RUNS * TOGETHER)

/** The estimate from registers in bytes. A bigint only beyond 2^53. */
export function estimateCardinality(registers: Uint8Array): number | bigint {
  histogram.fill(0)
  for (let index = 0; index < HLL_REGISTERS; index += TOGETHER) {
    histogram[registers[index]! & 63]!++
    histogram[RUNS + (registers[index + 1]! & 63)]!++
    histogram[2 * RUNS + (registers[index + 2]! & 63)]!++
    histogram[3 * RUNS + (registers[index + 3]! & 63)]!++
  }
  for (let run = 0; run < RUNS; run++)
    histogram[run]! += histogram[RUNS + run]! + histogram[2 * RUNS + run]! + histogram[3 * RUNS + run]!
  let z = HLL_REGISTERS * tau((HLL_REGISTERS - histogram[RUN_MAX]!) / HLL_REGISTERS)
  for (let run = RUN_MAX - 1; run >= 1; run--) {
    z += histogram[run]!
    z *= 0.5
  }
  z += HLL_REGISTERS * sigma(histogram[0]! / HLL_REGISTERS)
  const estimate = Math.round((ALPHA * HLL_REGISTERS * HLL_REGISTERS) / z)
  if (Number.isSafeInteger(estimate)) return estimate
  // What llroundl() makes of numbers beyond int64 on x86-64.
  return estimate < 2 ** 63 ? BigInt(estimate) : -(2n ** 63n)
}

function sigma(ratio: number): number {
  if (ratio === 1) return Infinity
  let x = ratio
  let y = 1
  let z = x
  for (let before = NaN; before !== z;) {
    x *= x
    before = z
    z += x * y
    y += y
  }
  return z
}

function tau(ratio: number): number {
  if (ratio === 0 || ratio === 1) return 0
  let x = ratio
  let y = 1
  let z = 1 - x
  for (let before = NaN; before !== z;) {
    x = Math.sqrt(x)
    before = z
    y *= 0.5
    z -= (1 - x) * (1 - x) * y
  }
  return z / 3
}
