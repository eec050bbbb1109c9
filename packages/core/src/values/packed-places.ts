/**
 * Where the names of a listpack that is being made are, by their hash: so that one that comes twice is met without a walk for each.
 * What is in the listpack is the caller's; a place is a position of an item in it.
 */
import { type HashSeed, hashKey, hashTag } from '../keyspace/key-hash.ts'
import { readListpackText, textBytes, textEnd, textStart } from './item-text.ts'
import { compareMembers } from './member-order.ts'

export class PackedPlaces {
  #seed!: HashSeed
  readonly #mask: number
  /** By hash: where a name's item is; 0: free. Never more than half of them taken. */
  readonly #places: Int16Array
  /** Which of them are taken: most listpacks are short, and only these are cleared for the next. */
  readonly #taken: Int16Array
  #count = 0

  /** @param namesMax names of one listpack, at most */
  constructor(namesMax: number) {
    const places = 2 ** (33 - Math.clz32(namesMax - 1))
    this.#mask = places - 1
    this.#places = new Int16Array(places)
    this.#taken = new Int16Array(namesMax)
  }

  /** Begins an empty listpack. @param seed so that nobody can aim at one place */
  begin(seed: HashSeed): void {
    this.#seed = seed
    for (let i = 0; i < this.#count; i++) this.#places[this.#taken[i]!] = 0
    this.#count = 0
  }

  /** Remembers that the name is going to be at `at` of `listpack`. @returns false: it is there already. */
  note(listpack: Uint8Array, bytes: Uint8Array, start: number, end: number, at: number): boolean {
    const places = this.#places
    hashKey(this.#seed, bytes, start, end)
    let place = hashTag & this.#mask
    for (; places[place] !== 0; place = (place + 1) & this.#mask) {
      readListpackText(listpack, places[place]!, listpack.length)
      if (compareMembers(bytes, start, end, textBytes, textStart, textEnd) === 0) return false
    }
    places[place] = at
    this.#taken[this.#count++] = place
    return true
  }

  /** The only name that was noted is at `at` now. */
  firstMoved(at: number): void {
    this.#places[this.#taken[0]!] = at
  }
}
