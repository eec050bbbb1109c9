/**
 * Do two servers hold the same data? Keys, types and TTLs are compared directly; content by way of a scratch
 * redis-server: DUMP from the replica is RESTOREd there, and DEBUG DIGEST-VALUE must agree with the primary's.
 */
import { type Argument, encodeCommands, type RawClient } from './raw-client.ts'
import { type Reply, ReplyError } from './resp-reader.ts'
import { digestRdbVersion } from './redis-server.ts'
import type { TestServer } from './test-server.ts'
import { waitFor } from './wait-for.ts'

const BATCH = 400
const DATABASES = 16

export interface Compared {
  readonly keys: number
  readonly byType: ReadonlyMap<string, number>
  readonly expiring: number
}

/** Waits until the replica has applied everything the primary has written. The primary must be quiet but for PINGs. */
export async function untilEqualOffsets(primary: TestServer, replica: TestServer, timeoutMs = 30_000): Promise<number> {
  return waitFor(
    'equal offsets',
    async () => {
      const ours = await replica.info('replication')
      const theirs = await primary.info('replication')
      const offset = theirs['master_repl_offset']
      if (ours['slave_repl_offset'] === offset && ours['master_link_status'] === 'up') return Number(offset)
      throw new Error(
        `the primary is at ${offset}, the replica (${ours['master_link_status']}) at ${ours['slave_repl_offset']}`,
      )
    },
    { timeoutMs, intervalMs: 20 },
  )
}

/** DEBUG DIGEST, of an Understudy in the form of the redis-server that the tests run with, wherever its data came from. */
export async function datasetDigestOf(server: TestServer): Promise<string> {
  const form = server.program === 'understudy' ? [await digestRdbVersion()] : []
  return String(await server.call('DEBUG', 'DIGEST', ...form))
}

/**
 * DEBUG DIGEST of both, taken at the same offset. Keys that expire on the primary in between move it, again and again while many are due:
 * then it is tried again, until the time is over.
 */
export async function equalDigests(primary: TestServer, replica: TestServer, timeoutMs = 60_000): Promise<string> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const offset = await untilEqualOffsets(primary, replica)
    const theirs = await datasetDigestOf(primary)
    const ours = await datasetDigestOf(replica)
    if (theirs === ours) return ours
    const after = Number((await primary.info('replication'))['master_repl_offset'])
    const isSettled = after === offset
    if (!isSettled && performance.now() < deadline) continue
    const differences = await digestDifferences(primary, replica)
    const moved = isSettled ? '' : ` (which never stays: ${after} behind the digests)`
    throw new Error(
      `DEBUG DIGEST at offset ${offset}${moved}: the primary has ${theirs}, the replica ${ours}\n${differences}`,
    )
  }
}

/** What a failed comparison of digests is about, as far as clients are shown it: sizes, keys, values, which keys expire. */
async function digestDifferences(primary: TestServer, replica: TestServer): Promise<string> {
  const timeoutMs = 60_000
  const theirs = await primary.raw({ timeoutMs })
  const ours = await replica.raw({ timeoutMs })
  const lines: string[] = []
  for (let db = 0; db < DATABASES; db++) {
    for (const client of [theirs, ours]) await client.call('SELECT', db)
    const [theirSize, ourSize] = [await theirs.call('DBSIZE'), await ours.call('DBSIZE')]
    if (theirSize !== ourSize) lines.push(`db ${db}: DBSIZE ${String(theirSize)} → ${String(ourSize)}`)
    const mine = await scanAll(ours)
    const names = await scanAll(theirs)
    lines.push(...missing(`db ${db}: here, not on the primary`, mine, names))
    lines.push(...missing(`db ${db}: on the primary, not here`, names, mine))
    for (let first = 0; first < names.length; first += BATCH) {
      const asked = names.slice(first, first + BATCH).flatMap((key): Argument[][] => [
        ['DEBUG', 'DIGEST-VALUE', key],
        ['TYPE', key],
        ['PEXPIRETIME', key],
      ])
      await compareReplies(db, asked, ours, theirs, lines)
    }
  }
  for (const client of [theirs, ours]) client.close()
  // A digest that was wrong itself is told from data that differ.
  const again = `asked again: the primary ${await datasetDigestOf(primary)}, the replica ${await datasetDigestOf(replica)}`
  return `primary → replica:\n${lines.slice(0, 20).join('\n')}\n(${lines.length} differences are seen)\n${again}`
}

/**
 * Compares every key. Keys of the primary that are due to expire are made to go first. @param scratch an empty redis-server.
 * @throws with the first differences.
 */
export async function compareDatasets(
  primary: TestServer,
  replica: TestServer,
  scratch: TestServer,
  options: { readonly resp?: 2 | 3 } = {},
): Promise<Compared> {
  const timeoutMs = 60_000
  const ours = await replica.raw({ timeoutMs })
  if (options.resp === 3) await ours.call('HELLO', '3')
  const theirs = await primary.raw({ timeoutMs })
  const scratchClient = await scratch.raw({ timeoutMs })
  const keys = await settledKeys(primary, replica, theirs)
  const byType = new Map<string, number>()
  let expiring = 0
  let count = 0
  const differences: string[] = []
  for (const [db, names] of keys) {
    for (const client of [ours, theirs, scratchClient]) await client.call('SELECT', db)
    const mine = await scanAll(ours)
    if (Number(await ours.call('DBSIZE')) !== names.length) {
      differences.push(
        `db ${db}: DBSIZE says ${String(await ours.call('DBSIZE'))}, the primary has ${names.length} keys`,
      )
    }
    differences.push(...missing(`db ${db}: here, not on the primary`, mine, names))
    differences.push(...missing(`db ${db}: on the primary, not here`, names, mine))
    for (let first = 0; first < names.length && differences.length < 20; first += BATCH) {
      const batch = names.slice(first, first + BATCH)
      const facts = batch.flatMap((key): Argument[][] => [
        ['TYPE', key],
        ['PEXPIRETIME', key],
      ])
      const right = await compareReplies(db, facts, ours, theirs, differences)
      for (let i = 0; i < batch.length; i++) {
        const type = String(right[i * 2])
        byType.set(type, (byType.get(type) ?? 0) + 1)
        if (Number(right[i * 2 + 1]) > 0) expiring++
      }
      differences.push(...(await compareContent(db, batch, right, ours, theirs, scratchClient)))
      count += batch.length
    }
  }
  for (const client of [ours, theirs, scratchClient]) client.close()
  if (differences.length > 0) {
    throw new Error(
      `the datasets differ:\n${differences.slice(0, 20).join('\n')}\n(${differences.length} seen, ${count} keys)`,
    )
  }
  return { keys: count, byType, expiring }
}

/** Asks both the same. @param differences gets a line for each reply that differs @returns the primary's replies */
async function compareReplies(
  db: number,
  asked: readonly Argument[][],
  ours: RawClient,
  theirs: RawClient,
  differences: string[],
): Promise<readonly Reply[]> {
  const [left, right] = await Promise.all([ours.pipeline(asked), theirs.pipeline(asked)])
  for (const [i, command] of asked.entries()) {
    if (String(left[i]) !== String(right[i]))
      differences.push(`db ${db}: ${show(command)} ${String(right[i])} → ${String(left[i])}`)
  }
  return right
}

async function compareContent(
  db: number,
  batch: readonly Buffer[],
  facts: readonly Reply[],
  ours: RawClient,
  theirs: RawClient,
  scratch: RawClient,
): Promise<string[]> {
  const differences: string[] = []
  const payloads = await binaryPipeline(
    ours,
    batch.map((key) => ['DUMP', key]),
  )
  const restores: Argument[][] = [['FLUSHDB']]
  for (const [i, key] of batch.entries()) {
    const payload = payloads[i]
    if (!Buffer.isBuffer(payload)) {
      differences.push(`db ${db}: ${show(['DUMP', key])} here: ${String(payload)}`)
      continue
    }
    const expireAt = Number(facts[i * 2 + 1])
    restores.push(['RESTORE', key, Math.max(expireAt, 0), payload, 'ABSTTL'])
  }
  const restored = await scratch.pipeline(restores)
  for (const [i, reply] of restored.entries()) {
    if (reply instanceof ReplyError)
      differences.push(`db ${db}: RESTORE ${show(restores[i]!.slice(1, 2))}: ${reply.message}`)
  }
  // A stream's groups are not part of its digest, and a stream has one encoding: its payload is compared as it is.
  const streams = batch.filter((_, i) => String(facts[i * 2]) === 'stream')
  const digest: Argument[][] = [['DEBUG', 'DIGEST-VALUE', ...batch]]
  const [right] = await theirs.pipeline(digest)
  const [left] = await scratch.pipeline(digest)
  for (const [i, key] of batch.entries()) {
    const [a, b] = [(left as Reply[])[i], (right as Reply[])[i]]
    if (String(a) !== String(b)) differences.push(`db ${db}: DIGEST-VALUE of ${show([key])} (${String(facts[i * 2])})`)
  }
  const dumps = streams.map((key) => ['DUMP', key])
  const [copied, original] = [await binaryPipeline(scratch, dumps), await binaryPipeline(theirs, dumps)]
  for (const [i, key] of streams.entries()) {
    if (!(copied[i] as Buffer).equals(original[i] as Buffer))
      differences.push(`db ${db}: DUMP of stream ${show([key])}`)
  }
  return differences
}

async function binaryPipeline(client: RawClient, commands: Argument[][]): Promise<Reply[]> {
  client.send(encodeCommands(commands))
  return await client.readReplies(commands.length, { binary: true })
}

/** Keys per database of a primary on which nothing is about to expire, with the replica at the same offset. */
async function settledKeys(
  primary: TestServer,
  replica: TestServer,
  client: RawClient,
): Promise<Map<number, Buffer[]>> {
  for (;;) {
    const before = await untilEqualOffsets(primary, replica)
    const keys = new Map<number, Buffer[]>()
    for (let db = 0; db < DATABASES; db++) {
      await client.call('SELECT', db)
      // SCAN removes what has expired, and DBSIZE counts what has not.
      const names = await scanAll(client)
      if (names.length > 0 || Number(await client.call('DBSIZE')) > 0) keys.set(db, names)
    }
    if ((await untilEqualOffsets(primary, replica)) === before) return keys
  }
}

/** Every key of the selected database, each once. */
export async function scanAll(client: RawClient): Promise<Buffer[]> {
  const found = new Map<string, Buffer>()
  let cursor: Argument = '0'
  do {
    const reply = (await client.callBinary('SCAN', cursor, 'COUNT', '2000')) as [Buffer, Buffer[]]
    cursor = reply[0]
    for (const key of reply[1]) found.set(key.toString('latin1'), key)
  } while (cursor.toString() !== '0')
  return [...found.values()]
}

function missing(what: string, from: readonly Buffer[], among: readonly Buffer[]): string[] {
  const known = new Set(among.map((key) => key.toString('latin1')))
  const lost = from.filter((key) => !known.has(key.toString('latin1')))
  return lost.slice(0, 5).map((key) => `${what} (${lost.length} in all): ${show([key])}`)
}

function show(args: readonly Argument[]): string {
  return args
    .map((arg) => JSON.stringify(arg instanceof Uint8Array ? Buffer.from(arg).toString('latin1') : String(arg)))
    .join(' ')
}
