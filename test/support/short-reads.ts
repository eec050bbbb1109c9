/**
 * Cuts bytes the ways a socket may deliver them, to show that a parser's result does not depend on the cuts.
 *
 *   for (const cutting of cuttings(bytes, { seed: 7 })) {
 *     const parser = new Parser()
 *     feed(cutting, (piece) => parser.take(piece))
 *     expect(parser.result, cutting.name).toEqual(expected)
 *   }
 */
import { SeededRandom } from './seeded-random.ts'

export interface Cutting {
  /** Says how it was cut, with the seed: for the message of an assertion. */
  readonly name: string
  /** In order, none empty, together exactly the input. */
  readonly pieces: readonly Uint8Array[]
}

export interface CuttingOptions {
  readonly seed: number
  /** Number of random cuttings. Default 8. */
  readonly rounds?: number
  /** Longest piece of a random cutting is drawn from 1 … this. Default: the length of the input. */
  readonly pieceBytesMax?: number
}

/** Whole, one byte at a time, and in random pieces. */
export function cuttings(bytes: Uint8Array, options: CuttingOptions): Cutting[] {
  const out = [cutWhole(bytes), cutSingle(bytes)]
  const random = new SeededRandom(options.seed)
  for (let round = 0; round < (options.rounds ?? 8); round++) {
    out.push({
      name: `random pieces (seed ${options.seed}, round ${round})`,
      pieces: cutRandomly(bytes, random, options.pieceBytesMax),
    })
  }
  return out
}

export function cutWhole(bytes: Uint8Array): Cutting {
  return { name: 'whole', pieces: bytes.length === 0 ? [] : [bytes] }
}

export function cutSingle(bytes: Uint8Array): Cutting {
  return { name: 'one byte at a time', pieces: Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)) }
}

/** The scale of the pieces differs from call to call: some cuttings are fine, some coarse. */
export function cutRandomly(bytes: Uint8Array, random: SeededRandom, pieceBytesMax = bytes.length): Uint8Array[] {
  const pieces: Uint8Array[] = []
  const scale = Math.max(1, Math.floor(Math.max(1, pieceBytesMax) ** random.float()))
  for (let at = 0; at < bytes.length;) {
    const next = Math.min(bytes.length, at + random.int(1, scale))
    pieces.push(bytes.subarray(at, next))
    at = next
  }
  return pieces
}

/**
 * Gives each piece to `take` in a buffer of its own, with other bytes around it, and spoils that buffer afterwards: a
 * parser that reads beside its piece, or keeps it without copying, gives a wrong result.
 */
export function feed(cutting: Cutting, take: (piece: Buffer) => void): void {
  for (const piece of cutting.pieces) {
    const around = 8
    const lent = Buffer.alloc(piece.length + 2 * around, 0xa5)
    lent.set(piece, around)
    take(lent.subarray(around, around + piece.length))
    lent.fill(0x5a)
  }
}
