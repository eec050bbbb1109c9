/**
 * How reads in another thread become known to the writer, which alone changes records (access-bits.ts): a ring in shared memory
 * between one reader and the writer. Marks name keys by their hash, as records move. The reader leaves one only where the
 * record's bits would change by the read: under an LRU policy once a tick for each key, under an LFU policy when the counter
 * grows. So a key that is read all the time costs the writer next to nothing; when a ring is full, marks are left out.
 *
 *   0  version of words 1 … 5      writer   1  clock  2  minute  3  an LFU policy?  4  log factor  5  decay time
 *   32 marks ever left             reader
 *   64 marks ever taken            writer
 *   96 …                           MARKS_MAX marks: [ hashOrder | hashTag | word index of the table's root | new access bits ]
 *
 * Words of different writers are 128 bytes apart. Neither side waits for the other.
 */
import type { AccessBits } from './access-bits.ts'
import type { KeyPlace } from './key-place.ts'

const VERSION = 0
const CLOCK = 1
const MINUTE = 2
const TRACKS_FREQUENCY = 3
const LOG_FACTOR = 4
const DECAY_MINUTES = 5
const LEFT = 32
const TAKEN = 64
const MARKS = 96
const MARK_WORDS = 4
/** A power of two. */
const MARKS_MAX = 2048

/** What is done with a mark. @param root word index in the control block, as it was when the key was read */
export type TakeMark = (order: number, tag: number, root: number, bits: number) => void

export class AccessMarks {
  /** To be given to the other side. */
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  #version = 0
  // Of the reader. Both counters of marks may wrap.
  #left = 0
  #taken = 0
  #noted = 0

  /** @param memory of the writer's; it makes its own by leaving this out. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer((MARKS + MARKS_MAX * MARK_WORDS) * 4)) {
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  // ---- the writer -------------------------------------------------------------------------------------------------

  /** Tells the reader clock and policy. */
  tell({ clock, minute, tracksFrequency, logFactor, decayMinutes }: AccessBits): void {
    const words = this.#words
    const tracks = tracksFrequency ? 1 : 0
    const isKnown =
      this.#version !== 0 &&
      words[CLOCK] === clock &&
      words[MINUTE] === minute &&
      words[TRACKS_FREQUENCY] === tracks &&
      words[LOG_FACTOR] === logFactor &&
      words[DECAY_MINUTES] === decayMinutes
    if (isKnown) return
    words[CLOCK] = clock
    words[MINUTE] = minute
    words[TRACKS_FREQUENCY] = tracks
    words[LOG_FACTOR] = logFactor
    words[DECAY_MINUTES] = decayMinutes
    this.#version = (this.#version + 1) | 0 || 1
    Atomics.store(words, VERSION, this.#version)
  }

  /** Takes the marks that were left, at most so many; the others next time. */
  take(visit: TakeMark, countMax: number): void {
    const words = this.#words
    // Pairs with publish(): what was noted before is visible.
    const left = Atomics.load(words, LEFT)
    let taken = words[TAKEN]!
    if (taken === left) return
    for (let rest = countMax; taken !== left && rest > 0; rest--, taken = (taken + 1) | 0) {
      const at = markAt(taken)
      visit(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
    }
    // Pairs with note(): these places may be written again.
    Atomics.store(words, TAKEN, taken)
  }

  // ---- the reader -------------------------------------------------------------------------------------------------

  /** Begins an attempt of a read: what another noted and did not publish is forgotten. `access` follows what the writer told. */
  begin(access: AccessBits): void {
    this.#noted = 0
    const words = this.#words
    if (words[VERSION] === this.#version) return
    this.#version = Atomics.load(words, VERSION)
    access.clock = words[CLOCK]!
    access.minute = words[MINUTE]!
    access.tracksFrequency = words[TRACKS_FREQUENCY] === 1
    access.logFactor = words[LOG_FACTOR]!
    access.decayMinutes = words[DECAY_MINUTES]!
  }

  /** Notes the access bits that a key should have. */
  note({ order, tag, root }: KeyPlace, bits: number): void {
    const words = this.#words
    const mark = (this.#left + this.#noted) | 0
    if (((mark - this.#taken) | 0) >= MARKS_MAX) {
      this.#taken = Atomics.load(words, TAKEN)
      if (((mark - this.#taken) | 0) >= MARKS_MAX) return
    }
    const at = markAt(mark)
    words[at] = order
    words[at + 1] = tag
    words[at + 2] = root
    words[at + 3] = bits
    this.#noted++
  }

  /** The attempt was valid: the writer may have what was noted. */
  publish(): void {
    if (this.#noted === 0) return
    this.#left = (this.#left + this.#noted) | 0
    this.#noted = 0
    Atomics.store(this.#words, LEFT, this.#left)
  }
}

function markAt(mark: number): number {
  return MARKS + (mark & (MARKS_MAX - 1)) * MARK_WORDS
}
