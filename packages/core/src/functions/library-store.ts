/**
 * The libraries of functions that came with a snapshot or the stream: kept, listed and dumped, never executed. What a
 * library registers is read from its text where it is written as a literal, since only running it would tell for sure.
 *
 * Source: redis 7.0 functions.c functionExtractLibMetaData(), functionsCreateWithLibraryCtx(), functionRestoreCommand();
 * rdb.h RDB_OPCODE_FUNCTION2.
 *
 * Payload of FUNCTION DUMP:  per library [ opcode 245 | code as a snapshot's string ], then [ RDB version u16 LE | CRC64 LE ]
 */
import { Crc64 } from '../encoding/crc64.ts'
import { READ_OK } from '../object-codec/rdb-length.ts'
import { RDB_OPCODE_FUNCTION2, RDB_OPCODE_FUNCTION_PRE_GA } from '../object-codec/rdb-opcodes.ts'
import { RDB_VERSION_DEFAULT, RDB_VERSION_MAX } from '../object-codec/rdb-types.ts'
import {
  decodeString,
  encodedStringBytesMax,
  encodeString,
  readStringHeader,
  StringSlot,
} from '../object-codec/string-codec.ts'
import { type LibraryFunction, registeredFunctions } from './registered-functions.ts'

const FOOTER_BYTES = 10
const CHECKSUM_BYTES = 8
export const FUNCTION_ENGINE = 'LUA'
const LIBRARY_NAME = /^[A-Za-z0-9_]+$/

export interface FunctionLibrary {
  /** One character per byte (latin1). */
  readonly name: string
  readonly code: Uint8Array
  readonly functions: readonly LibraryFunction[]
}

/** What a client is told, without the leading 'ERR '. */
export class LibraryError extends Error {}

export type RestorePolicy = 'flush' | 'append' | 'replace'

export class LibraryStore {
  readonly #libraries = new Map<string, FunctionLibrary>()

  get libraries(): Iterable<FunctionLibrary> {
    return this.#libraries.values()
  }

  get libraryCount(): number {
    return this.#libraries.size
  }

  get functionCount(): number {
    let sum = 0
    for (const library of this.#libraries.values()) sum += library.functions.length
    return sum
  }

  /** Bytes of all library texts. */
  get codeBytes(): number {
    let sum = 0
    for (const library of this.#libraries.values()) sum += library.code.length
    return sum
  }

  /**
   * Adds a library. @param code copied. @returns its name.
   * @throws LibraryError for a text without proper first line, or a name that is taken.
   */
  load(code: Uint8Array, replace: boolean): string {
    const library = parseLibrary(code)
    if (!replace && this.#libraries.has(library.name)) {
      throw new LibraryError(`Library '${library.name}' already exists`)
    }
    this.#libraries.set(library.name, library)
    return library.name
  }

  /** @returns false when there is no such library. */
  delete(name: string): boolean {
    return this.#libraries.delete(name)
  }

  clear(): void {
    this.#libraries.clear()
  }

  /** The libraries of a snapshot take the place of all. A text that cannot be parsed is left out and counted. */
  adopt(codes: readonly Uint8Array[]): { readonly refused: number } {
    this.#libraries.clear()
    let refused = 0
    for (const code of codes) {
      try {
        this.load(code, true)
      } catch (error) {
        if (!(error instanceof LibraryError)) throw error
        refused++
      }
    }
    return { refused }
  }

  /** The payload of FUNCTION DUMP. */
  dump(): Uint8Array {
    let bytesMax = FOOTER_BYTES
    for (const { code } of this.#libraries.values()) bytesMax += 1 + encodedStringBytesMax(code.length)
    const payload = new Uint8Array(bytesMax)
    let at = 0
    for (const { code } of this.#libraries.values()) {
      payload[at++] = RDB_OPCODE_FUNCTION2
      at = encodeString(code, 0, code.length, true, payload, at)
    }
    payload[at++] = RDB_VERSION_DEFAULT
    payload[at++] = 0
    const crc = new Crc64()
    crc.update(payload, 0, at)
    crc.write(payload, at)
    return payload.subarray(0, at + CHECKSUM_BYTES)
  }

  /** Takes the libraries of a payload, all or none. @throws LibraryError */
  restore(payload: Uint8Array, start: number, end: number, policy: RestorePolicy): void {
    const libraries = new Map<string, FunctionLibrary>()
    for (const code of readPayload(payload, start, end)) {
      const library = parseLibrary(code)
      const taken = libraries.has(library.name) || (policy === 'append' && this.#libraries.has(library.name))
      if (taken) throw new LibraryError(`Library ${library.name} already exists`)
      libraries.set(library.name, library)
    }
    if (policy === 'flush') this.#libraries.clear()
    for (const library of libraries.values()) this.#libraries.set(library.name, library)
  }
}

function readPayload(payload: Uint8Array, start: number, end: number): Uint8Array[] {
  const footer = end - FOOTER_BYTES
  const crc = new Crc64()
  if (footer >= start) crc.update(payload, start, end - CHECKSUM_BYTES)
  if (
    footer < start ||
    (payload[footer]! | (payload[footer + 1]! << 8)) > RDB_VERSION_MAX ||
    !crc.equals(payload, end - CHECKSUM_BYTES)
  ) {
    throw new LibraryError('DUMP payload version or checksum are wrong')
  }
  const codes: Uint8Array[] = []
  const slot = new StringSlot()
  for (let at = start; at < footer; at = slot.end) {
    const opcode = payload[at]!
    if (opcode === RDB_OPCODE_FUNCTION_PRE_GA) throw new LibraryError('Pre-GA function format not supported')
    if (opcode !== RDB_OPCODE_FUNCTION2) throw new LibraryError('given type is not a function')
    const code =
      readStringHeader(payload, at + 1, footer, slot) === READ_OK && slot.end <= footer
        ? decodeString(payload, slot)
        : undefined
    if (code === undefined) throw new LibraryError('failed loading the given functions payload')
    codes.push(code)
  }
  return codes
}

/** The library of a text that begins with `#!lua name=<name>`. The text is copied. */
function parseLibrary(code: Uint8Array): FunctionLibrary {
  const text = Buffer.from(code.buffer, code.byteOffset, code.length).toString('latin1')
  if (!text.startsWith('#!')) throw new LibraryError('Missing library metadata')
  const lineEnd = text.indexOf('\n')
  if (lineEnd < 0) throw new LibraryError('Invalid library metadata')
  const parts = splitWords(text.slice(0, lineEnd))
  if (parts === undefined || parts.length === 0) throw new LibraryError('Invalid library metadata')
  let name: string | undefined
  for (const part of parts.slice(1)) {
    if (part.slice(0, 5).toLowerCase() !== 'name=') throw new LibraryError(`Invalid metadata value given: ${part}`)
    if (name !== undefined) {
      throw new LibraryError('Invalid metadata value, name argument was given multiple times')
    }
    name = part.slice(5)
  }
  if (name === undefined) throw new LibraryError('Library name was not given')
  if (!LIBRARY_NAME.test(name)) {
    throw new LibraryError(
      'Library names can only contain letters, numbers, or underscores(_) and must be at least one character long',
    )
  }
  const engine = parts[0]!.slice(2)
  if (engine.toUpperCase() !== FUNCTION_ENGINE) throw new LibraryError(`Engine '${engine}' not found`)
  return { name, code: Uint8Array.from(code), functions: registeredFunctions(text) }
}

/** Words of a line as configuration lines have them: quotes hold blanks together. Undefined for an open quote. */
function splitWords(line: string): string[] | undefined {
  const words = line.match(/(?:[^\s"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+/g) ?? []
  const rest = line.replace(/(?:[^\s"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+/g, '').trim()
  if (rest !== '') return undefined
  return words.map((word) => word.replace(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/g, (_, a, b) => a ?? b ?? ''))
}
