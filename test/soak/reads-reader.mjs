/**
 * The reading thread of reads.soak.ts. Reads values of every type, and checks what the writer never breaks.
 */
import {
  wrongAccounts,
  wrongEntries,
  wrongFields,
  wrongPair,
  wrongRotation,
  wrongScores,
  wrongSets,
} from './reads-checks.mjs'
import { ACCOUNTS, SHAPES } from './reads-shapes.mjs'
import { fail, random, reader, readUntilStopped } from './reading-thread.mjs'

/** Reads by kind. @type {Record<string, number>} */
const reads = {}

/** @type {Record<import('./reads-shapes.mjs').Shape['kind'], (key: string, size: number) => string | undefined>} */
const READS = {
  accounts: (key) => wrongAccounts(reader.mget(Array.from({ length: ACCOUNTS }, (_, i) => `${key}:${i}`))),
  hash(key, size) {
    if (random(4) === 0) return wrongFields(reader.hgetall(key), size)
    const index = random(size)
    const [a, b] = reader.together(() => [reader.hget(key, `a${index}`), reader.hget(key, `b${index}`)])
    return wrongPair(a, b)
  },
  list: (key, size) => wrongRotation(reader.lrange(key, 0, -1).map(Number), size),
  sets(key, size) {
    const [x, y] = reader.together(() => [reader.smembers(`${key}:x`), reader.smembers(`${key}:y`)])
    return wrongSets(x ?? [], y ?? [], size)
  },
  zset: (key, size) => wrongScores(reader.zrangeWithScores(key, 0, -1), size),
  stream(key, size) {
    const [entries, last] = reader.together(() => [reader.xrange(key, '-', '+'), reader.get(`${key}:last`)])
    return wrongEntries(entries, last, size)
  },
}

readUntilStopped(
  () => {
    const shape = SHAPES[random(SHAPES.length)]
    if (shape === undefined) return
    reader.db = random(8) === 0 ? 1 : 0
    const wrong = READS[shape.kind](shape.key, shape.size)
    if (wrong !== undefined) fail(`${shape.key} in database ${reader.db}: ${wrong}`)
    reads[shape.kind] = (reads[shape.kind] ?? 0) + 1
  },
  { reads },
)
