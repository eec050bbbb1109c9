/**
 * The writer's half of the seqlock: one counter per shard, odd while the shard is being changed. The reader's half is in
 * `generation-view.ts`; why readers cannot be fooled is argued in docs/consistency.md.
 *
 * Entering and leaving are read-modify-writes, never plain stores or `Atomics.store`: later plain stores may rise above
 * a store, but in ECMAScript's memory model nothing that follows in program order can be seen by a thread that has not
 * also seen the read-modify-write it synchronises with.
 *
 * A unit is what readers must see whole: one command, or a MULTI/EXEC group. Shards are entered when the unit first
 * touches them and all are left at its end, so a reader that sees one of its effects can see none of its shards as they
 * were before.
 */
import { strict as assert } from 'node:assert'
import { SHARD_COUNT } from '../limits.ts'
import type { GenerationLayout } from './generation.ts'
import { ReadersTurns } from './readers-turn.ts'

export class ShardCounters {
  /** Off while no reader is attached: a writer that is alone needs no protocol. Changed only between two units. */
  active = false
  /**
   * What entering and leaving add: 1 and 1. The test of the consistency test leaves one step out by setting 0 and 2 (never
   * odd while entering) or 2 and 0, and must then see torn values.
   */
  enterStep = 1
  leaveStep = 1

  /** Units begun, and generations changed, in 32 bits: as long as it stays, so does the dataset. */
  units = 0

  #layout: GenerationLayout
  #open = false
  readonly #entered = new Uint8Array(SHARD_COUNT)
  readonly #list = new Uint8Array(SHARD_COUNT)
  #count = 0
  readonly #turns = new ReadersTurns()

  constructor(layout: GenerationLayout) {
    this.#layout = layout
  }

  /**
   * Another generation is about to take over. In an open unit all its shards are entered before any reader can see it, so
   * that what the unit still does there stays hidden until the end.
   */
  prepare(next: GenerationLayout): void {
    if (!this.#open || !this.active) return
    for (let shard = 0; shard < SHARD_COUNT; shard++) Atomics.add(next.control, next.counterOf(shard), this.enterStep)
  }

  /**
   * The generation given to `prepare()` has taken over and the unit goes on in it. The old one's shards that the unit had
   * entered stay odd for ever: their content is half of the unit, and a reader that has not yet seen that the generation
   * is retired must not find them even. Shards that were not entered can still be read to the end.
   */
  use(next: GenerationLayout): void {
    for (let i = 0; i < this.#count; i++) this.#entered[this.#list[i]!] = 0
    this.#count = 0
    this.units = (this.units + 1) | 0
    this.#layout = next
    if (!this.#open || !this.active) return
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      this.#entered[shard] = 1
      this.#list[this.#count++] = shard
    }
  }

  /**
   * No reader is left, so units need not count. One that was told so and has not heard it yet may be in the middle of a read: that must not
   * be validated by counters that do not move any more, so they move once. Outside of units.
   */
  stop(): void {
    this.active = false
    const { control } = this.#layout
    for (let shard = 0; shard < SHARD_COUNT; shard++) Atomics.add(control, this.#layout.counterOf(shard), 2)
  }

  /** Begins a unit. */
  begin(): void {
    // Compared here, as wherever every command passes: a call of assert.ok() costs several times as much.
    if (this.#open) assert.fail('a unit is already open')
    this.#open = true
    this.units = (this.units + 1) | 0
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** Called before the first change to a shard in this unit; harmless when repeated. */
  enter(shard: number): void {
    if (!this.#open) assert.fail('a change outside of a unit')
    if (!this.active || this.#entered[shard] === 1) return
    this.#entered[shard] = 1
    this.#list[this.#count++] = shard
    // Pairs with the reader's validation: whoever reads what is stored below also finds this counter changed.
    Atomics.add(this.#layout.control, this.#layout.counterOf(shard), this.enterStep)
  }

  enterAll(): void {
    for (let shard = 0; shard < SHARD_COUNT; shard++) this.enter(shard)
  }

  /** Ends the unit: all its shards become even again. */
  end(): void {
    this.#open = false
    if (this.#count === 0) return
    const { control } = this.#layout
    this.#leaveEntered(control)
    this.#turns.giveIfAsked(control)
  }

  #leaveEntered(control: Int32Array): void {
    for (let i = 0; i < this.#count; i++) {
      const shard = this.#list[i]!
      this.#entered[shard] = 0
      // Pairs with the reader's first load: even again means everything stored above is visible.
      Atomics.add(control, this.#layout.counterOf(shard), this.leaveStep)
    }
    this.#count = 0
  }
}
