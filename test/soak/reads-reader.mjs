/**
 * The reading thread of reads.soak.ts. Reads values of every type, and checks what the writer never breaks.
 */
import { ACCOUNTS, BALANCE, SHAPES } from './reads-shapes.mjs'
import { fail, random, reader, readUntilStopped } from './reading-thread.mjs'

/** Reads by kind. @type {Record<string, number>} */
const reads = {}

/** @param {boolean} holds @param {() => string} what */
function expect(holds, what) {
  if (!holds) fail(what())
}

/** @param {readonly number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** @type {Record<import('./reads-shapes.mjs').Shape['kind'], (key: string, size: number) => void>} */
const CHECKS = {
  accounts(key) {
    const balances = reader.mget(Array.from({ length: ACCOUNTS }, (_, i) => `${key}:${i}`))
    const total = sum(balances.map(Number))
    expect(total === ACCOUNTS * BALANCE, () => `accounts sum up to ${total}: ${balances.join(' ')}`)
  },
  hash(key, size) {
    if (random(4) > 0) {
      const index = random(size)
      const [a, b] = reader.together(() => [reader.hget(key, `a${index}`), reader.hget(key, `b${index}`)])
      expect(a !== undefined && a === b, () => `${key} ${index} is halved: ${a} and ${b}`)
      return
    }
    const fields = reader.hgetall(key)
    expect(fields.size === size * 2, () => `${key} has ${fields.size} fields`)
    for (let i = 0; i < size; i++) {
      expect(fields.get(`a${i}`) === fields.get(`b${i}`), () => `${key} ${i} is halved in HGETALL`)
    }
  },
  list(key, size) {
    const elements = reader.lrange(key, 0, -1).map(Number)
    expect(elements.length === size, () => `${key} has ${elements.length} elements`)
    for (let i = 1; i < elements.length; i++) {
      const before = elements[i - 1] ?? 0
      expect(elements[i] === (before + 1) % size, () => `${key}: behind ${before} stands ${elements[i]}`)
    }
  },
  sets(key, size) {
    const [x, y] = reader.together(() => [reader.smembers(`${key}:x`), reader.smembers(`${key}:y`)])
    const all = new Set([...(x ?? []), ...(y ?? [])])
    expect(
      all.size === size && (x?.length ?? 0) + (y?.length ?? 0) === size,
      () => `${key}: ${x?.length} and ${y?.length}`,
    )
  },
  zset(key, size) {
    const members = reader.zrangeWithScores(key, 0, -1)
    const total = sum(members.map(([, score]) => score))
    expect(members.length === size && total === size * BALANCE, () => `${key}: ${members.length} sum up to ${total}`)
    for (let i = 1; i < members.length; i++) {
      expect((members[i - 1]?.[1] ?? 0) <= (members[i]?.[1] ?? 0), () => `${key} is out of order at ${i}`)
    }
  },
  stream(key, size) {
    const [entries, last] = reader.together(() => [reader.xrange(key, '-', '+'), reader.get(`${key}:last`)])
    expect(entries.length === size, () => `${key} has ${entries.length} entries`)
    expect(entries.at(-1)?.id === last, () => `${key} ends with ${entries.at(-1)?.id}, not ${last}`)
    for (const { id, fields } of entries) {
      expect(fields.length === 1 && fields[0]?.[1] === id, () => `${key}: entry ${id} has other fields`)
    }
  },
}

readUntilStopped(
  () => {
    const shape = SHAPES[random(SHAPES.length)]
    if (shape === undefined) return
    reader.db = random(8) === 0 ? 1 : 0
    CHECKS[shape.kind](shape.key, shape.size)
    reads[shape.kind] = (reads[shape.kind] ?? 0) + 1
  },
  { reads },
)
