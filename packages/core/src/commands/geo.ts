/** GEOADD, GEOPOS, GEODIST, GEOHASH, and the rows of all commands of positions. Searches: geo-search.ts. Source: redis 7.0 geo.c. */
import {
  decodePosition,
  distanceMeters,
  distanceText,
  encodePosition,
  geohashText,
  latitude,
  longitude,
} from '../encoding/geohash.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { SortedSet } from '../values/sorted-set.ts'
import { findForRead } from './access.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs, CommandContext, CommandTable, KeyPositions, ReadContext } from './command.ts'
import { DENYOOM, MOVABLE_KEYS, READONLY, WRITE } from './flags.ts'
import { positionArguments, readLatitude, readLongitude, replyCoordinate, unitArgument } from './geo-arguments.ts'
import {
  georadius,
  georadiusbymember,
  georadiusbymemberRo,
  georadiusRo,
  geosearch,
  geosearchstore,
} from './geo-search.ts'
import { missingIsNull, expectZset, readZset } from './zset-access.ts'
import { ADD_CH, ADD_NX, ADD_XX, addScored } from './zset-add.ts'

const members: SortedSet = new SortedSet()

function geoadd(context: CommandContext): void {
  const { args, reply } = context
  let options = 0
  let first = 2
  for (; first < args.count; first++) {
    if (argIs(args, first, 'NX')) options |= ADD_NX
    else if (argIs(args, first, 'XX')) options |= ADD_XX
    else if (argIs(args, first, 'CH')) options |= ADD_CH
    else break
  }
  const rest = args.count - first
  if (rest === 0 || rest % 3 !== 0 || (options & (ADD_NX | ADD_XX)) === (ADD_NX | ADD_XX)) {
    return reply.error(SYNTAX_ERROR)
  }
  const scores = new Float64Array(rest / 3)
  for (let i = 0; i < scores.length; i++) {
    if (!positionArguments(context, first + i * 3)) return
    scores[i] = encodePosition(readLongitude, readLatitude)
  }
  addScored(context, options, first + 2, 3, scores)
}

/** The sorted set of argument 1 for a reply with one item a member; false when an error was written. */
function openMembers(context: ReadContext): SortedSet | undefined | false {
  if (!findForRead(context, 1)) return undefined
  return expectZset(context) && members.open(context.keyspace)
}

function geopos(context: ReadContext): void {
  const { args, reply } = context
  const set = openMembers(context)
  if (set === false) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (set?.find(args.bytes, args.start[i]!, args.end[i]!) !== true) {
      reply.nullArray()
      continue
    }
    decodePosition(set.score)
    reply.array(2)
    replyCoordinate(reply, longitude)
    replyCoordinate(reply, latitude)
  }
}

function geohash(context: ReadContext): void {
  const { args, reply } = context
  const set = openMembers(context)
  if (set === false) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    if (set?.find(args.bytes, args.start[i]!, args.end[i]!) === true) {
      decodePosition(set.score)
      reply.bulkString(geohashText(longitude, latitude))
    } else reply.nullBulk()
  }
}

function geodist(context: ReadContext): void {
  const { args, reply } = context
  let unitMeters: number | undefined = 1
  if (args.count === 5) {
    unitMeters = unitArgument(context, 4)
    if (unitMeters === undefined) return
  } else if (args.count > 5) return reply.error(SYNTAX_ERROR)
  const set = readZset(context, 1, missingIsNull)
  if (set === undefined) return
  if (!set.find(args.bytes, args.start[2]!, args.end[2]!)) return reply.nullBulk()
  const from = set.score
  if (!set.find(args.bytes, args.start[3]!, args.end[3]!)) return reply.nullBulk()
  decodePosition(from)
  const fromLongitude = longitude
  const fromLatitude = latitude
  decodePosition(set.score)
  const meters = distanceMeters(fromLongitude, fromLatitude, longitude, latitude)
  reply.bulkString(distanceText(meters, fromLongitude, fromLatitude, longitude, latitude, unitMeters))
}

const GROUP = 'geo'
const ONE_KEY: KeyPositions = [1, 1, 1]

/** Argument 1 and what stands behind STORE or STOREDIST. */
function findStoreKeys(args: CommandArgs, into: number[]): void {
  into.push(1)
  let stored = 0
  for (let i = 5; i + 1 < args.count; i++) {
    if (argIs(args, i, 'STORE') || argIs(args, i, 'STOREDIST')) stored = ++i
  }
  if (stored !== 0) into.push(stored)
}

export const geoCommands: CommandTable = {
  GEOADD: {
    arity: -5,
    flags: WRITE | DENYOOM,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Adds members at positions, or moves them.',
    propagate: 'zadd',
    keyFlags: ['RW', 'update'],
    run: geoadd,
  },
  GEOPOS: {
    arity: -2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Returns the positions of members.',
    read: geopos,
  },
  GEODIST: {
    arity: -4,
    flags: READONLY,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Returns the distance between two members.',
    read: geodist,
  },
  GEOHASH: {
    arity: -2,
    flags: READONLY,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Returns the geohashes of members as text.',
    read: geohash,
  },
  GEORADIUS: {
    arity: -6,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Returns or stores the members within a distance of a position.',
    keyFlags: ['RO', 'access'],
    findKeys: findStoreKeys,
    keySpecs: ['RO access @1', 'OW update STORE@6', 'OW update STOREDIST@6'],
    run: georadius,
  },
  GEORADIUS_RO: {
    arity: -6,
    flags: READONLY,
    keys: ONE_KEY,
    since: '3.2.10',
    group: GROUP,
    summary: 'Returns the members within a distance of a position.',
    read: georadiusRo,
  },
  GEORADIUSBYMEMBER: {
    arity: -5,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    keys: ONE_KEY,
    since: '3.2.0',
    group: GROUP,
    summary: 'Returns or stores the members within a distance of a member.',
    keyFlags: ['RO', 'access'],
    findKeys: findStoreKeys,
    keySpecs: ['RO access @1', 'OW update STORE@5', 'OW update STOREDIST@5'],
    run: georadiusbymember,
  },
  GEORADIUSBYMEMBER_RO: {
    arity: -5,
    flags: READONLY,
    keys: ONE_KEY,
    since: '3.2.10',
    group: GROUP,
    summary: 'Returns the members within a distance of a member.',
    read: georadiusbymemberRo,
  },
  GEOSEARCH: {
    arity: -7,
    flags: READONLY,
    keys: ONE_KEY,
    since: '6.2.0',
    group: GROUP,
    summary: 'Returns the members in a circle or box.',
    read: geosearch,
  },
  GEOSEARCHSTORE: {
    arity: -8,
    flags: WRITE | DENYOOM,
    keys: [1, 2, 1],
    since: '6.2.0',
    group: GROUP,
    summary: 'Stores the members in a circle or box.',
    keyFlags: ['OW', 'update'],
    keySpecs: ['OW update @1', 'RO access @2'],
    run: geosearchstore,
  },
}
