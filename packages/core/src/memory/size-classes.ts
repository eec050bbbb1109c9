/**
 * Block sizes of the arena. Steps of 8 bytes where most records are, about 6 % steps above, and exact divisors of a run
 * at the top, so that neither a block nor the tail of a run wastes much.
 */
import { BLOCK_BYTES_MAX, RUN_BYTES } from '../limits.ts'

function listClassBytes(): number[] {
  const sizes: number[] = []
  for (let size = 16; size < 256; size += 8) sizes.push(size)
  for (let size = 256; size < 512; size += 16) sizes.push(size)
  for (let size = 512; size < 1024; size += 32) sizes.push(size)
  for (let size = 1024; size < 2048; size += 64) sizes.push(size)
  for (let size = 2048; size < 4096; size += 128) sizes.push(size)
  for (let blocks = 16; blocks >= RUN_BYTES / BLOCK_BYTES_MAX; blocks--) {
    sizes.push(Math.floor(RUN_BYTES / blocks / 8) * 8)
  }
  return sizes
}

/** Bytes of each class, ascending; class 0 is the smallest. */
export const CLASS_BYTES: Int32Array = Int32Array.from(listClassBytes())
export const CLASS_COUNT: number = CLASS_BYTES.length
/** Blocks of a class in one run. */
export const CLASS_BLOCKS_PER_RUN: Int32Array = CLASS_BYTES.map((size) => Math.floor(RUN_BYTES / size))

/** Class for a request of n bytes: `CLASS_OF_UNITS[(n + 7) >>> 3]`, n at most BLOCK_BYTES_MAX. */
export const CLASS_OF_UNITS: Uint8Array = (() => {
  const table = new Uint8Array(BLOCK_BYTES_MAX / 8 + 1)
  let sizeClass = 0
  for (let units = 0; units < table.length; units++) {
    while (CLASS_BYTES[sizeClass]! < units * 8) sizeClass++
    table[units] = sizeClass
  }
  return table
})()
