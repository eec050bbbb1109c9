import {
  Arena,
  BLOCK_BYTES_MAX,
  byteOffsetOf,
  CLASS_BYTES,
  CLASS_OF_UNITS,
  HUGE_PAGES,
  RegionMemory,
  RUN_BYTES,
  SEGMENT_BYTES_MAX,
  segmentOf,
} from '@understudy/core/internal'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

function reservedBytes(memory: RegionMemory): number {
  return memory.segments.reduce((sum, segment) => sum + segment.byteLength, 0)
}

/** Blocks and spans that fill themselves with a pattern of their own, and find it unchanged at the end. */
class Tenants {
  readonly memory = new RegionMemory([])
  readonly arena: Arena
  readonly blocks = new Map<number, { bytes: number; seal: number; span: boolean }>()
  bytes = 0
  #seals = 1

  constructor(segmentBytesMax: number) {
    this.arena = new Arena(this.memory, segmentBytesMax)
  }

  allocate(bytes: number): number {
    const span = bytes > BLOCK_BYTES_MAX
    const address = span ? this.arena.allocateSpan(bytes) : this.arena.allocate(bytes)
    if (this.blocks.has(address)) throw new Error(`block ${address} was given twice`)
    const words = this.#words(address, bytes)
    if (span && words.some((word) => word !== 0)) throw new Error('a span is not zeroed')
    const seal = this.#seals++
    words.fill(seal)
    this.blocks.set(address, { bytes, seal, span })
    this.bytes += span ? Math.ceil(bytes / RUN_BYTES) * RUN_BYTES : Arena.blockBytes(bytes)
    return address
  }

  free(address: number): void {
    const { bytes, seal, span } = this.blocks.get(address)!
    const words = this.#words(address, bytes)
    for (const word of words) if (word !== seal) throw new Error(`block ${address} of ${bytes} bytes was overwritten`)
    this.blocks.delete(address)
    this.bytes -= span ? Math.ceil(bytes / RUN_BYTES) * RUN_BYTES : Arena.blockBytes(bytes)
    if (span) this.arena.freeSpan(address)
    else this.arena.free(address)
  }

  freeAll(random?: SeededRandom): void {
    const addresses = [...this.blocks.keys()]
    for (const address of random === undefined ? addresses : random.shuffle(addresses)) this.free(address)
  }

  #words(address: number, bytes: number): Int32Array {
    const at = byteOffsetOf(address) >>> 2
    return this.memory.i32[segmentOf(address)]!.subarray(at, at + (bytes >>> 2))
  }
}

describe('size classes', () => {
  it('fit every request, and waste little', () => {
    const wrong: [bytes: number, block: number][] = []
    for (let bytes = 1; bytes <= BLOCK_BYTES_MAX; bytes++) {
      const block = CLASS_BYTES[CLASS_OF_UNITS[(bytes + 7) >>> 3]!]!
      if (block < bytes || block % 8 !== 0 || block - bytes > bytes * 0.26 + 15) wrong.push([bytes, block])
    }
    expect(wrong).toEqual([])
  })
})

describe('arena', () => {
  it.each([
    ['one large segment', 64 << 20],
    ['many small segments', 1 << 20],
  ])('gives blocks that never overlap and accounts for every byte (%s)', (_, segmentBytesMax) => {
    const random = new SeededRandom(segmentBytesMax)
    const tenants = new Tenants(segmentBytesMax)
    for (let step = 0; step < 50_000; step++) {
      // Grow to some MiB, shrink to nearly nothing, grow again with other sizes.
      const wanted = Math.abs(((step / 10_000) % 2) - 1) < 0.5 ? 7 << 20 : 1 << 18
      if (tenants.bytes < wanted && random.chance(0.9)) {
        const large = random.chance(0.05)
        tenants.allocate(large ? random.int(1, BLOCK_BYTES_MAX) : random.int(1, random.pick([24, 64, 300, 2000])))
      } else {
        const { value } = tenants.blocks.keys().next()
        if (value !== undefined) tenants.free(value)
      }
      if (step % 5000 === 0) expect(tenants.arena.usedBytes).toBe(tenants.bytes)
    }
    tenants.freeAll(random)
    expect(tenants.arena.usedBytes).toBe(0)
    expect(tenants.arena.runBytes).toBe(0)
    expect(tenants.memory.segments.length).toBeGreaterThanOrEqual(segmentBytesMax === 1 << 20 ? 4 : 1)
  })

  it('lets runs of one class serve another, so that memory does not grow', () => {
    const tenants = new Tenants(64 << 20)
    const fill = (bytes: number): void => {
      while (tenants.bytes < 6 << 20) tenants.allocate(bytes)
      tenants.freeAll()
    }
    fill(16)
    const reserved = reservedBytes(tenants.memory)
    for (const bytes of [40, 16_384, 1024, 5000, 16, 8192]) fill(bytes)
    expect(reservedBytes(tenants.memory)).toBe(reserved)
  })

  it('keeps a run while one of its blocks is in use', () => {
    const tenants = new Tenants(64 << 20)
    const first = tenants.allocate(100)
    for (let i = 0; i < 5000; i++) tenants.allocate(100)
    for (const address of tenants.blocks.keys()) if (address !== first) tenants.free(address)
    expect(tenants.arena.runBytes).toBe(RUN_BYTES)
    tenants.freeAll()
    expect(tenants.arena.runBytes).toBe(0)
  })

  it('gives spans of neighbouring runs, zeroed, and uses their runs again', () => {
    const random = new SeededRandom(5)
    const tenants = new Tenants(64 << 20)
    for (let round = 0; round < 4; round++) {
      for (const bytes of [BLOCK_BYTES_MAX + 8, RUN_BYTES, RUN_BYTES + 1, 5 * RUN_BYTES, 20 * RUN_BYTES]) {
        tenants.allocate(bytes)
        for (let i = 0; i < 50; i++) tenants.allocate(random.int(1, BLOCK_BYTES_MAX))
      }
      tenants.freeAll(random)
      expect(tenants.arena.usedBytes).toBe(0)
      expect(tenants.arena.runBytes).toBe(0)
    }
  })

  it('forgets everything at once', () => {
    const tenants = new Tenants(1 << 20)
    while (tenants.memory.segments.length < 4) tenants.allocate(3000)
    const reserved = reservedBytes(tenants.memory)
    for (let round = 0; round < 3; round++) {
      tenants.arena.reset()
      tenants.blocks.clear()
      tenants.bytes = 0
      expect(tenants.arena.usedBytes).toBe(0)
      while (tenants.bytes < 2 << 20) tenants.allocate(700 + round * 900)
      tenants.freeAll()
    }
    expect(reservedBytes(tenants.memory)).toBe(reserved)
  })

  it('says when all segments are full, and goes on when something is freed', () => {
    const tenants = new Tenants(1 << 20)
    const fill = (): void => {
      for (;;) tenants.allocate(16_000)
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }))
    expect(() => tenants.arena.allocateSpan(2 * RUN_BYTES)).toThrow(
      expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }),
    )
    expect(tenants.memory.segments).toHaveLength(16)
    expect(tenants.arena.usedBytes).toBe(tenants.bytes)
    // All runs of the fifteen segments behind the header are in use, but the first of each, which describes the others.
    expect(tenants.arena.runBytes).toBe(15 * 15 * RUN_BYTES)
    tenants.freeAll()
    expect(fill).toThrow(expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }))
    tenants.freeAll(new SeededRandom(1))
    expect(tenants.arena.runBytes).toBe(0)
  })

  it('refuses a span longer than a segment', () => {
    const arena = new Arena(new RegionMemory([]), 1 << 20)
    expect(() => arena.allocateSpan(1 << 20)).toThrow(expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }))
    expect(arena.usedBytes).toBe(0)
  })

  it('is taken over with its segments by another thread', () => {
    const first = new Tenants(1 << 20)
    while (first.memory.segments.length < 3) first.allocate(900)
    const second = new Arena(new RegionMemory([...first.memory.segments]), 1 << 20)
    expect(second.usedBytes).toBe(first.bytes)
    const taken = new Set(first.blocks.keys())
    for (let i = 0; i < 2000; i++) if (taken.has(second.allocate(900))) throw new Error('a block was given twice')
  })
})

describe('segments', () => {
  const spanOfMiB = (arena: Arena, mib: number): number => segmentOf(arena.allocateSpan(mib << 20))

  it('begin at 128 MiB, and are longer the more there are', () => {
    const { arena, memory } = new Tenants(SEGMENT_BYTES_MAX)
    const first = spanOfMiB(arena, 1)
    expect(memory.runsIn(first)).toBe((128 << 20) / RUN_BYTES - 1)
    arena.reserve(100 << 20)
    expect(spanOfMiB(arena, 1)).toBe(first)
    const second = spanOfMiB(arena, 127)
    expect(memory.runsIn(second)).toBe((512 << 20) / RUN_BYTES - 1)
    // What is left of the first one serves.
    expect(segmentOf(arena.allocateSpan(RUN_BYTES))).toBe(first)
  })

  it('are as long as what is asked for at once', () => {
    const { arena, memory } = new Tenants(SEGMENT_BYTES_MAX)
    arena.reserve(600 << 20)
    expect(memory.runsIn(spanOfMiB(arena, 1))).toBe(SEGMENT_BYTES_MAX / RUN_BYTES)
  })

  it('have huge pages, if there are any, for all but the first runs of a class', () => {
    const { arena, memory } = new Tenants(SEGMENT_BYTES_MAX)
    const bytes = 1024
    const perRun = RUN_BYTES / bytes
    const hugePagesAfter = (runs: number): boolean[] =>
      Array.from({ length: runs * perRun }, () => memory.hasHugePages(segmentOf(arena.allocate(bytes))))
    expect(new Set(hugePagesAfter(8))).toEqual(new Set([false]))
    expect(new Set(hugePagesAfter(8))).toEqual(new Set([HUGE_PAGES]))
    // Another class begins anew, and a span has them at once.
    expect(memory.hasHugePages(segmentOf(arena.allocate(64)))).toBe(false)
    expect(memory.hasHugePages(spanOfMiB(arena, 1))).toBe(HUGE_PAGES)
  })

  it('are as many and as long as with small pages where the system refuses huge ones', () => {
    const script = fileURLToPath(new URL('../../support/refused-huge-pages.mjs', import.meta.url))
    const reservedMiB = (tunables: string): unknown =>
      JSON.parse(
        execFileSync(process.execPath, [script], { env: { ...process.env, GLIBC_TUNABLES: tunables } }).toString(),
      )
    const refused = reservedMiB('glibc.malloc.hugetlb=1')
    expect(refused).toEqual({ ...(reservedMiB('') as object), isAskedFor: true })
  })

  it('are touched ahead where they have huge pages, each time that four runs more are used', () => {
    const { arena } = new Tenants(16 << 20)
    expect(arena.needsTouch).toBe(false)
    arena.allocateSpan(RUN_BYTES)
    expect(arena.needsTouch).toBe(HUGE_PAGES)
    if (!HUGE_PAGES) return
    arena.touchAhead()
    expect(arena.needsTouch).toBe(false)
    arena.allocateSpan(3 * RUN_BYTES)
    expect(arena.needsTouch).toBe(false)
    arena.allocateSpan(RUN_BYTES)
    expect(arena.needsTouch).toBe(true)
    // Nothing is left ahead at the end of a segment.
    arena.allocateSpan(250 * RUN_BYTES - 8 * RUN_BYTES)
    expect(arena.needsTouch).toBe(false)
    arena.allocateSpan(10 * RUN_BYTES)
    expect(arena.needsTouch).toBe(true)
  })

  it('are not touched ahead of what was filled elsewhere, until that grows here', () => {
    const filled = new Tenants(16 << 20)
    filled.arena.allocateSpan(RUN_BYTES)
    const arena = new Arena(filled.memory, 16 << 20)
    expect(arena.needsTouch).toBe(false)
    arena.allocateSpan(3 * RUN_BYTES)
    expect(arena.needsTouch).toBe(false)
    arena.allocateSpan(RUN_BYTES)
    expect(arena.needsTouch).toBe(HUGE_PAGES)
  })

  it('hold what they held when memory ahead was touched', () => {
    const random = new SeededRandom(9)
    const tenants = new Tenants(16 << 20)
    let touched = 0
    for (let i = 0; i < 20_000; i++) {
      if (random.chance(0.7)) tenants.allocate(random.int(1, random.pick([100, 2000, RUN_BYTES])))
      else if (tenants.blocks.size > 0) tenants.free(random.pick([...tenants.blocks.keys()].slice(0, 50)))
      if (tenants.bytes > 30 << 20) tenants.freeAll(random)
      if (!tenants.arena.needsTouch) continue
      tenants.arena.touchAhead()
      touched++
    }
    tenants.freeAll()
    expect(touched > 50).toBe(HUGE_PAGES)
  })

  it('begin with small pages again for a class that has given its runs back', () => {
    const tenants = new Tenants(SEGMENT_BYTES_MAX)
    const { arena, memory } = tenants
    for (let i = 0; i < (20 * RUN_BYTES) / 1024; i++) tenants.allocate(1024)
    tenants.freeAll(new SeededRandom(5))
    // What is free there is not to be used.
    for (let segment = 1; segment < memory.segments.length; segment++) arena.evacuate(1 << segment)
    expect(memory.hasHugePages(segmentOf(tenants.allocate(1024)))).toBe(false)
  })
})

describe('evacuation', () => {
  /** Two segments of 1 MiB, and some room in the second. */
  function twoSegments(): Tenants {
    const tenants = new Tenants(1 << 20)
    for (let i = 0; tenants.memory.segments.length < 3; i++) tenants.allocate([40, 300, 5000][i % 3]!)
    return tenants
  }
  const inFirst = (address: number): boolean => segmentOf(address) === 1

  it('gives nothing in the segment any more, and drops it when it is empty', () => {
    const tenants = twoSegments()
    const { arena, memory } = tenants
    for (const address of [...tenants.blocks.keys()].filter((_, i) => i % 2 === 0)) tenants.free(address)
    arena.evacuate(1 << 1)
    for (let i = 0; i < 3000; i++)
      expect(inFirst(tenants.allocate([40, 300, 5000, 100_000][i % 300 === 3 ? 3 : i % 3]!))).toBe(false)
    expect(arena.dropEvacuated()).toBe(0)
    const touched = arena.touchedBytesOf(1)
    expect(touched).toBeGreaterThan(8 * RUN_BYTES)
    const dropped: number[] = []
    memory.onSegment = (segment, index) => dropped.push(segment.byteLength === 0 ? -index : index)
    for (const address of [...tenants.blocks.keys()].filter(inFirst)) tenants.free(address)
    expect(arena.usedBytesOf(1)).toBe(0)
    expect(arena.dropEvacuated()).toBe(touched)
    expect([dropped, memory.hasSegment(1), arena.evacuating]).toEqual([[-1], false, 0])
    // The number serves again.
    while (!memory.hasSegment(1)) tenants.allocate(5000)
    expect(dropped.at(-1)).toBe(1)
    expect(arena.usedBytes).toBe(tenants.bytes)
    tenants.freeAll(new SeededRandom(3))
    expect([arena.usedBytes, arena.runBytes]).toEqual([0, 0])
  })

  it('is called off by readmit(): all room is used again', () => {
    const tenants = twoSegments()
    const { arena, memory } = tenants
    for (const address of [...tenants.blocks.keys()].filter((_, i) => i % 3 !== 0)) tenants.free(address)
    arena.evacuate(1 << 1)
    for (const address of [...tenants.blocks.keys()].filter((address, i) => inFirst(address) && i % 2 === 0)) {
      tenants.free(address)
    }
    const segments = memory.segments.length
    expect([arena.readmit(), arena.readmit(), arena.evacuating]).toEqual([true, false, 0])
    const before = arena.usedBytes
    while (arena.usedBytes < before + (1 << 19)) tenants.allocate([40, 300, 5000][tenants.blocks.size % 3]!)
    expect(memory.segments).toHaveLength(segments)
    tenants.freeAll()
    expect([arena.usedBytes, arena.runBytes]).toEqual([0, 0])
  })

  it('is called off when memory ends', () => {
    const tenants = new Tenants(1 << 20)
    const fill = (): void => {
      for (;;) tenants.allocate(16_000)
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }))
    const [first, second] = [...tenants.blocks.keys()].filter(inFirst)
    tenants.arena.evacuate(1 << 1)
    tenants.free(first!)
    tenants.free(second!)
    expect(inFirst(tenants.allocate(16_000))).toBe(true)
    expect(tenants.arena.evacuating).toBe(0)
    expect(inFirst(tenants.allocate(16_000))).toBe(true)
    expect(fill).toThrow(expect.objectContaining({ code: 'KEYSPACE_OUT_OF_MEMORY' }))
    tenants.freeAll()
    expect(tenants.arena.usedBytes).toBe(0)
  })
})
