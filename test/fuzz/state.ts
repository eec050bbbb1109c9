/** Compares what servers hold: digests, and per key type, encoding and time to live. */
import { ALL_KEYS, DATABASES, type Word } from './draw.ts'
import { type Endpoint, SocketEndpoint } from './endpoint.ts'
import { isExcusedFact, type Relation } from './exceptions.ts'
import { JUNK } from './generator.ts'
import type { TestServer } from '../support/test-server.ts'
import { integerOf, membersOf, shownReply, stringOf } from './replies.ts'

export interface Difference {
  /** Where it shows: a command's reply, or what is held afterwards. */
  readonly kind: 'reply' | 'writable node' | 'replica' | 'failure'
  /** The row of the command, or what was asked about the state: with `kind`, what makes two differences the same. */
  readonly subject: string
  readonly what: string
  readonly expected: string
  readonly actual: string
  /** Index of the step whose reply it is. */
  readonly step?: number
}

/** Connections that no step uses; all with RESP2 and in database 0. */
export interface StateEndpoints {
  readonly primary: Endpoint
  /** Left out as in the pair's `Endpoints`. */
  readonly writable?: Endpoint
  /** Of the first; left out when the pair is not about replication. */
  readonly replica?: Endpoint
  /**
   * A stock replica of the first. Some changes Redis does not tell its replicas: what a stock replica then holds is right
   * for ours, too.
   */
  readonly stockReplica?: Endpoint
}

/** @throws DifferenceFound when fields of hashes have other times to live than on a primary that knows of such. */
async function compareFieldTimes(
  primary: Endpoint,
  replica: Endpoint,
  keys: readonly Key[],
  stock?: Endpoint,
): Promise<void> {
  const [known] = await primary.call([['COMMAND', 'INFO', 'hpexpiretime']])
  if (membersOf(membersOf(known!)![0]!) === undefined) return
  for (const { db, name } of keys) {
    const [, type, fields] = await primary.call([
      ['SELECT', db],
      ['TYPE', name],
      ['HKEYS', name],
    ])
    if (type!.toString() !== '+hash\r\n') continue
    const names = membersOf(fields!)!.map((field) => stringOf(field)!)
    if (names.length === 0) continue
    const ask: Word[][] = [
      ['SELECT', db],
      ['HPEXPIRETIME', name, 'FIELDS', String(names.length), ...names],
    ]
    const [[, theirs], [, ours], judge] = await Promise.all([primary.call(ask), replica.call(ask), stock?.call(ask)])
    if (theirs!.equals(ours!) || judge?.[1]?.equals(ours!) === true) continue
    throw new DifferenceFound({
      kind: 'replica',
      subject: 'HPEXPIRETIME',
      what: `HPEXPIRETIME of all fields of ${name.toString('latin1').slice(0, 60)} in database ${db}`,
      expected: shownReply(theirs!),
      actual: shownReply(ours!),
    })
  }
}

/** Connections to a primary and to two replicas of it. */
export async function connectState(
  primary: TestServer,
  replica: TestServer,
  stockReplica: TestServer,
): Promise<Omit<StateEndpoints, 'writable'>> {
  return {
    primary: await SocketEndpoint.connect('the primary', primary.port),
    replica: await SocketEndpoint.connect('the replica', replica.port),
    stockReplica: await SocketEndpoint.connect('the stock replica', stockReplica.port),
  }
}

export class DifferenceFound extends Error {
  readonly difference: Difference
  constructor(difference: Difference) {
    super(difference.what)
    this.difference = difference
  }
}

const CATCH_UP_MS = 20_000
const DIGEST: readonly Word[] = ['DEBUG', 'DIGEST']
const DATABASE_NAMES = Array.from({ length: DATABASES }, (_, db) => String(db))
/** Also the keys that the harness and damaged commands make. */
const KEYS_TO_MEET: readonly Word[] = [...ALL_KEYS, ...JUNK, 'never', 'never:y', 'fuzz:copy', 'fuzz:dump', 'REPLACE']
const FACTS = ['TYPE', 'OBJECT ENCODING', 'PEXPIRETIME'] as const

/** @throws DifferenceFound */
export async function compareState({ primary, writable, replica, stockReplica }: StateEndpoints): Promise<void> {
  const replicas = [replica, stockReplica].filter((one) => one !== undefined)
  for (const one of replicas) await catchUp(primary, one)
  // Expired keys that nobody has met yet are there on both.
  if (replica !== undefined) await compareDigests(primary, replica, 'replica', stockReplica)
  const writing = writable === undefined ? [primary] : [primary, writable]
  await Promise.all(writing.map(meetAllKeys))
  await Promise.all(writing.map(expireHiddenKeys))
  for (const one of replicas) await catchUp(primary, one)
  if (replica !== undefined) await compareDigests(primary, replica, 'replica', stockReplica)
  const keys = await keysOf(primary)
  const theirs = await factsOf(primary, keys)
  if (writable !== undefined) {
    await compareDigests(primary, writable, 'writable node')
    await compareFacts(theirs, writable, keys, 'same commands')
  }
  if (replica === undefined) return
  const relation = writable === undefined ? 'replica of a later release' : 'replica'
  await compareFacts(theirs, replica, keys, relation, stockReplica)
  await compareFieldTimes(primary, replica, keys, stockReplica)
}

/**
 * A replica beside its primary, on which keys may expire meanwhile: what is compared is of one offset.
 * @throws DifferenceFound
 */
export async function compareReplica({
  primary,
  replica,
  stockReplica,
}: Omit<StateEndpoints, 'writable'>): Promise<void> {
  const replicas = [replica, stockReplica].filter((one) => one !== undefined)
  for (;;) {
    // Before they catch up: what expires from here on moves it, whether they have heard of it or not.
    const before = await offsetOf(primary)
    for (const one of replicas) await catchUp(primary, one)
    try {
      await compareDigests(primary, replica!, 'replica', stockReplica)
      return
    } catch (error) {
      // What has expired in between may be all that differs.
      if ((await offsetOf(primary)) === before) throw error
    }
  }
}

async function offsetOf(primary: Endpoint): Promise<string> {
  const [info] = await primary.call([['INFO', 'replication']])
  return /master_repl_offset:(\d+)/.exec(info!.toString('latin1'))?.[1] ?? ''
}

async function catchUp(primary: Endpoint, replica: Endpoint): Promise<void> {
  const deadline = Date.now() + CATCH_UP_MS
  for (;;) {
    const [theirs] = await primary.call([['INFO', 'replication']])
    const wanted = /master_repl_offset:(\d+)/.exec(theirs!.toString('latin1'))?.[1]
    const [ours] = await replica.call([['INFO', 'replication']])
    if (/slave_repl_offset:(\d+)/.exec(ours!.toString('latin1'))?.[1] === wanted) return
    if (Date.now() > deadline) {
      throw new DifferenceFound({
        kind: 'failure',
        subject: 'offset',
        what: 'the replica does not come to the offset of its primary',
        expected: String(wanted),
        actual: ours!.toString('latin1').slice(0, 1500),
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** A write that changes nothing removes a key that has expired. */
async function meetAllKeys(endpoint: Endpoint): Promise<void> {
  const commands = DATABASE_NAMES.flatMap((db): (readonly Word[])[] => [
    ['SELECT', db],
    ['KEYS', '*'],
    ...KEYS_TO_MEET.map((key) => ['SETRANGE', key, '0', '']),
  ])
  await endpoint.call(commands)
}

/** A damaged command may have made a key of any name: what is expired and hidden is left to active expiry. */
async function expireHiddenKeys(endpoint: Endpoint): Promise<void> {
  const deadline = Date.now() + CATCH_UP_MS
  if ((await keyCountOf(endpoint)) === (await keysOf(endpoint)).length) return
  await endpoint.call([['DEBUG', 'SET-ACTIVE-EXPIRE', '1']])
  while ((await keyCountOf(endpoint)) !== (await keysOf(endpoint)).length) {
    if (Date.now() > deadline) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await endpoint.call([['DEBUG', 'SET-ACTIVE-EXPIRE', '0']])
}

/** Of all databases, with those that have expired. */
async function keyCountOf(endpoint: Endpoint): Promise<number> {
  const replies = await endpoint.call(DATABASE_NAMES.flatMap((db): Word[][] => [['SELECT', db], ['DBSIZE']]))
  return DATABASE_NAMES.reduce((sum, _, i) => sum + integerOf(replies[i * 2 + 1]!)!, 0)
}

async function compareDigests(
  primary: Endpoint,
  other: Endpoint,
  kind: Difference['kind'],
  stock?: Endpoint,
): Promise<void> {
  const [[theirs], [ours], judge] = await Promise.all([
    primary.call([DIGEST]),
    other.call([DIGEST]),
    stock?.call([DIGEST]),
  ])
  if (theirs!.equals(ours!) || judge?.[0]?.equals(ours!) === true) return
  const keys = await allKeysOf(primary, other)
  const [left, right, third] = await Promise.all([
    valueDigests(primary, keys),
    valueDigests(other, keys),
    stock === undefined ? undefined : valueDigests(stock, keys),
  ])
  // Replicas of different pasts: one of them may have loaded what the other has followed. Each key must be as one has it.
  const isOwn = (i: number): boolean => !left[i]!.equals(right[i]!) && third?.[i]?.equals(right[i]!) !== true
  const differing = keys
    .filter((_, i) => isOwn(i))
    .map(({ db, name }) => `${db}:${name.toString('latin1').slice(0, 40)}`)
  const excused = keys.some((_, i) => !left[i]!.equals(right[i]!))
  if (differing.length === 0 && excused) return
  const shown = async (endpoint: Endpoint): Promise<string> => {
    const first = keys.find((_, i) => isOwn(i))
    if (first === undefined)
      return 'no key of which DEBUG DIGEST-VALUE differs: one is missing, expired, or has no time to live'
    const dump = (
      await endpoint.call([
        ['SELECT', first.db],
        ['TYPE', first.name],
        ['OBJECT', 'ENCODING', first.name],
        ['DUMP', first.name],
      ])
    ).slice(1)
    return dump.map((reply) => shownReply(reply)).join(' ')
  }
  throw new DifferenceFound({
    kind,
    subject: 'DEBUG DIGEST',
    what: `DEBUG DIGEST; keys that differ: ${differing.slice(0, 8).join(', ') || 'none that KEYS shows'}`,
    expected: `${keyList(await keysOf(primary))}; ${await shown(primary)}`,
    actual: `${keyList(await keysOf(other))}; ${await shown(other)}`,
  })
}

interface Key {
  readonly db: string
  readonly name: Buffer
}

function keyList(keys: readonly Key[]): string {
  return `${keys.length} keys ${keys
    .slice(0, 6)
    .map(({ db, name }) => `${db}:${name.toString('latin1').slice(0, 20)}`)
    .join(' ')}`
}

/** Keys that are alive, sorted. */
async function keysOf(endpoint: Endpoint): Promise<Key[]> {
  const replies = await endpoint.call(
    DATABASE_NAMES.flatMap((db) => [
      ['SELECT', db],
      ['KEYS', '*'],
    ]),
  )
  return DATABASE_NAMES.flatMap((db, i) =>
    (membersOf(replies[i * 2 + 1]!) ?? [])
      .map((reply) => stringOf(reply)!)
      .toSorted((a, b) => Buffer.compare(a, b))
      .map((name) => ({ db, name })),
  )
}

async function allKeysOf(left: Endpoint, right: Endpoint): Promise<Key[]> {
  const seen = new Map<string, Key>()
  for (const key of [...(await keysOf(left)), ...(await keysOf(right))])
    seen.set(`${key.db}:${key.name.toString('latin1')}`, key)
  return [...seen.values()]
}

async function valueDigests(endpoint: Endpoint, keys: readonly Key[]): Promise<Buffer[]> {
  const replies = await endpoint.call(
    keys.flatMap(({ db, name }): Word[][] => [
      ['SELECT', db],
      ['DEBUG', 'DIGEST-VALUE', name],
    ]),
  )
  return replies.filter((_, i) => i % 2 === 1)
}

async function factsOf(endpoint: Endpoint, keys: readonly Key[]): Promise<Buffer[]> {
  let db = ''
  const commands: (readonly Word[])[] = []
  const isFact: boolean[] = []
  for (const key of keys) {
    if (key.db !== db) {
      commands.push(['SELECT', (db = key.db)])
      isFact.push(false)
    }
    for (const fact of FACTS) {
      commands.push([...fact.split(' '), key.name])
      isFact.push(true)
    }
  }
  return (await endpoint.call(commands)).filter((_, i) => isFact[i])
}

async function compareFacts(
  theirs: readonly Buffer[],
  other: Endpoint,
  keys: readonly Key[],
  relation: Relation,
  stock?: Endpoint,
): Promise<void> {
  const kind = relation === 'same commands' ? 'writable node' : 'replica'
  const mine = await keysOf(other)
  const names = (list: readonly Key[]): string =>
    list.map(({ db, name }) => `${db}:${name.toString('latin1')}`).join(' ')
  if (names(mine) !== names(keys)) {
    if (stock !== undefined && names(await keysOf(stock)) === names(mine)) return
    throw new DifferenceFound({
      kind,
      subject: 'KEYS',
      what: 'KEYS *',
      expected: names(keys).slice(0, 400),
      actual: names(mine).slice(0, 400),
    })
  }
  const ours = await factsOf(other, keys)
  let judge: Buffer[] | undefined
  for (const [i, expected] of theirs.entries()) {
    const actual = ours[i]!
    const fact = FACTS[i % FACTS.length]!
    const type = theirs[i - (i % FACTS.length)]!
    if (isExcusedFact(fact, type, expected, actual, relation)) continue
    if (stock !== undefined) {
      judge ??= await factsOf(stock, keys)
      if (isExcusedFact(fact, type, judge[i]!, actual, relation)) continue
    }
    const { db, name } = keys[Math.floor(i / FACTS.length)]!
    const what = `${fact} of ${name.toString('latin1').slice(0, 60)} in database ${db}`
    throw new DifferenceFound({ kind, subject: fact, what, expected: shownReply(expected), actual: shownReply(actual) })
  }
}
