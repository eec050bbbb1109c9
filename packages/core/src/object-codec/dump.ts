/**
 * DUMP payloads: what DUMP answers, RESTORE takes and MIGRATE carries. Follows redis 7.0 cluster.c createDumpPayload(),
 * verifyDumpPayload().
 *
 *   | value type | value as in a snapshot | RDB version u16 LE | CRC64 of all before it, LE |
 */
import { Crc64 } from '../encoding/crc64.ts'
import { KeyspaceError, RdbError } from '../errors.ts'
import { convertValkeyHash } from './valkey-hash.ts'
import {
  isKnownRdbVersion,
  RDB_TYPE_HASH_METADATA,
  RDB_TYPE_MODULE_2,
  RDB_TYPE_STRING,
  RDB_TYPE_VALKEY_HASH_2,
  rdbTypeFacts,
  rdbTypeOf,
  rdbVersionFor,
  VALKEY_RDB_VERSION_MIN,
} from './rdb-types.ts'
import type { RdbFamily } from './rdb-types.ts'
import { decodeString, encodedStringBytesMax, encodeString, readStringHeader, StringSlot } from './string-codec.ts'
import { valueGrammar } from './value-grammar.ts'
import { sourceBytes } from './value-source.ts'
import type { ValueSource } from './value-source.ts'
import { ValueFault, ValueWalker } from './value-walker.ts'

const FOOTER_BYTES = 10

/** Longest value that becomes one payload: it is made in memory, beside the reply it goes into. */
const DUMPED_BYTES_MAX = 2 ** 30

/**
 * The payload of a value.
 * @param value for type string the decoded string, else the bytes of the value in a snapshot
 * @param compress may a string be compressed (`rdbcompression`)?
 * @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG beyond 1 GiB.
 */
export function encodeDump(rdbType: number, value: ValueSource, compress: boolean = true): Uint8Array {
  const length = value.lengthBytes
  if (length > DUMPED_BYTES_MAX) {
    throw new KeyspaceError('KEYSPACE_VALUE_TOO_BIG', `the value is too long for DUMP: ${length} bytes`)
  }
  const isString = rdbType === RDB_TYPE_STRING
  const payload = new Uint8Array(1 + (isString ? encodedStringBytesMax(length) : length) + FOOTER_BYTES)
  payload[0] = rdbType
  let at = 1
  if (isString) {
    at = encodeString(sourceBytes(value), 0, length, compress, payload, at)
  } else {
    value.copy(0, payload, at, length)
    at += length
  }
  const version = rdbVersionFor(rdbType)
  payload[at++] = version
  payload[at++] = version >> 8
  const crc = new Crc64()
  crc.update(payload, 0, at)
  crc.write(payload, at)
  return payload.subarray(0, at + 8)
}

/** A value out of a payload: `bytes[start .. end)`, the decoded string or the value as it stands in a snapshot. */
export interface RestoredValue {
  readonly rdbType: number
  /** The payload itself, borrowed, or new bytes where the content had to be decoded. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/**
 * Checks the payload `bytes[start .. end)` and finds its value.
 * @throws RdbError RDB_TRUNCATED, RDB_BAD_VERSION, RDB_BAD_CHECKSUM: "DUMP payload version or checksum are wrong";
 * any other code: "Bad data format". `byteOffset` counts from the payload's first byte.
 */
export function decodeRestore(bytes: Uint8Array, start: number = 0, end: number = bytes.length): RestoredValue {
  if (end - start < 1 + FOOTER_BYTES) throw new RdbError('RDB_TRUNCATED', 'the payload is too short', end - start)
  const footer = end - FOOTER_BYTES
  const version = bytes[footer]! | (bytes[footer + 1]! << 8)
  const family: RdbFamily = version >= VALKEY_RDB_VERSION_MIN ? 'valkey' : 'redis'
  if (!isKnownRdbVersion(family, version)) {
    throw new RdbError('RDB_BAD_VERSION', `RDB version ${version} is not supported`, footer - start)
  }
  // Eight zero bytes: written without a checksum.
  if (bytes.subarray(end - 8, end).some((byte) => byte !== 0)) {
    const crc = new Crc64()
    crc.update(bytes, start, end - 8)
    if (!crc.equals(bytes, end - 8)) throw new RdbError('RDB_BAD_CHECKSUM', 'the checksum is wrong', end - 8 - start)
  }
  const typeByte = bytes[start]!
  const rdbType = rdbTypeOf(family, typeByte)
  if (rdbType < 0 || rdbType === RDB_TYPE_MODULE_2) {
    throw new RdbError('RDB_BAD_TYPE', `values of type ${typeByte} cannot be restored`, 0, typeByte)
  }
  try {
    return decodeValue(rdbType, bytes, start + 1, footer)
  } catch (error) {
    if (!(error instanceof ValueFault)) throw error
    throw new RdbError(error.code, error.message, 1 + error.valueOffset, typeByte)
  }
}

function decodeValue(rdbType: number, bytes: Uint8Array, start: number, end: number): RestoredValue {
  const walker = new ValueWalker()
  walker.begin(valueGrammar(rdbType), end - start)
  if (!walker.walk(bytes, start, end, false)) {
    throw new ValueFault('RDB_BAD_VALUE', 'the value ends too early', walker.passedBytes)
  }
  const valueEnd = walker.position
  if (walker.elements === 0 && rdbTypeFacts(rdbType)!.droppedWhenEmpty) {
    throw new ValueFault('RDB_BAD_VALUE', 'a value without elements', 0)
  }
  if (rdbType === RDB_TYPE_STRING) {
    const string = new StringSlot()
    readStringHeader(bytes, start, end, string)
    const content = decodeString(bytes, string)!
    if (content.buffer === bytes.buffer) return { rdbType, bytes, start: string.start, end: string.end }
    return { rdbType, bytes: content, start: 0, end: content.length }
  }
  if (rdbType === RDB_TYPE_VALKEY_HASH_2) {
    const converted = convertValkeyHash(bytes, start, valueEnd)
    return { rdbType: RDB_TYPE_HASH_METADATA, bytes: converted, start: 0, end: converted.length }
  }
  return { rdbType, bytes, start, end: valueEnd }
}
