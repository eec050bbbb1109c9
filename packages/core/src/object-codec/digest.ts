/**
 * DEBUG DIGEST: 20 bytes that are equal when two datasets are. Rules as in redis 7.0 debug.c:
 *
 *   xor(D, b): D ^= SHA1(b)          mix(D, b): D = SHA1(D ^ SHA1(b))
 *
 * The digest of a value starts with its type; that of a key with the key; that of a dataset takes each database's number
 * and then its keys, in any order.
 */
import { createHash, hash } from 'node:crypto'
import { formatDouble17 } from './double-text.ts'
import { DIGEST_TYPE_NUMBERS, rdbTypeFacts } from './rdb-types.ts'
import type { ValueTypeName } from './rdb-types.ts'
import { visitItems } from './value-items.ts'
import type { ItemVisitor } from './value-items.ts'
import type { ValueSource } from './value-source.ts'

export const DIGEST_BYTES = 20
const PIECE_BYTES = 1 << 16

function sha1(bytes: Uint8Array): Uint8Array {
  return hash('sha1', bytes, 'buffer')
}

function xorBytes(digest: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < DIGEST_BYTES; i++) digest[i]! ^= other[i]!
}

function mixHash(digest: Uint8Array, hashed: Uint8Array): void {
  xorBytes(digest, hashed)
  digest.set(sha1(digest))
}

function mix(digest: Uint8Array, bytes: Uint8Array): void {
  mixHash(digest, sha1(bytes))
}

function uint32Big(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** SHA1 of a source, piece by piece. */
function sha1Source(source: ValueSource): Uint8Array {
  const hasher = createHash('sha1')
  const piece = new Uint8Array(Math.min(PIECE_BYTES, source.lengthBytes))
  for (let offset = 0; offset < source.lengthBytes; offset += PIECE_BYTES) {
    const count = Math.min(PIECE_BYTES, source.lengthBytes - offset)
    source.copy(offset, piece, 0, count)
    hasher.update(piece.subarray(0, count))
  }
  return hasher.digest()
}

const EXPIRES = Buffer.from('!!expire!!')
const FIELD_EXPIRES = Buffer.from('!!hexpire!!')

/** Mixes the items of a value other than a string into a digest. */
class ItemDigest implements ItemVisitor {
  readonly #digest: Uint8Array
  readonly #typeName: ValueTypeName
  /** Digest of the member and score, or field and value, being read. */
  readonly #pair: Uint8Array = new Uint8Array(DIGEST_BYTES)
  #pairOpen = false
  #fieldExpires = false

  constructor(digest: Uint8Array, typeName: ValueTypeName) {
    this.#digest = digest
    this.#typeName = typeName
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    const item = bytes.subarray(start, end)
    switch (this.#typeName) {
      case 'set':
        xorBytes(this.#digest, sha1(item))
        return
      case 'zset':
      case 'hash':
        this.#pairPart(item)
        return
      default:
        mix(this.#digest, item)
    }
  }

  score(value: number): void {
    this.#pairPart(Buffer.from(formatDouble17(value)))
  }

  fieldTtl(): void {
    this.#fieldExpires = true
  }

  entry(ms: bigint, sequence: bigint): void {
    mix(this.#digest, Buffer.from(`${ms}.${sequence}`))
  }

  #pairPart(bytes: Uint8Array): void {
    if (!this.#pairOpen) this.#pair.fill(0)
    mix(this.#pair, bytes)
    if (this.#pairOpen) {
      // Fields with a TTL of their own: redis 7.4 debug.c.
      if (this.#fieldExpires) xorBytes(this.#pair, sha1(FIELD_EXPIRES))
      this.#fieldExpires = false
      xorBytes(this.#digest, sha1(this.#pair))
    }
    this.#pairOpen = !this.#pairOpen
  }
}

/** A value to be digested: of a snapshot, or in the keyspace. */
export interface DigestedValue {
  readonly typeName: ValueTypeName
  /** The decoded string of type string. */
  readonly text: ValueSource
  /** Shows the elements of all other types. */
  readonly items: (visitor: ItemVisitor) => void
  /** Has the key a TTL? */
  readonly expires: boolean
}

function mixValue(digest: Uint8Array, value: DigestedValue): void {
  const { typeName } = value
  mix(digest, uint32Big(DIGEST_TYPE_NUMBERS[typeName]))
  if (typeName === 'string') mixHash(digest, sha1Source(value.text))
  else value.items(new ItemDigest(digest, typeName))
  if (value.expires) xorBytes(digest, sha1(EXPIRES))
}

function valueOfType(rdbType: number, source: ValueSource, expires: boolean): DigestedValue {
  const typeName = rdbTypeFacts(rdbType)?.typeName ?? 'module'
  return { typeName, text: source, items: (visitor) => visitItems(rdbType, source, visitor), expires }
}

/**
 * DEBUG DIGEST-VALUE of one value.
 * @param value for type string the decoded string, else the bytes of the value in a snapshot
 * @param expires has the key a TTL?
 * @throws ValueFault if the bytes are not what the type needs
 */
export function digestValue(rdbType: number, value: ValueSource, expires: boolean): Uint8Array {
  return digestOfValue(valueOfType(rdbType, value, expires))
}

/** What a key adds to the digest of a dataset; see `digestValue`. */
export function digestKey(key: Uint8Array, rdbType: number, value: ValueSource, expires: boolean): Uint8Array {
  return digestOfKey(key, valueOfType(rdbType, value, expires))
}

/** DEBUG DIGEST-VALUE. */
export function digestOfValue(value: DigestedValue): Uint8Array {
  const digest = new Uint8Array(DIGEST_BYTES)
  mixValue(digest, value)
  return digest
}

/** What a key adds to the digest of a dataset. */
export function digestOfKey(key: Uint8Array, value: DigestedValue): Uint8Array {
  const digest = new Uint8Array(DIGEST_BYTES)
  mix(digest, key)
  mixValue(digest, value)
  return digest
}

/** 40 lower-case hex digits. */
export function digestText(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('hex')
}

/** DEBUG DIGEST of a dataset: keys may be added in any order. */
export class DatasetDigest {
  readonly #databases = new Map<number, Uint8Array>()

  /** @param keyDigest from `digestKey` */
  add(db: number, keyDigest: Uint8Array): void {
    let sum = this.#databases.get(db)
    if (sum === undefined) {
      sum = new Uint8Array(DIGEST_BYTES)
      this.#databases.set(db, sum)
    }
    xorBytes(sum, sha1(keyDigest))
  }

  value(): Uint8Array {
    const digest = new Uint8Array(DIGEST_BYTES)
    for (const [db, sum] of [...this.#databases].sort(([a], [b]) => a - b)) {
      mix(digest, uint32Big(db))
      xorBytes(digest, sum)
    }
    return digest
  }
}
