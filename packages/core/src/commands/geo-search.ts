/**
 * GEOSEARCH, GEOSEARCHSTORE and the GEORADIUS family: one search, five ways to say it. Source: redis 7.0 geo.c
 * georadiusGeneric(), whose order of checks decides which error a client sees.
 */
import {
  cellsAround,
  decodePosition,
  distanceText,
  distanceWithin,
  exactDistanceMeters,
  type GeoShape,
  latitude,
  longitude,
} from '../encoding/geohash.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from '../resp/error-replies.ts'
import { partialSort } from '../partial-sort.ts'
import { SortedSet } from '../values/sorted-set.ts'
import { findForRead, requireWriter } from './access.ts'
import { argIs, argText } from './arguments.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { positionArguments, readLatitude, readLongitude, replyCoordinate, unitArgument } from './geo-arguments.ts'
import { wideInteger } from './wide-integer.ts'
import { expectZset, scoreArgument, withResult } from './zset-access.ts'

const UNSORTED = 0
const ASCENDING = 1
const DESCENDING = -1

interface Search {
  /** The set that is searched; undefined: there is none. */
  set: SortedSet | undefined
  shape: GeoShape
  /** Argument of the key that gets the result; 0: the result is the reply. */
  storeAt: number
  storesDistance: boolean
  withDistance: boolean
  withHash: boolean
  withPosition: boolean
  sort: number
  /** 0: all. */
  count: number
  any: boolean
}

interface Way {
  /** Argument of the searched key. */
  readonly keyAt: number
  /** First of the options. */
  readonly optionsAt: number
  readonly center: 'position' | 'member' | 'options'
  readonly stores: 'never' | 'option' | 'always'
}

const searched: SortedSet = new SortedSet()

/** Hits: rank in the set, score, meters from the middle, position. Grown as needed, kept. */
let hits: Float64Array = new Float64Array(5 * 256)
let hitCount = 0

function run(context: ReadContext, way: Way): void {
  const { reply } = context
  const search = parse(context, way)
  if (search === undefined) return
  const { set, storeAt } = search
  if (set === undefined) {
    if (storeAt === 0) reply.array(0)
    else {
      requireWriter(context)
      withResult(context, storeAt, (result) => result.store(context, ''))
    }
    return
  }
  collect(set, search)
  const order = Array.from({ length: hitCount }, (_, i) => i)
  const { sort } = search
  const compare = (a: number, b: number): number => sort * (hits[a * 5 + 2]! - hits[b * 5 + 2]!)
  const shown = search.count !== 0 && search.count < hitCount ? search.count : hitCount
  if (sort !== UNSORTED) {
    if (shown === hitCount) order.sort(compare)
    else partialSort(order, compare, 0, shown - 1)
  }
  order.length = shown
  if (storeAt === 0) show(context, set, search, order)
  else store(context, set, search, order, way.stores === 'always' ? 'geosearchstore' : 'georadiusstore')
}

function collect(set: SortedSet, { shape, count, any }: Search): void {
  const most = any ? count : 0
  hitCount = 0
  for (const cell of cellsAround(shape)) {
    if (most !== 0 && hitCount >= most) return
    let more = set.seekScore(cell.from, false)
    for (let rank = more ? set.rank() : 0; more && set.score < cell.to; rank++) {
      decodePosition(set.score)
      const meters = distanceWithin(shape, longitude, latitude)
      if (meters >= 0) {
        addHit(rank, set.score, meters)
        if (most !== 0 && hitCount >= most) break
      }
      more = set.next()
    }
  }
}

function addHit(rank: number, score: number, meters: number): void {
  const at = hitCount++ * 5
  if (at === hits.length) {
    const grown = new Float64Array(hits.length * 2)
    grown.set(hits)
    hits = grown
  }
  hits[at] = rank
  hits[at + 1] = score
  hits[at + 2] = meters
  hits[at + 3] = longitude
  hits[at + 4] = latitude
}

function show({ reply }: ReadContext, set: SortedSet, search: Search, order: readonly number[]): void {
  const { withDistance, withHash, withPosition } = search
  const options = Number(withDistance) + Number(withHash) + Number(withPosition)
  reply.array(order.length)
  for (const hit of order) {
    const at = hit * 5
    if (options > 0) reply.array(options + 1)
    set.seekRank(hits[at]!)
    reply.bulk(set.memberBytes, set.memberStart, set.memberEnd)
    if (withDistance) reply.bulkString(shownDistance(search.shape, at))
    if (withHash) reply.integer(Math.trunc(hits[at + 1]!))
    if (withPosition) {
      reply.array(2)
      replyCoordinate(reply, hits[at + 3]!)
      replyCoordinate(reply, hits[at + 4]!)
    }
  }
}

function store(context: ReadContext, set: SortedSet, search: Search, order: readonly number[], event: string): void {
  requireWriter(context)
  withResult(context, search.storeAt, (result) => {
    for (const hit of order) {
      const at = hit * 5
      set.seekRank(hits[at]!)
      const score = search.storesDistance ? storedDistance(search.shape, at) : hits[at + 1]!
      if (result.set.find(set.memberBytes, set.memberStart, set.memberEnd)) continue
      result.add(set.memberBytes, set.memberStart, set.memberEnd, score)
    }
    result.store(context, event)
  })
}

function shownDistance({ longitude: x, latitude: y, unitMeters }: GeoShape, at: number): string {
  return distanceText(hits[at + 2]!, x, y, hits[at + 3]!, hits[at + 4]!, unitMeters)
}

function storedDistance({ longitude: x, latitude: y, unitMeters }: GeoShape, at: number): number {
  return exactDistanceMeters(x, y, hits[at + 3]!, hits[at + 4]!) / unitMeters
}

/** @returns undefined after an error reply. */
function parse(context: ReadContext, way: Way): Search | undefined {
  const { args, reply, keyspace } = context
  const refuse = (text: string): undefined => {
    reply.error(text)
    return undefined
  }
  const isThere = findForRead(context, way.keyAt)
  if (isThere && !expectZset(context)) return undefined
  const set = isThere ? searched.open(keyspace) : undefined
  const shape: GeoShape = { longitude: 0, latitude: 0, unitMeters: 1, isBox: false, radius: 0, width: 0, height: 0 }
  const search: Search = {
    set,
    shape,
    storeAt: way.stores === 'always' ? 1 : 0,
    storesDistance: false,
    withDistance: false,
    withHash: false,
    withPosition: false,
    sort: UNSORTED,
    count: 0,
    any: false,
  }
  if (way.center === 'position') {
    if (!readCenter(context, 2, shape) || !readRadius(context, 4, shape)) return undefined
  } else if (way.center === 'member' && set !== undefined) {
    if (!memberCenter(context, set, 2, shape)) return undefined
    if (!readRadius(context, 3, shape)) return undefined
  }
  const isSearch = way.center === 'options'
  let from = ''
  let by = ''
  for (let i = way.optionsAt; i < args.count; i++) {
    const left = args.count - i - 1
    if (argIs(args, i, 'WITHDIST')) search.withDistance = true
    else if (argIs(args, i, 'WITHHASH')) search.withHash = true
    else if (argIs(args, i, 'WITHCOORD')) search.withPosition = true
    else if (argIs(args, i, 'ANY')) search.any = true
    else if (argIs(args, i, 'ASC')) search.sort = ASCENDING
    else if (argIs(args, i, 'DESC')) search.sort = DESCENDING
    else if (argIs(args, i, 'COUNT') && left >= 1) {
      const count = wideInteger(context, ++i)
      if (count === undefined) return refuse(NOT_AN_INTEGER)
      if (count <= 0) return refuse('ERR COUNT must be > 0')
      search.count = Number(count)
    } else if (way.stores === 'option' && left >= 1 && argIs(args, i, 'STORE')) {
      search.storeAt = ++i
      search.storesDistance = false
    } else if (way.stores === 'option' && left >= 1 && argIs(args, i, 'STOREDIST')) {
      search.storeAt = ++i
      search.storesDistance = true
    } else if (isSearch && from !== 'position' && left >= 1 && argIs(args, i, 'FROMMEMBER')) {
      from = 'member'
      i++
      if (set !== undefined && !memberCenter(context, set, i, shape)) return undefined
    } else if (isSearch && from !== 'member' && left >= 2 && argIs(args, i, 'FROMLONLAT')) {
      from = 'position'
      if (!readCenter(context, i + 1, shape)) return undefined
      i += 2
    } else if (isSearch && by !== 'box' && left >= 2 && argIs(args, i, 'BYRADIUS')) {
      by = 'radius'
      if (!readRadius(context, i + 1, shape)) return undefined
      i += 2
    } else if (isSearch && by !== 'radius' && left >= 3 && argIs(args, i, 'BYBOX')) {
      by = 'box'
      if (!readBox(context, i + 1, shape)) return undefined
      i += 3
    } else if (way.stores === 'always' && argIs(args, i, 'STOREDIST')) search.storesDistance = true
    else return refuse(SYNTAX_ERROR)
  }
  if (search.storeAt !== 0 && (search.withDistance || search.withHash || search.withPosition)) {
    const name = way.stores === 'always' ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS'
    return refuse(`ERR ${name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`)
  }
  if (isSearch && from === '') {
    return refuse(`ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${argText(args, 0)}`)
  }
  if (isSearch && by === '') {
    return refuse(`ERR exactly one of BYRADIUS and BYBOX can be specified for ${argText(args, 0)}`)
  }
  if (search.any && search.count === 0) return refuse('ERR the ANY argument requires COUNT argument')
  // COUNT asks for the nearest.
  if (search.count !== 0 && search.sort === UNSORTED && !search.any) search.sort = ASCENDING
  return search
}

function readCenter(context: ReadContext, index: number, shape: GeoShape): boolean {
  if (!positionArguments(context, index)) return false
  shape.longitude = readLongitude
  shape.latitude = readLatitude
  return true
}

function memberCenter({ args, reply }: ReadContext, set: SortedSet, index: number, shape: GeoShape): boolean {
  if (!set.find(args.bytes, args.start[index]!, args.end[index]!)) {
    reply.error('ERR could not decode requested zset member')
    return false
  }
  decodePosition(set.score)
  shape.longitude = longitude
  shape.latitude = latitude
  return true
}

function readRadius(context: ReadContext, index: number, shape: GeoShape): boolean {
  const radius = scoreArgument(context, index, 'ERR need numeric radius')
  if (Number.isNaN(radius)) return false
  if (radius < 0) {
    context.reply.error('ERR radius cannot be negative')
    return false
  }
  const unitMeters = unitArgument(context, index + 1)
  if (unitMeters === undefined) return false
  shape.radius = radius
  shape.unitMeters = unitMeters
  return true
}

function readBox(context: ReadContext, index: number, shape: GeoShape): boolean {
  const width = scoreArgument(context, index, 'ERR need numeric width')
  if (Number.isNaN(width)) return false
  const height = scoreArgument(context, index + 1, 'ERR need numeric height')
  if (Number.isNaN(height)) return false
  if (width < 0 || height < 0) {
    context.reply.error('ERR height or width cannot be negative')
    return false
  }
  const unitMeters = unitArgument(context, index + 2)
  if (unitMeters === undefined) return false
  shape.isBox = true
  shape.width = width
  shape.height = height
  shape.unitMeters = unitMeters
  return true
}

export function georadius(context: CommandContext): void {
  run(context, { keyAt: 1, optionsAt: 6, center: 'position', stores: 'option' })
}

export function georadiusRo(context: ReadContext): void {
  run(context, { keyAt: 1, optionsAt: 6, center: 'position', stores: 'never' })
}

export function georadiusbymember(context: CommandContext): void {
  run(context, { keyAt: 1, optionsAt: 5, center: 'member', stores: 'option' })
}

export function georadiusbymemberRo(context: ReadContext): void {
  run(context, { keyAt: 1, optionsAt: 5, center: 'member', stores: 'never' })
}

export function geosearch(context: ReadContext): void {
  run(context, { keyAt: 1, optionsAt: 2, center: 'options', stores: 'never' })
}

export function geosearchstore(context: CommandContext): void {
  run(context, { keyAt: 2, optionsAt: 3, center: 'options', stores: 'always' })
}
