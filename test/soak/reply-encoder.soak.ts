/**
 * Random reply trees go through core's ReplyEncoder and come back through the tests' own reader, in RESP2 and RESP3: nothing
 * is lost, nothing is written beside, and RESP2 falls back as Redis does.
 */
import { ReplyEncoder } from '@understudy/core/internal'
import { PushReply, readAllReplies, type Reply, ReplyError } from '../support/resp-reader.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'

export const soak: Soak = {
  about: 'a round encodes a few random nested replies and reads them back with an independent reader',
  stated: { count: 1_000_000 },
  slice: { count: 5_000 },
  run,
}

const DEPTH_MAX = 4

async function run(options: SoakOptions): Promise<SoakResult> {
  const random = new SeededRandom(options.seed)
  let count = 0
  let byteCount = 0
  for (const round of rounds(options)) {
    // Small first slabs, so that growth is met at every position of a reply.
    const encoder = new ReplyEncoder(random.int(1, 64))
    encoder.resp = random.chance(0.5) ? 2 : 3
    for (let batch = 0; batch < 2; batch++) {
      const expected: Reply[] = []
      const replies = random.int(1, 4)
      for (let i = 0; i < replies; i++) expected.push(writeReply(encoder, random, DEPTH_MAX))
      const bytes = encoder.pending()
      byteCount += bytes.length
      const where = `seed ${options.seed}, round ${round}, RESP${encoder.resp}`
      let actual: Reply[]
      try {
        actual = readAllReplies(bytes, true)
      } catch (error) {
        throw new Error(`${where}: ${String(error)} in ${JSON.stringify(bytes.toString('latin1'))}`, { cause: error })
      }
      const difference = firstDifference(expected, actual, 'reply')
      if (difference !== undefined) {
        throw new Error(`${where}: ${difference}; wire ${JSON.stringify(bytes.toString('latin1'))}`)
      }
      encoder.clear()
    }
    count++
  }
  return { count, counted: { bytes: byteCount } }
}

/** As C's printf("%.17g") writes them. */
const DOUBLES: readonly (readonly [value: number, text: string])[] = [
  [0, '0'],
  [1.5, '1.5'],
  [-2.25, '-2.25'],
  [0.1, '0.10000000000000001'],
  [1e21, '1e+21'],
  [5e-324, '4.9406564584124654e-324'],
  [Infinity, 'inf'],
  [-Infinity, '-inf'],
]

/** Writes one random reply and returns what a reader must see, strings as Buffers. */
function writeReply(encoder: ReplyEncoder, random: SeededRandom, depth: number): Reply {
  const three = encoder.resp === 3
  switch (random.int(0, depth > 0 ? 14 : 10)) {
    case 0: {
      const text = random.text(random.int(0, 20))
      encoder.simple(text)
      return Buffer.from(text)
    }
    case 1: {
      const text = `ERR ${random.text(random.int(0, 8))}\r\n${random.text(3)}ü`
      encoder.error(text)
      return new ReplyError(text.replace('\r\n', '  '))
    }
    case 2:
    case 3: {
      const value = randomInteger(random)
      encoder.integer(value)
      return typeof value === 'bigint' && BigInt(Number(value)) === value && Number.isSafeInteger(Number(value))
        ? Number(value)
        : value
    }
    case 4: {
      const around = random.bytes(random.int(0, random.chance(0.1) ? 40_000 : 100))
      const start = random.int(0, around.length)
      const end = random.int(start, around.length)
      encoder.bulk(around, start, end)
      return Buffer.from(around.subarray(start, end))
    }
    case 5: {
      const text = `${random.text(random.int(0, 10))}€${random.text(2)}`
      encoder.bulkString(text)
      return Buffer.from(text)
    }
    case 6: {
      const pieces = Array.from({ length: random.int(0, 4) }, () => random.bytes(random.int(0, 90)))
      const whole = Buffer.concat(pieces)
      encoder.bulkHeader(whole.length)
      for (const piece of pieces) encoder.raw(piece, 0, piece.length)
      encoder.bulkEnd()
      return whole
    }
    case 7:
      if (random.chance(0.5)) encoder.nullBulk()
      else encoder.nullArray()
      return null
    case 8: {
      const eighths = random.int(0, 2 ** 30) / 8
      const [value, text] = random.pick([...DOUBLES, [eighths, String(eighths)] as const])
      encoder.double(value)
      return three ? value : Buffer.from(text)
    }
    case 9: {
      const value = random.chance(0.5)
      encoder.boolean(value)
      return three ? value : Number(value)
    }
    case 10: {
      if (random.chance(0.5)) {
        const text = random.text(random.int(0, 30))
        encoder.verbatim('txt', text)
        return Buffer.from(text)
      }
      const value = BigInt(random.int(-(2 ** 40), 2 ** 40)) ** 3n
      encoder.bigNumber(value)
      return three ? value : Buffer.from(value.toString())
    }
    case 11:
    case 12: {
      const count = random.int(0, 5)
      encoder.array(count)
      return Array.from({ length: count }, () => writeReply(encoder, random, depth - 1))
    }
    case 13: {
      const count = random.int(0, 4)
      encoder.map(count)
      const flat = Array.from({ length: count * 2 }, () => writeReply(encoder, random, depth - 1))
      if (!three) return flat
      return new Map(Array.from({ length: count }, (_, i) => [flat[i * 2] as Reply, flat[i * 2 + 1] as Reply]))
    }
    default: {
      const count = random.int(0, 4)
      const push = random.chance(0.5)
      if (push) encoder.push(count)
      else encoder.set(count)
      const items = Array.from({ length: count }, () => writeReply(encoder, random, depth - 1))
      if (!three) return items
      return push ? new PushReply(items) : new Set(items)
    }
  }
}

function randomInteger(random: SeededRandom): number | bigint {
  const bits = random.int(0, 62)
  const magnitude = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32())
  const value = (magnitude >> BigInt(64 - Math.max(1, bits))) * (random.chance(0.5) ? 1n : -1n)
  return Number.isSafeInteger(Number(value)) && random.chance(0.7) ? Number(value) : value
}

/** Where two replies differ first, in words; undefined when they are equal. Maps and sets are compared in wire order. */
function firstDifference(expected: Reply, actual: Reply, path: string): string | undefined {
  if (expected instanceof Buffer && actual instanceof Buffer) {
    return expected.equals(actual) ? undefined : `${path}: ${shown(expected)} became ${shown(actual)}`
  }
  if (expected instanceof ReplyError && actual instanceof ReplyError) {
    return expected.message === actual.message ? undefined : `${path}: ${shown(expected)} became ${shown(actual)}`
  }
  const left = itemsOf(expected)
  const right = itemsOf(actual)
  if (left && right && expected?.constructor === actual?.constructor) {
    if (left.length !== right.length) return `${path}: ${left.length} items became ${right.length}`
    for (const [i, item] of left.entries()) {
      const difference = firstDifference(item, right[i] as Reply, `${path}[${i}]`)
      if (difference !== undefined) return difference
    }
    return undefined
  }
  // Negative zero is written as 0.
  return Object.is(expected, actual) || expected === actual
    ? undefined
    : `${path}: ${shown(expected)} became ${shown(actual)}`
}

function itemsOf(reply: Reply): Reply[] | undefined {
  if (Array.isArray(reply)) return reply
  if (reply instanceof PushReply) return reply.items
  if (reply instanceof Set) return [...reply]
  if (reply instanceof Map) return [...reply].flat()
  return undefined
}

function shown(reply: Reply): string {
  if (reply instanceof Buffer) return `string ${JSON.stringify(reply.toString('latin1').slice(0, 60))}`
  return `${reply === null ? 'null' : (reply.constructor?.name ?? typeof reply)} ${String(reply).slice(0, 60)}`
}
