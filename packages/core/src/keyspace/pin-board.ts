/**
 * The words that the writer of a generation and the readers of its pins share (docs/pins.md). One SharedArrayBuffer a generation.
 *
 *   0          counts copies that were published: the word on which readers validate
 *   1          counts slices in which older versions were unlinked, to be freed then: tells who looked at one
 *   32 …       per pin: its serial number while it holds, 0 or another's when it does not
 *   96 …       per region and segment: address of the index of what was kept (memory/kept-blocks.ts)
 */
import { REGION_COUNT, SEGMENTS_PER_REGION_MAX } from '../limits.ts'
import type { AccessFacts } from './access-bits.ts'
import type { GenerationTransfer } from './generation.ts'
import type { MessagePort } from 'node:worker_threads'

export const B_PUBLISHED = 0
export const B_UNLINKED = 1
export const B_PINS = 32
/** Pins at a time. */
export const PINS_MAX = 64
export const B_INDEXES: number = B_PINS + PINS_MAX

/** Where the indexes of a region begin. */
export function indexesOf(region: number): number {
  return B_INDEXES + region * SEGMENTS_PER_REGION_MAX
}

export const BOARD_WORDS: number = indexesOf(REGION_COUNT)

/** What a thread needs to read from a pin: send it with `port` in the transfer list. */
export interface PinHandle {
  /** Shared with the writer. */
  readonly generation: GenerationTransfer
  /** A copy of the control block as it was when the pin began. */
  readonly control: SharedArrayBuffer
  readonly board: SharedArrayBuffer
  /** Word of the board that belongs to the pin, and what it holds while the pin does. */
  readonly word: number
  readonly serial: number
  readonly epoch: number
  /** Clock and policy when the pin began: how long keys had been idle then. */
  readonly access: AccessFacts
  /** Tells of segments that were added since; closing it ends the pin. */
  readonly port: MessagePort
}

/** A segment that was added to a pinned generation. */
export interface SegmentMessage {
  readonly region: number
  readonly index: number
  readonly segment: SharedArrayBuffer
}
