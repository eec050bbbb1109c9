/**
 * What may stand between the entries of a snapshot, one row per opcode. Entries themselves are the scanner's. Follows
 * redis 7.4 rdb.c rdbLoadRioWithLoadingCtx(); the shape of the table follows librdb's parser.
 *
 * An element is read from bytes that may end anywhere. Its function reads all it needs first; below its line
 *
 *   // SAFE STATE
 *
 * it reads no more and acts. If bytes are missing above that line it returns MORE and is run again with more of them, so
 * whatever stands above must be harmless to repeat. Elements with more than one string have phases, so that a string is
 * not read twice: a phase that returns a position is done.
 */
import {
  KEY_META_GRAMMAR,
  MODULE_AUX_GRAMMAR,
  RDB_OPCODE_AUX,
  RDB_OPCODE_EXPIRETIME,
  RDB_OPCODE_EXPIRETIME_MS,
  RDB_OPCODE_FREQ,
  RDB_OPCODE_FUNCTION2,
  RDB_OPCODE_FUNCTION_PRE_GA,
  RDB_OPCODE_IDLE,
  RDB_OPCODE_MODULE_AUX,
  RDB_OPCODE_RESIZEDB,
  RDB_OPCODE_SELECTDB,
  RDB_OPCODE_SLOT_INFO,
  REDIS_OPCODE_HASH_TEMPLATES,
  REDIS_OPCODE_KEY_META,
  VALKEY_OPCODE_SLOT_IMPORT,
  VALKEY_OPCODE_UPDATE,
  readInt32,
  readInt64,
} from '@understudy/core/loading'
import type { ErrorCode, LengthSlot, RdbFamily } from '@understudy/core/loading'

/** Returned instead of a position: more bytes are needed. */
export const MORE = -1

/** A job of a slot import has a name of 40 characters (valkey 9.0 cluster_migrateslots.c). */
const JOB_NAME_BYTES_MAX = 4096

/** What elements see of the scanner. */
export interface ElementHost {
  readonly length: LengthSlot
  /** Which part of the element comes next; 0 at its beginning, and set back to 0 when the element is done. */
  phase: number
  /** Reads a length at `at` into `length`. @returns the position behind it, or MORE. */
  readLength(bytes: Uint8Array, at: number, end: number): number
  /** Reads a string of any encoding, of at most `bytesMax` bytes; it is then `string()`. @returns the position behind it, or MORE. */
  readString(bytes: Uint8Array, at: number, end: number, bytesMax: number): number
  /** A copy of the string that was read last. */
  string(): Uint8Array
  /** Walks something that is no value, and remembers how far. @returns the position behind what was passed, or MORE. */
  walk(program: Int32Array, bytes: Uint8Array, at: number, end: number): number
  fail(code: ErrorCode, message: string, at: number): never

  /** How long the next AUX field, or function library, may be. */
  readonly auxBytesLeft: number
  readonly functionBytesLeft: number

  selectDb(db: number, at: number): void
  resizeHint(keys: number, expires: number): void
  expireAt(expireAtMs: number): void
  idle(seconds: number): void
  freq(value: number): void
  auxName(name: Uint8Array): void
  auxValue(value: Uint8Array, at: number): void
  functionLibrary(source: Uint8Array): void
  moduleAuxSkipped(): void
  keyMetaSkipped(): void
}

/** @returns the position behind what was read, or MORE (nothing was changed then). */
export type ElementReader = (host: ElementHost, bytes: Uint8Array, at: number, end: number) => number

export interface Element {
  readonly name: string
  readonly description: string
  readonly read: ElementReader
}

const COMMON_ELEMENTS: Readonly<Record<number, Element>> = {
  [RDB_OPCODE_SLOT_INFO]: {
    name: 'SLOT_INFO',
    description: 'cluster slot, its keys and keys with a TTL: a hint, not used',
    read: (host, bytes, at, end) => skipLengths(host, bytes, at, end, 3),
  },
  [RDB_OPCODE_FUNCTION2]: {
    name: 'FUNCTION2',
    description: 'source of a function library',
    read(host, bytes, at, end) {
      const next = host.readString(bytes, at, end, host.functionBytesLeft)
      if (next === MORE) return MORE
      // SAFE STATE
      host.functionLibrary(host.string())
      return next
    },
  },
  [RDB_OPCODE_FUNCTION_PRE_GA]: refused(
    'FUNCTION_PRE_GA',
    'function library of a 7.0 release candidate: no server reads it any more',
    'function libraries of Redis 7.0 release candidates are not supported',
  ),
  [RDB_OPCODE_MODULE_AUX]: {
    name: 'MODULE_AUX',
    description: 'data of a module that belong to no key: skipped',
    read(host, bytes, at, end) {
      const next = host.walk(MODULE_AUX_GRAMMAR, bytes, at, end)
      if (next === MORE || host.phase !== 0) return next
      // SAFE STATE
      host.moduleAuxSkipped()
      return next
    },
  },
  [RDB_OPCODE_IDLE]: {
    name: 'IDLE',
    description: 'seconds since the next key was used',
    read(host, bytes, at, end) {
      const next = host.readLength(bytes, at, end)
      if (next === MORE) return MORE
      // SAFE STATE
      host.idle(Math.min(host.length.value, Number.MAX_SAFE_INTEGER))
      return next
    },
  },
  [RDB_OPCODE_FREQ]: {
    name: 'FREQ',
    description: 'how often the next key is used, logarithmic, one byte',
    read(host, bytes, at, end) {
      if (at >= end) return MORE
      // SAFE STATE
      host.freq(bytes[at]!)
      return at + 1
    },
  },
  [RDB_OPCODE_AUX]: {
    name: 'AUX',
    description: 'a named fact about the snapshot',
    read(host, bytes, at, end) {
      const next = host.readString(bytes, at, end, host.auxBytesLeft)
      if (next === MORE) return MORE
      // SAFE STATE
      if (host.phase === 0) {
        host.auxName(host.string())
        host.phase = 1
      } else {
        host.auxValue(host.string(), at)
        host.phase = 0
      }
      return next
    },
  },
  [RDB_OPCODE_RESIZEDB]: {
    name: 'RESIZEDB',
    description: 'how many keys, and keys with a TTL, the database has',
    read(host, bytes, at, end) {
      const second = host.readLength(bytes, at, end)
      if (second === MORE) return MORE
      const keys = host.length.value
      const next = host.readLength(bytes, second, end)
      if (next === MORE) return MORE
      // SAFE STATE
      host.resizeHint(keys, host.length.value)
      return next
    },
  },
  [RDB_OPCODE_EXPIRETIME_MS]: {
    name: 'EXPIRETIME_MS',
    description: 'when the next key expires: ms since 1970, i64 LE',
    read(host, bytes, at, end) {
      if (at + 8 > end) return MORE
      // SAFE STATE
      host.expireAt(readInt64(bytes, at))
      return at + 8
    },
  },
  [RDB_OPCODE_EXPIRETIME]: {
    name: 'EXPIRETIME',
    description: 'when the next key expires: seconds since 1970, i32 LE',
    read(host, bytes, at, end) {
      if (at + 4 > end) return MORE
      // SAFE STATE
      const seconds = readInt32(bytes, at)
      host.expireAt(seconds === -1 ? -1 : seconds * 1000)
      return at + 4
    },
  },
  [RDB_OPCODE_SELECTDB]: {
    name: 'SELECTDB',
    description: 'the database of the keys that follow',
    read(host, bytes, at, end) {
      const next = host.readLength(bytes, at, end)
      if (next === MORE) return MORE
      // SAFE STATE
      host.selectDb(host.length.value, at)
      return next
    },
  },
}

const REDIS_ELEMENTS: Readonly<Record<number, Element>> = {
  ...COMMON_ELEMENTS,
  [REDIS_OPCODE_HASH_TEMPLATES]: refused(
    'HASH_TEMPLATES',
    'field names that hashes of 8.10 share',
    'opcode 242 (HASH_TEMPLATES, of Redis 8.10) is not supported',
  ),
  [REDIS_OPCODE_KEY_META]: {
    name: 'KEY_META',
    description: 'what modules have attached to the next key: skipped',
    read(host, bytes, at, end) {
      const next = host.walk(KEY_META_GRAMMAR, bytes, at, end)
      if (next === MORE || host.phase !== 0) return next
      // SAFE STATE
      host.keyMetaSkipped()
      return next
    },
  },
}

const VALKEY_ELEMENTS: Readonly<Record<number, Element>> = {
  ...COMMON_ELEMENTS,
  [VALKEY_OPCODE_UPDATE]: refused(
    'UPDATE',
    'a command that came while the snapshot was taken',
    'opcode 242 (UPDATE, of Valkey 9.2) is not supported',
  ),
  [VALKEY_OPCODE_SLOT_IMPORT]: {
    name: 'SLOT_IMPORT',
    description: 'a slot import that was under way: job name and slot ranges, skipped',
    read(host, bytes, at, end) {
      // Job name, number of ranges, then the first and last slot of each (valkey 9.0 rdb.c).
      if (host.phase === 0) {
        const next = host.readString(bytes, at, end, JOB_NAME_BYTES_MAX)
        if (next === MORE) return MORE
        // SAFE STATE
        host.phase = 1
        return next
      }
      const first = host.readLength(bytes, at, end)
      if (first === MORE) return MORE
      if (host.length.value > 16_384) host.fail('RDB_BAD_LENGTH', 'more slot ranges than there are slots', at)
      const next = skipLengths(host, bytes, first, end, 2 * host.length.value)
      if (next === MORE) return MORE
      // SAFE STATE
      host.phase = 0
      return next
    },
  },
}

/** An element that is known by name alone. */
function refused(name: string, description: string, text: string): Element {
  return { name, description, read: (host, _bytes, at) => host.fail('RDB_BAD_OPCODE', text, at - 1) }
}

function skipLengths(host: ElementHost, bytes: Uint8Array, at: number, end: number, count: number): number {
  let next = at
  for (let left = count; left > 0; left--) {
    next = host.readLength(bytes, next, end)
    if (next === MORE) return MORE
  }
  return next
}

/** The element that opcode `opcode` starts, or undefined if that family has none. */
export function elementOf(family: RdbFamily, opcode: number): Element | undefined {
  return (family === 'valkey' ? VALKEY_ELEMENTS : REDIS_ELEMENTS)[opcode]
}
