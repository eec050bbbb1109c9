/**
 * The writer's half of a pin, judged without its readers: all blocks that were in use when the pin began must still be found with
 * the bytes they had, where they were or among what was kept. Knows run records as memory/arena.ts draws them, and nothing of
 * what the blocks mean; so it sees every change that somebody forgot to tell.
 */
import {
  CLASS_COUNT,
  EVERY_REGION,
  findVersion,
  indexesOf,
  type Keyspace,
  type PinHandle,
  pieceBytesOf,
} from '@understudy/core/internal'

const RUN_BYTES = 65_536
const RUN_RECORD_WORDS = 8
const R_STATE = 0
const R_FREE = 2
const R_CUT = 3
const STATE_SPAN = 0x7fff
/** Word of the header, behind the partial lists: the first run of segment 0 that was never used. */
const H_BUMP_RUN = 16 + CLASS_COUNT

export class PinAudit {
  readonly #keyspace: Keyspace
  /** By region and segment: its bytes when the pin began. */
  readonly #copies: Uint8Array[][]
  readonly #pieceBytes: Map<number, number>[] = []

  /** Right before the pin begins. @param regions those to be judged, a bit each. */
  constructor(keyspace: Keyspace, regions: number = EVERY_REGION) {
    this.#keyspace = keyspace
    this.#copies = keyspace.generation.regions.map(({ memory }, region) =>
      ((regions >>> region) & 1) === 0 ? [] : memory.u8.map((bytes) => bytes.slice()),
    )
    for (const { memory } of keyspace.generation.regions) {
      const bytes = new Map<number, number>()
      memory.u8.forEach((segment, index) => {
        for (let run = 0; run < segment.length / RUN_BYTES; run++) {
          bytes.set(runKey(index, run), index === 0 ? 0 : pieceBytesOf(memory, runAddress(index, run)))
        }
      })
      this.#pieceBytes.push(bytes)
    }
  }

  /** @returns blocks whose content is lost, as `region segment offset bytes`. */
  lost(handle: PinHandle): string[] {
    const lost: string[] = []
    const board = new Int32Array(handle.board)
    this.#copies.forEach((segments, region) => {
      const { memory } = this.#keyspace.generation.regions[region]!
      segments.forEach((before, segment) => {
        if (segment === 0) return
        for (const [offset, bytes] of this.#blocks(region, segment)) {
          const address = (segment << 28) | (offset >>> 3)
          const kept = findVersion(memory, board[indexesOf(region) + segment]!, address, handle.epoch)
          const from = kept === 0 ? address : kept
          const at = (from & 0x0fff_ffff) << 3
          const now = memory.u8[from >>> 28]!.subarray(at, at + bytes)
          if (Buffer.compare(now, before.subarray(offset, offset + bytes)) !== 0) {
            lost.push(`${region} ${segment} ${offset} ${bytes}`)
          }
        }
      })
    })
    return lost
  }

  /** Offset and bytes of every block in use then. */
  *#blocks(region: number, segment: number): Generator<[number, number]> {
    const bytes = this.#copies[region]![segment]!
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
    const header = new Int32Array(this.#copies[region]![0]!.buffer)
    for (let run = 0; run < header[H_BUMP_RUN + segment]!; run++) {
      const record = run * RUN_RECORD_WORDS
      const state = words[record + R_STATE]!
      const blockBytes = this.#pieceBytes[region]!.get(runKey(segment, run))!
      // The first runs hold the run records themselves.
      if (state === 0 || blockBytes === 0) continue
      if (state === STATE_SPAN) {
        yield [run * RUN_BYTES, RUN_BYTES]
        continue
      }
      const free = new Set<number>()
      for (let at = words[record + R_FREE]!; at !== 0; at = words[((at & 0x0fff_ffff) << 3) >>> 2]!) {
        free.add((at & 0x0fff_ffff) << 3)
      }
      for (let block = 0; block < words[record + R_CUT]!; block++) {
        const offset = run * RUN_BYTES + block * blockBytes
        if (!free.has(offset)) yield [offset, blockBytes]
      }
    }
  }
}

function runKey(segment: number, run: number): number {
  return segment * 65_536 + run
}

function runAddress(segment: number, run: number): number {
  return (segment << 28) | (run * (RUN_BYTES >>> 3))
}
