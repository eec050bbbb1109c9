/**
 * DEBUG DIGEST: 20 bytes that are equal when two datasets are. Rules as in redis 7.0 debug.c:
 *
 *   xor(D, b): D ^= SHA1(b)          mix(D, b): D = SHA1(D ^ SHA1(b))
 *
 * The digest of a value starts with its type; that of a key with the key; that of a dataset takes each database's number
 * and then its keys, in any order.
 */
import { createHash } from 'node:crypto'
import { formatDouble17 } from './double-text.ts'
import { grisuText } from './grisu-text.ts'
import { DIGEST_TYPE_NUMBERS, rdbTypeFacts } from './rdb-types.ts'
import type { ValueTypeName } from './rdb-types.ts'
import { sha1, sha1OfHash, SHA1_BYTES, SHA1_WORDS } from './sha1.ts'
import { visitItems } from './value-items.ts'
import type { ItemVisitor } from './value-items.ts'
import type { ValueSource } from './value-source.ts'

/** 20 bytes as five words of 32 bits, which `digestText` makes text of. */
export type Digest = Int32Array

/** From here on node:crypto is the quicker one. */
const LONG_BYTES_MIN = 1024
const PIECE_BYTES = 1 << 16

/** What was hashed last; and a text that does not stand in one piece, or is hashed by node:crypto. */
const hashed: Digest = new Int32Array(SHA1_WORDS)
const piece = new Uint8Array(PIECE_BYTES)

function newDigest(): Digest {
  return new Int32Array(SHA1_WORDS)
}

/** Of a text that is known beforehand. */
function digestOf(bytes: Uint8Array): Digest {
  const digest = newDigest()
  sha1(bytes, 0, bytes.length, digest)
  return digest
}

function xor(digest: Digest, other: Digest): void {
  for (let i = 0; i < SHA1_WORDS; i++) digest[i]! ^= other[i]!
}

function mixHash(digest: Digest, hash: Digest): void {
  xor(digest, hash)
  sha1OfHash(digest)
}

function hashBytes(bytes: Uint8Array, start: number, end: number): Digest {
  if (end - start < LONG_BYTES_MIN) sha1(bytes, start, end, hashed)
  else takeBytes(createHash('sha1').update(bytes.subarray(start, end)).digest())
  return hashed
}

function hashSource(source: ValueSource): Digest {
  const { lengthBytes, whole } = source
  if (whole !== undefined) return hashBytes(whole.bytes, whole.start, whole.start + lengthBytes)
  if (lengthBytes < LONG_BYTES_MIN) {
    source.copy(0, piece, 0, lengthBytes)
    return hashBytes(piece, 0, lengthBytes)
  }
  const hasher = createHash('sha1')
  for (let offset = 0; offset < lengthBytes; offset += PIECE_BYTES) {
    const count = Math.min(PIECE_BYTES, lengthBytes - offset)
    source.copy(offset, piece, 0, count)
    hasher.update(piece.subarray(0, count))
  }
  takeBytes(hasher.digest())
  return hashed
}

/** @param hash 20 bytes */
function takeBytes(hash: Buffer): void {
  for (let word = 0; word < SHA1_WORDS; word++) hashed[word] = hash.readInt32BE(word * 4)
}

function hashText(text: string): Digest {
  for (let i = 0; i < text.length; i++) piece[i] = text.charCodeAt(i)
  return hashBytes(piece, 0, text.length)
}

/** Numbers are four bytes, the most significant one first. */
function digestOfNumber(value: number): Digest {
  return digestOf(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value))
}

export type ScoreText = (score: number) => string

/** redis 7.2, the first whose digest has scores in the short form. */
const SHORT_SCORES_RDB_VERSION = 11

/** How the release whose snapshots have this RDB version writes the scores that it hashes. */
export function scoreTextOf(rdbVersion: number): ScoreText {
  return rdbVersion >= SHORT_SCORES_RDB_VERSION ? grisuText : formatDouble17
}

const EXPIRES: Digest = digestOf(Buffer.from('!!expire!!'))
const FIELD_EXPIRES: Digest = digestOf(Buffer.from('!!hexpire!!'))
const TYPES: ReadonlyMap<ValueTypeName, Digest> = new Map(
  Object.entries(DIGEST_TYPE_NUMBERS).map(([name, number]) => [name as ValueTypeName, digestOfNumber(number)]),
)

/** Mixes the items of a value other than a string into a digest. */
class ItemDigest implements ItemVisitor {
  readonly #digest: Digest
  readonly #typeName: ValueTypeName
  readonly #scoreText: ScoreText
  /** Digest of the member and score, or field and value, being read. */
  readonly #pair: Digest = newDigest()
  #pairOpen = false
  #fieldExpires = false

  constructor(digest: Digest, { typeName, scoreText }: DigestedValue) {
    this.#digest = digest
    this.#typeName = typeName
    this.#scoreText = scoreText
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    const hash = hashBytes(bytes, start, end)
    switch (this.#typeName) {
      case 'set':
        xor(this.#digest, hash)
        return
      case 'zset':
      case 'hash':
        this.#pairPart(hash)
        return
      default:
        mixHash(this.#digest, hash)
    }
  }

  score(value: number): void {
    this.#pairPart(hashText(this.#scoreText(value)))
  }

  fieldTtl(): void {
    this.#fieldExpires = true
  }

  entry(ms: bigint, sequence: bigint): void {
    mixHash(this.#digest, hashText(`${ms}.${sequence}`))
  }

  #pairPart(hash: Digest): void {
    const pair = this.#pair
    if (!this.#pairOpen) pair.fill(0)
    mixHash(pair, hash)
    if (this.#pairOpen) {
      // Fields with a TTL of their own: redis 7.4 debug.c.
      if (this.#fieldExpires) xor(pair, FIELD_EXPIRES)
      this.#fieldExpires = false
      sha1OfHash(pair)
      xor(this.#digest, pair)
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
  readonly scoreText: ScoreText
}

function mixValue(digest: Digest, value: DigestedValue): void {
  const { typeName } = value
  mixHash(digest, TYPES.get(typeName)!)
  if (typeName === 'string') mixHash(digest, hashSource(value.text))
  else value.items(new ItemDigest(digest, value))
  if (value.expires) xor(digest, EXPIRES)
}

function valueOfType(rdbType: number, source: ValueSource, expires: boolean): DigestedValue {
  const typeName = rdbTypeFacts(rdbType)?.typeName ?? 'module'
  return {
    typeName,
    text: source,
    items: (visitor) => visitItems(rdbType, source, visitor),
    expires,
    scoreText: formatDouble17,
  }
}

/**
 * DEBUG DIGEST-VALUE of one value, as redis 7.0 has it.
 * @param value for type string the decoded string, else the bytes of the value in a snapshot
 * @param expires has the key a TTL?
 * @throws ValueFault if the bytes are not what the type needs
 */
export function digestValue(rdbType: number, value: ValueSource, expires: boolean): Digest {
  return digestOfValue(valueOfType(rdbType, value, expires))
}

/** What a key adds to the digest of a dataset; see `digestValue`. */
export function digestKey(key: Uint8Array, rdbType: number, value: ValueSource, expires: boolean): Digest {
  return digestOfKey(key, valueOfType(rdbType, value, expires))
}

/** DEBUG DIGEST-VALUE. */
export function digestOfValue(value: DigestedValue): Digest {
  const digest = newDigest()
  mixValue(digest, value)
  return digest
}

/** What a key adds to the digest of a dataset. */
export function digestOfKey(key: Uint8Array, value: DigestedValue): Digest {
  const digest = newDigest()
  mixHash(digest, hashBytes(key, 0, key.length))
  mixValue(digest, value)
  return digest
}

/** 40 lower-case hex digits. */
export function digestText(digest: Digest): string {
  const bytes = Buffer.alloc(SHA1_BYTES)
  for (let word = 0; word < SHA1_WORDS; word++) bytes.writeInt32BE(digest[word]!, word * 4)
  return bytes.toString('hex')
}

/** DEBUG DIGEST of a dataset: keys may be added in any order. */
export class DatasetDigest {
  readonly #databases = new Map<number, Digest>()

  /** @param keyDigest from `digestKey`, which is not one afterwards */
  add(db: number, keyDigest: Digest): void {
    let sum = this.#databases.get(db)
    if (sum === undefined) {
      sum = newDigest()
      this.#databases.set(db, sum)
    }
    sha1OfHash(keyDigest)
    xor(sum, keyDigest)
  }

  value(): Digest {
    const digest = newDigest()
    for (const [db, sum] of [...this.#databases].sort(([a], [b]) => a - b)) {
      mixHash(digest, digestOfNumber(db))
      xor(digest, sum)
    }
    return digest
  }
}
