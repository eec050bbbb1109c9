/**
 * Pins, on the writer's thread: a reader that needs longer than a validated read may take is given regions of the dataset as they
 * were at one moment, between two units, while the writer goes on changing them (docs/pins.md). The reader's side is
 * pinned-keyspace.ts.
 *
 *   begun ──[reader closes its port, or its thread ends]──► ended
 *     └──[too many bytes kept, too long, no memory, a flush that cannot wait]──► broken: the reader's next look throws PIN_BROKEN
 *
 * A generation that is replaced is changed by nobody any more: its pins go on without anything being kept for them.
 */
import { strict as assert } from 'node:assert'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { KeyspaceError } from '../errors.ts'
import { REGION_COUNT } from '../limits.ts'
import { BlockKeeper, type KeeperOwner } from '../memory/block-keeper.ts'
import { EPOCH_MAX } from '../memory/kept-blocks.ts'
import type { AccessFacts } from './access-bits.ts'
import type { Generation } from './generation.ts'
import type { LazyFree } from './lazy-free.ts'
import {
  B_PINS,
  B_PUBLISHED,
  B_UNLINKED,
  BOARD_WORDS,
  indexesOf,
  type PinHandle,
  PINS_MAX,
  type SegmentMessage,
} from './pin-board.ts'
import type { ShardCounters } from './shard-counters.ts'

/** All regions. */
export const EVERY_REGION: number = 2 ** REGION_COUNT - 1

/** Bytes that are kept between two looks at the limits of the pins. */
const BYTES_PER_LOOK: number = 1 << 20

export interface PinLimits {
  /** Bytes that may be kept in the pin's regions while it lasts: copies, and what was freed. */
  readonly bytesMax: number
  /** Milliseconds that it may last; see `Pins.breakOverdue()`. */
  readonly durationMsMax: number
}

interface Pin {
  readonly word: number
  readonly serial: number
  readonly epoch: number
  readonly regions: number
  readonly limits: PinLimits
  readonly startedAtMs: number
  readonly port: MessagePort
  /** `PinnedGeneration.keptBytes` of its regions when it began. */
  readonly keptBefore: number
}

export class Pins {
  readonly #counters: ShardCounters
  readonly #lazyFree: LazyFree
  readonly #access: AccessFacts
  #current: PinnedGeneration | undefined
  /** Those with pins that have not ended. */
  readonly #all = new Set<PinnedGeneration>()
  #serial = 0
  /** Pins that were broken since the start. */
  broken = 0

  /** One per keyspace. */
  constructor(counters: ShardCounters, lazyFree: LazyFree, access: AccessFacts) {
    this.#counters = counters
    this.#access = access
    this.#lazyFree = lazyFree
  }

  /** Pins that hold, also in generations that were replaced. */
  get count(): number {
    let sum = 0
    for (const { pins } of this.#all) sum += pins.size
    return sum
  }

  /** Is anything of the generation kept, or waiting to be freed? */
  isHolding(generation: Generation): boolean {
    return this.#current?.generation === generation && this.#current.isHolding
  }

  /** Bytes of blocks in use in the generation that are there for pins alone. */
  heldBytes(generation: Generation): number {
    return this.#current?.generation === generation ? this.#current.heldBytes : 0
  }

  /**
   * Pins regions of the generation as they are. Between two units.
   * @param regions a bit each. @throws KeyspaceError PIN_LIMIT when there are too many pins.
   */
  begin(generation: Generation, regions: number, limits: PinLimits, nowMs: number): PinHandle {
    assert.ok(!this.#counters.isOpen, 'pins begin between two units')
    if (this.#current?.generation !== generation) this.#current = this.#watch(generation)
    if (this.count >= PINS_MAX) throw new KeyspaceError('PIN_LIMIT', `there are ${PINS_MAX} pins`, { retryable: true })
    this.#all.add(this.#current)
    this.#serial = (this.#serial % 0x7fff_fffe) + 1
    return { ...this.#current.begin(regions, limits, nowMs, this.#serial), access: { ...this.#access } }
  }

  /** Another generation has taken over: the pins of the one before go on, and nothing is kept or freed for them any more. */
  generationReplaced(): void {
    this.#current = undefined
  }

  /** Breaks the pins that last too long; call it now and then, between two units. */
  breakOverdue(nowMs: number): void {
    for (const generation of this.#all) {
      generation.breakThose((pin) => nowMs - pin.startedAtMs > pin.limits.durationMsMax)
    }
  }

  /** Breaks one pin, if it still holds. @param serial of its handle */
  breakOne(serial: number): void {
    for (const generation of this.#all) generation.breakThose((pin) => pin.serial === serial)
  }

  /** Breaks all pins: no memory is kept for them any more. */
  breakAll(): void {
    for (const generation of this.#all) generation.breakThose(() => true)
  }

  #watch(generation: Generation): PinnedGeneration {
    return new PinnedGeneration(generation, {
      broken: () => {
        this.broken++
      },
      released: (pinned) => {
        if (pinned.pins.size === 0) this.#all.delete(pinned)
        if (pinned === this.#current) this.#lazyFree.addSlicesOnce(pinned.freeSlice)
      },
    })
  }
}

interface PinEvents {
  broken(): void
  /** A pin has ended: memory may have to be freed. */
  released(generation: PinnedGeneration): void
}

/** The pins of one generation. */
class PinnedGeneration {
  readonly generation: Generation
  readonly pins = new Set<Pin>()
  readonly #events: PinEvents
  readonly #boardBuffer = new SharedArrayBuffer(BOARD_WORDS * 4)
  readonly #board = new Int32Array(this.#boardBuffer)
  readonly #keepers: BlockKeeper[] = []
  /** By region: bytes ever kept. */
  readonly #kept = new Float64Array(REGION_COUNT)
  #keptSinceLook = 0
  #epoch = 0

  /** Frees a slice of what no pin needs any more. @returns true when all of that is freed. One function, so that it waits once. */
  readonly freeSlice = (): boolean => this.#keepers.every((keeper) => keeper.step())

  constructor(generation: Generation, events: PinEvents) {
    this.generation = generation
    this.#events = events
    for (const region of generation.regions) {
      this.#keepers.push(
        new BlockKeeper(region.arena, this.#ownerOf(region.index), this.#board, indexesOf(region.index)),
      )
    }
    generation.segmentListeners.push((region, index, segment) => {
      const message: SegmentMessage = { region, index, segment }
      for (const { port } of this.pins) port.postMessage(message)
    })
  }

  get isHolding(): boolean {
    return this.#keepers.some((keeper) => keeper.isHolding)
  }

  get heldBytes(): number {
    let sum = 0
    for (const keeper of this.#keepers) sum += keeper.heldBytes
    return sum
  }

  begin(regions: number, limits: PinLimits, startedAtMs: number, serial: number): Omit<PinHandle, 'access'> {
    // While nothing is kept no word tells of an epoch: counting may begin anew.
    if (!this.isHolding) this.#epoch = 0
    if (this.#epoch === EPOCH_MAX) throw new KeyspaceError('PIN_LIMIT', 'there were always pins since 2^28 of them')
    const epoch = ++this.#epoch
    let word = B_PINS
    while (this.#board[word] !== 0) word++
    const { port1, port2 } = new MessageChannel()
    const pin: Pin = {
      word,
      serial,
      epoch,
      regions,
      limits,
      startedAtMs,
      port: port1,
      keptBefore: this.#keptIn(regions),
    }
    this.pins.add(pin)
    port1.once('close', () => this.#end(pin))
    port1.unref()
    this.#forEachKeeper(regions, (keeper) => keeper.begin(epoch))
    Atomics.store(this.#board, word, serial)
    const { generation } = this
    return {
      generation: generation.transfer(),
      control: generation.controlBuffer.slice(0),
      board: this.#boardBuffer,
      word,
      serial,
      epoch,
      port: port2,
    }
  }

  breakThose(isDue: (pin: Pin) => boolean): void {
    for (const pin of this.pins) if (isDue(pin)) this.#break(pin)
  }

  #break(pin: Pin): void {
    if (!this.pins.has(pin)) return
    this.#events.broken()
    this.#end(pin)
    pin.port.close()
  }

  #end(pin: Pin): void {
    if (!this.pins.delete(pin)) return
    Atomics.store(this.#board, pin.word, 0)
    // A reader that validates from now on sees that; what it read before was still kept.
    this.#publish()
    this.#forEachKeeper(pin.regions, (keeper, region) => {
      const epochs = [...this.pins].filter((other) => ((other.regions >>> region) & 1) !== 0).map(({ epoch }) => epoch)
      if (epochs.length === 0) keeper.end()
      else keeper.release(Math.min(...epochs), Math.max(...epochs))
    })
    this.#events.released(this)
  }

  #publish(): void {
    // Pairs with the readers' validation: who still finds the count as it was has read nothing that was stored behind this.
    Atomics.add(this.#board, B_PUBLISHED, 1)
  }

  #ownerOf(region: number): KeeperOwner {
    return {
      published: () => this.#publish(),
      // Pairs with the readers' look behind a search: who finds the count as it was has read nothing that is freed behind this.
      unlinked: () => void Atomics.add(this.#board, B_UNLINKED, 1),
      kept: (bytes) => {
        this.#kept[region] = this.#kept[region]! + bytes
        this.#keptSinceLook += bytes
        if (this.#keptSinceLook < BYTES_PER_LOOK) return
        this.#keptSinceLook = 0
        this.breakThose((pin) => this.#keptIn(pin.regions) - pin.keptBefore > pin.limits.bytesMax)
      },
      outOfMemory: () => this.breakThose((pin) => ((pin.regions >>> region) & 1) !== 0),
    }
  }

  #keptIn(regions: number): number {
    let sum = 0
    for (let region = 0; region < REGION_COUNT; region++) {
      if (((regions >>> region) & 1) !== 0) sum += this.#kept[region]!
    }
    return sum
  }

  #forEachKeeper(regions: number, visit: (keeper: BlockKeeper, region: number) => void): void {
    for (let region = 0; region < REGION_COUNT; region++) {
      if (((regions >>> region) & 1) !== 0) visit(this.#keepers[region]!, region)
    }
  }
}
