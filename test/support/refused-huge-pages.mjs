/**
 * Started as a process of its own, because huge pages are asked for when one starts: fills an arena in a system that refuses them, three
 * times over, and writes to standard output which segments it took.
 */
import { Arena, HUGE_PAGES, RegionMemory, SEGMENT_BYTES_MAX } from '@understudy/core/internal'

const BLOCK_BYTES = 16_384
const FILLED_BYTES = 3 * 2 ** 30
const MIB = 2 ** 20

globalThis.SharedArrayBuffer = new Proxy(SharedArrayBuffer, {
  construct(target, args) {
    if (args.length === 1 && args[0] >= MIB) throw new RangeError('Array buffer allocation failed')
    return Reflect.construct(target, args)
  },
})

const memory = new RegionMemory([])
const arena = new Arena(memory, SEGMENT_BYTES_MAX)
for (let round = 0; round < 3; round++) {
  arena.reset()
  for (let bytes = 0; bytes < FILLED_BYTES; bytes += BLOCK_BYTES) arena.allocate(BLOCK_BYTES)
}
const segmentsMiB = memory.segments.map(({ maxByteLength }) => Math.round(maxByteLength / MIB))
process.stdout.write(JSON.stringify({ isAskedFor: HUGE_PAGES, segmentsMiB }))
