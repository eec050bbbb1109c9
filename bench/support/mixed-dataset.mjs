/**
 * Keys of all types, as the commands that make them and the commands that change them. All is computed from the seed, so the
 * stream of two runs is the same to the byte.
 *
 *   keys          16 hex digits, distinct over all types
 *   collections   four in five have 2 … 11 elements, one in six 12 … 47, one in thirty 48 … 199 (beyond the 128 up to which
 *                 Redis packs them); beside them one large collection of each type but streams
 *   strings       32 hex digits, or 5 to 9 decimal ones; counters are numbers
 *   hash          field:<n> with a text of 8 … 31 characters or a number
 *   sorted set    member:<n>, scores whole like times or with two decimals
 *   list          texts as in hashes
 *   set           half of the keys hold whole numbers only, the others user:<n>
 *   stream        two fields an entry, the same names in each
 */
import { commandText, inBuffers } from './command-text.mjs'
import { Dataset, mix, randomNumbers } from './dataset.mjs'

/**
 * @typedef {object} MixedSizes How many keys of each type.
 * @property {number} strings
 * @property {number} counters
 * @property {number} hashes
 * @property {number} zsets
 * @property {number} lists
 * @property {number} sets
 * @property {number} streams
 * @property {number} largeElements Elements of each of the four large collections.
 */

/** @typedef {'strings' | 'counters' | 'hashes' | 'zsets' | 'lists' | 'sets' | 'streams'} KeyKind */

/** @typedef {'hashes' | 'zsets' | 'lists' | 'sets'} CollectionKind */

const COLLECTIONS = /** @type {const} */ (['hashes', 'zsets', 'lists', 'sets'])
/** Stands for the index of the one large collection of a kind. */
const LARGE = -1
const KINDS = /** @type {const} */ (['strings', 'counters', ...COLLECTIONS, 'streams'])
/** So many elements go into one command that makes a collection. */
const ELEMENTS_PER_COMMAND = 64
/** Of the changes of collections, so many are made in the large one. */
const LARGE_SHARE = 0.1
/** Of fields and members that are written, so many are new. */
const NEW_SHARE = 0.2
const FIRST_ENTRY_MS = 1_700_000_000_000

export class MixedDataset {
  #keys
  #random
  #sizes
  /** Index of the first key of each kind. @type {Record<KeyKind, number>} */
  #first = { strings: 0, counters: 0, hashes: 0, zsets: 0, lists: 0, sets: 0, streams: 0 }
  /** Keys in all, large collections included. */
  keyCount = 0

  /**
   * @param {number} seed
   * @param {MixedSizes} sizes
   */
  constructor(seed, sizes) {
    this.#keys = new Dataset(seed)
    this.#random = randomNumbers(seed)
    this.#sizes = sizes
    for (const kind of KINDS) {
      this.#first[kind] = this.keyCount
      this.keyCount += sizes[kind]
    }
    this.keyCount += 4
  }

  /** How many commands `creation` makes. */
  get creationCommands() {
    const { largeElements, strings, counters } = this.#sizes
    let commands = strings + counters + 4 * Math.ceil(largeElements / ELEMENTS_PER_COMMAND)
    for (const kind of COLLECTIONS) {
      for (let i = 0; i < this.#sizes[kind]; i++)
        commands += Math.ceil(this.#elementsOf(kind, i) / ELEMENTS_PER_COMMAND)
    }
    for (let i = 0; i < this.#sizes.streams; i++) commands += this.#elementsOf('streams', i)
    return commands
  }

  /** Commands that make all keys. To be called once, before `changes`. */
  creation() {
    return inBuffers(this.#creation())
  }

  /**
   * SET, INCR, HSET, ZADD, RPUSH and SADD in equal parts, on keys drawn at random from those that are there.
   *
   * @param {number} count
   */
  changes(count) {
    return inBuffers(this.changeTexts(count))
  }

  *#creation() {
    const { strings, counters, streams, largeElements } = this.#sizes
    for (let i = 0; i < strings; i++) yield commandText(['SET', this.#key('strings', i), this.#string()])
    for (let i = 0; i < counters; i++) yield commandText(['SET', this.#key('counters', i), String(this.#below(1e6))])
    for (const kind of COLLECTIONS) {
      for (let i = 0; i < this.#sizes[kind]; i++) yield* this.#filling(kind, i, this.#elementsOf(kind, i))
      yield* this.#filling(kind, LARGE, largeElements)
    }
    for (let i = 0; i < streams; i++) yield* this.#entries(i, this.#elementsOf('streams', i))
  }

  /**
   * As `changes`, one by one.
   *
   * @param {number} count
   */
  *changeTexts(count) {
    const { strings, counters } = this.#sizes
    for (let i = 0; i < count; i++) {
      switch (this.#below(6)) {
        case 0:
          yield commandText(['SET', this.#key('strings', this.#below(strings)), this.#string()])
          break
        case 1:
          yield commandText(['INCR', this.#key('counters', this.#below(counters))])
          break
        case 2:
          yield this.#change('hashes')
          break
        case 3:
          yield this.#change('zsets')
          break
        case 4:
          yield this.#change('lists')
          break
        default:
          yield this.#change('sets')
      }
    }
  }

  /**
   * A command that writes one element of a collection.
   *
   * @param {CollectionKind} kind
   */
  #change(kind) {
    const isLarge = this.#random() < LARGE_SHARE
    const key = isLarge ? LARGE : this.#below(this.#sizes[kind])
    const elements = isLarge ? this.#sizes.largeElements : this.#elementsOf(kind, key)
    const element = this.#below(Math.ceil(elements / (1 - NEW_SHARE)))
    return commandText([...this.#opening(kind, key), ...this.#element(kind, key, element)])
  }

  /**
   * @param {CollectionKind} kind
   * @param {number} key
   * @param {number} elements
   */
  *#filling(kind, key, elements) {
    for (let from = 0; from < elements; from += ELEMENTS_PER_COMMAND) {
      const words = this.#opening(kind, key)
      const to = Math.min(elements, from + ELEMENTS_PER_COMMAND)
      for (let element = from; element < to; element++) words.push(...this.#element(kind, key, element))
      yield commandText(words)
    }
  }

  /**
   * @param {CollectionKind} kind
   * @param {number} key
   */
  #opening(kind, key) {
    const command = { hashes: 'HSET', zsets: 'ZADD', lists: 'RPUSH', sets: 'SADD' }[kind]
    return [command, key === LARGE ? `large:${kind}` : this.#key(kind, key)]
  }

  /**
   * The words that stand for one element.
   *
   * @param {CollectionKind} kind
   * @param {number} key
   * @param {number} element
   */
  #element(kind, key, element) {
    switch (kind) {
      case 'hashes':
        return [`field:${element}`, this.#value()]
      case 'zsets': {
        const score = key % 2 === 0 ? String(1_700_000_000 + this.#below(1e7)) : (this.#below(1e6) / 100).toFixed(2)
        return [score, `member:${mix(element) >>> 0}`]
      }
      case 'lists':
        return [this.#value()]
      case 'sets':
        return [key % 2 === 0 ? String(mix(element) >>> 8) : `user:${mix(element) >>> 8}`]
    }
  }

  /**
   * @param {number} key
   * @param {number} entries
   */
  *#entries(key, entries) {
    for (let i = 0; i < entries; i++) {
      const id = `${FIRST_ENTRY_MS + i * 1000 + this.#below(1000)}-0`
      yield commandText([
        'XADD',
        this.#key('streams', key),
        id,
        'sensor',
        String(this.#below(100)),
        'text',
        this.#value(),
      ])
    }
  }

  /**
   * @param {KeyKind} kind
   * @param {number} index
   */
  #key(kind, index) {
    return this.#keys.key(this.#first[kind] + index).toString('latin1')
  }

  /**
   * Elements that a collection is made with.
   *
   * @param {KeyKind} kind
   * @param {number} index
   */
  #elementsOf(kind, index) {
    const drawn = mix(this.#first[kind] + index) >>> 0
    const within = drawn % 1009
    const share = (drawn >>> 10) % 30
    if (share === 0) return 48 + (within % 152)
    return share <= 5 ? 12 + (within % 36) : 2 + (within % 10)
  }

  #string() {
    return this.#random() < 0.2
      ? String(10_000 + this.#below(1e8))
      : this.#hex() + this.#hex() + this.#hex() + this.#hex()
  }

  #value() {
    return this.#random() < 0.25
      ? String(this.#below(1e6))
      : (this.#hex() + this.#hex() + this.#hex() + this.#hex()).slice(this.#below(24))
  }

  #hex() {
    return this.#below(2 ** 32)
      .toString(16)
      .padStart(8, '0')
  }

  /** @param {number} bound */
  #below(bound) {
    return Math.floor(this.#random() * bound)
  }
}
