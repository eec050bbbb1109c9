/** Positions, units and lengths as arguments, coordinates as replies. Source: redis 7.0 geo.c extractLongLatOrReply() and its like. */
import { LATITUDE_MAX, LONGITUDE_MAX } from '../encoding/geohash.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { argIs } from './arguments.ts'
import type { ReadContext } from './command.ts'
import { scoreArgument } from './zset-access.ts'

/** What the last positionArguments() read, in degrees. */
export let readLongitude = 0
export let readLatitude = 0

/** Reads longitude and latitude from arguments `index` and `index + 1`. @returns false after an error reply. */
export function positionArguments(context: ReadContext, index: number): boolean {
  readLongitude = scoreArgument(context, index)
  if (Number.isNaN(readLongitude)) return false
  readLatitude = scoreArgument(context, index + 1)
  if (Number.isNaN(readLatitude)) return false
  if (Math.abs(readLongitude) <= LONGITUDE_MAX && Math.abs(readLatitude) <= LATITUDE_MAX) return true
  const pair = `${fixedSix(readLongitude)},${fixedSix(readLatitude)}`
  context.reply.error(`ERR invalid longitude,latitude pair ${pair}`)
  return false
}

/** As C's "%f". */
function fixedSix(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  // toFixed() forgets the sign of -0.
  if (value === 0) return Object.is(value, -0) ? '-0.000000' : '0.000000'
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`
}

/** Meters in the unit of argument `index`; undefined after an error reply. */
export function unitArgument(context: ReadContext, index: number): number | undefined {
  const { args } = context
  if (argIs(args, index, 'M')) return 1
  if (argIs(args, index, 'KM')) return 1000
  if (argIs(args, index, 'FT')) return 0.3048
  if (argIs(args, index, 'MI')) return 1609.34
  context.reply.error('ERR unsupported unit provided. please use M, KM, FT, MI')
  return undefined
}

/** A coordinate in full: 17 digits behind the point, without trailing zeros. */
export function replyCoordinate(reply: ReplyEncoder, degrees: number): void {
  const text = degrees.toFixed(17).replace(/\.?0+$/, '')
  reply.doubleText(text === '-0' ? '0' : text)
}
