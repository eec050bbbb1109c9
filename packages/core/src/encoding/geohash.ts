/**
 * Positions as 52-bit geohashes, which are the scores of GEOADD: 26 bits of latitude and of longitude, interleaved (latitude in
 * the even bits), on WGS84 with Mercator's limits. Distances on a sphere, cells around a shape.
 *
 * Source: redis 7.0 geohash.c, geohash_helper.c (the arithmetic is kept step by step: replies must be equal).
 */
import { exactArcsine, exactCosine, exactSine } from './exact-trigonometry.ts'

export const LONGITUDE_MAX = 180
export const LATITUDE_MAX = 85.05112878
export const GEO_STEPS = 26
const EARTH_RADIUS_METERS = 6372797.560856
const MERCATOR_MAX = 20037726.37
const RADIANS: number = Math.PI / 180

/** What the last decodePosition() found, in degrees. */
export let longitude = 0
export let latitude = 0

/** Puts a zero bit between the lower 16 bits. */
function spread(value: number): number {
  let bits = value & 0xffff
  bits = (bits | (bits << 8)) & 0x00ff_00ff
  bits = (bits | (bits << 4)) & 0x0f0f_0f0f
  bits = (bits | (bits << 2)) & 0x3333_3333
  return (bits | (bits << 1)) & 0x5555_5555
}

/** The even bits of 32. */
function compact(value: number): number {
  let bits = value & 0x5555_5555
  bits = (bits | (bits >>> 1)) & 0x3333_3333
  bits = (bits | (bits >>> 2)) & 0x0f0f_0f0f
  bits = (bits | (bits >>> 4)) & 0x00ff_00ff
  return (bits | (bits >>> 8)) & 0xffff
}

/** The number with the bits of two indexes of cells. */
export function interleave(latitudeIndex: number, longitudeIndex: number): number {
  const low = spread(latitudeIndex & 0x1fff) | (spread(longitudeIndex & 0x1fff) << 1)
  const high = spread(latitudeIndex >>> 13) | (spread(longitudeIndex >>> 13) << 1)
  return (high >>> 0) * 2 ** 26 + (low >>> 0)
}

/** Index of the cell that holds `value` when [-max, max] is cut into 2^steps. */
function cellIndex(value: number, max: number, steps: number): number {
  return (((value + max) / (max + max)) * 2 ** steps) >>> 0
}

/** The score of a position that lies within the limits. @param latitudeMax 90 for the standard geohash. */
export function encodePosition(
  longitudeDegrees: number,
  latitudeDegrees: number,
  latitudeMax: number = LATITUDE_MAX,
): number {
  return interleave(
    cellIndex(latitudeDegrees, latitudeMax, GEO_STEPS),
    cellIndex(longitudeDegrees, LONGITUDE_MAX, GEO_STEPS),
  )
}

function cellStart(index: number, max: number, steps: number): number {
  return -max + (index / 2 ** steps) * (max + max)
}

function clamp(value: number, max: number): number {
  return value > max ? max : value < -max ? -max : value
}

/** The middle of the cell of a score: `longitude` and `latitude`. Any double will do, read as C casts it to 64 bits. */
export function decodePosition(score: number): void {
  let low: number
  let high: number
  if (score >= 0 && score < 2 ** 53) {
    const bits = Math.floor(score)
    low = bits | 0
    high = Math.floor(bits / 2 ** 32)
  } else {
    // Beyond 64 bits: what the conversion instruction of x86-64 leaves.
    let bits = score > 0 ? 0n : 1n << 63n
    if (score >= -(2 ** 63) && score < 2 ** 64) bits = BigInt.asUintN(64, BigInt(Math.trunc(score)))
    low = Number(bits & 0xffff_ffffn) | 0
    high = Number(bits >> 32n) | 0
  }
  const latitudeIndex = (compact(low) | (compact(high) << 16)) >>> 0
  const longitudeIndex = (compact(low >>> 1) | (compact(high >>> 1) << 16)) >>> 0
  const south = cellStart(latitudeIndex, LATITUDE_MAX, GEO_STEPS)
  const north = cellStart(latitudeIndex + 1, LATITUDE_MAX, GEO_STEPS)
  const west = cellStart(longitudeIndex, LONGITUDE_MAX, GEO_STEPS)
  const east = cellStart(longitudeIndex + 1, LONGITUDE_MAX, GEO_STEPS)
  longitude = clamp((west + east) / 2, LONGITUDE_MAX)
  latitude = clamp((south + north) / 2, LATITUDE_MAX)
}

/** Towards the other side of the world, 20,021 km away, the arcsine multiplies errors of the last bits. */
const FAR_METERS = 1.9e7
const DECIMALS = 4
/** So near to the middle between two texts, in units of the last decimal, the last bits decide; nearer than `FAR_METERS` they are worth less than a thousandth, in feet. */
const MIDDLE = 0.01

/** Meters between two latitudes. */
function latitudeDistance(from: number, to: number): number {
  return EARTH_RADIUS_METERS * Math.abs(to * RADIANS - from * RADIANS)
}

/** Meters between two positions (haversine). */
export function distanceMeters(longitude1: number, latitude1: number, longitude2: number, latitude2: number): number {
  const v = Math.sin((longitude2 * RADIANS - longitude1 * RADIANS) / 2)
  if (v === 0) return latitudeDistance(latitude1, latitude2)
  const radians1 = latitude1 * RADIANS
  const radians2 = latitude2 * RADIANS
  const u = Math.sin((radians2 - radians1) / 2)
  return 2 * EARTH_RADIUS_METERS * Math.asin(Math.sqrt(u * u + Math.cos(radians1) * Math.cos(radians2) * v * v))
}

/** The same to the last bit, for distances that are stored. Slow. */
export function exactDistanceMeters(
  longitude1: number,
  latitude1: number,
  longitude2: number,
  latitude2: number,
): number {
  const v = exactSine((longitude2 * RADIANS - longitude1 * RADIANS) / 2)
  if (v === 0) return latitudeDistance(latitude1, latitude2)
  const radians1 = latitude1 * RADIANS
  const radians2 = latitude2 * RADIANS
  const u = exactSine((radians2 - radians1) / 2)
  const a = u * u + exactCosine(radians1) * exactCosine(radians2) * v * v
  return 2 * EARTH_RADIUS_METERS * exactArcsine(Math.sqrt(a))
}

/**
 * A distance with four decimals, as replies show it. @param meters what `distanceMeters` says of these positions: enough but towards the other side of
 * the world, where its last bits grow into digits that are shown, and in the middle between two texts.
 */
export function distanceText(
  meters: number,
  longitude1: number,
  latitude1: number,
  longitude2: number,
  latitude2: number,
  unitMeters: number,
): string {
  const last = (meters / unitMeters) * 10 ** DECIMALS
  const isClear = meters <= FAR_METERS && Math.abs(last - Math.floor(last) - 0.5) > MIDDLE
  const shown = isClear ? meters : exactDistanceMeters(longitude1, latitude1, longitude2, latitude2)
  return (shown / unitMeters).toFixed(DECIMALS)
}

/** Where to search: a circle, or a box along the meridians. Lengths in `meters` times what they say. */
export interface GeoShape {
  longitude: number
  latitude: number
  /** Meters in one unit of the lengths below. */
  unitMeters: number
  isBox: boolean
  radius: number
  width: number
  height: number
}

/** Meters from the middle of the shape to a position, -1 when it lies outside. */
export function distanceWithin(shape: GeoShape, pointLongitude: number, pointLatitude: number): number {
  if (shape.isBox) {
    if (latitudeDistance(pointLatitude, shape.latitude) > (shape.height * shape.unitMeters) / 2) return -1
    const across = distanceMeters(pointLongitude, pointLatitude, shape.longitude, pointLatitude)
    if (across > (shape.width * shape.unitMeters) / 2) return -1
    return distanceMeters(shape.longitude, shape.latitude, pointLongitude, pointLatitude)
  }
  const distance = distanceMeters(shape.longitude, shape.latitude, pointLongitude, pointLatitude)
  return distance > shape.radius * shape.unitMeters ? -1 : distance
}

/** Scores [from, to) of one cell to be searched. */
export interface GeoCell {
  readonly from: number
  readonly to: number
}

/** How often to halve the world so that nine cells cover a radius. */
function stepsForRadius(meters: number, latitudeDegrees: number): number {
  if (meters === 0) return GEO_STEPS
  let steps = 1
  for (let reach = meters; reach < MERCATOR_MAX; reach *= 2) steps++
  // The radius shall fit in most cases, and cells are narrower towards the poles.
  steps -= 2
  if (Math.abs(latitudeDegrees) > 66) {
    steps--
    if (Math.abs(latitudeDegrees) > 80) steps--
  }
  return Math.min(GEO_STEPS, Math.max(1, steps))
}

/** Directions in the order in which cells are searched: [north, east]. */
const DIRECTIONS: readonly (readonly [north: number, east: number])[] = [
  [0, 0],
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [1, 1],
  [1, -1],
  [-1, 1],
  [-1, -1],
]

/** The cells that together cover a shape, in the order in which Redis searches them. */
export function cellsAround(shape: GeoShape): GeoCell[] {
  const { unitMeters } = shape
  const reach = shape.isBox
    ? Math.sqrt((shape.width / 2) * (shape.width / 2) + (shape.height / 2) * (shape.height / 2))
    : shape.radius
  const bounds = boundsOf(shape)
  let steps = stepsForRadius(reach * unitMeters, shape.latitude)
  let row = cellIndex(shape.latitude, LATITUDE_MAX, steps)
  let column = cellIndex(shape.longitude, LONGITUDE_MAX, steps)
  if (steps > 1 && isTooFine(row, column, steps, bounds)) {
    steps--
    row = cellIndex(shape.latitude, LATITUDE_MAX, steps)
    column = cellIndex(shape.longitude, LONGITUDE_MAX, steps)
  }
  const skipsSouth = steps >= 2 && cellStart(row, LATITUDE_MAX, steps) < bounds.south
  const skipsNorth = steps >= 2 && cellStart(row + 1, LATITUDE_MAX, steps) > bounds.north
  const skipsWest = steps >= 2 && cellStart(column, LONGITUDE_MAX, steps) < bounds.west
  const skipsEast = steps >= 2 && cellStart(column + 1, LONGITUDE_MAX, steps) > bounds.east
  const cells: GeoCell[] = []
  let last = -1
  for (const [north, east] of DIRECTIONS) {
    if ((north === 1 && skipsNorth) || (north === -1 && skipsSouth)) continue
    if ((east === 1 && skipsEast) || (east === -1 && skipsWest)) continue
    const bits = interleave(moved(row, north, steps), moved(column, east, steps))
    // Few and large cells: neighbours are the same.
    if (bits === last) continue
    last = bits
    const scale = 4 ** (GEO_STEPS - steps)
    cells.push({ from: bits * scale, to: (bits + 1) * scale })
  }
  return cells
}

/** A neighbour's index; around the world it goes on. */
function moved(index: number, by: number, steps: number): number {
  return by === 0 ? index : (index + by) & (2 ** steps - 1)
}

interface Bounds {
  south: number
  north: number
  west: number
  east: number
}

function boundsOf(shape: GeoShape): Bounds {
  const height = shape.unitMeters * (shape.isBox ? shape.height / 2 : shape.radius)
  const width = shape.unitMeters * (shape.isBox ? shape.width / 2 : shape.radius)
  const high = height / EARTH_RADIUS_METERS / RADIANS
  const side = shape.latitude < 0 ? shape.latitude - high : shape.latitude + high
  const wide = width / EARTH_RADIUS_METERS / Math.cos(side * RADIANS) / RADIANS
  return {
    south: shape.latitude - high,
    north: shape.latitude + high,
    west: shape.longitude - wide,
    east: shape.longitude + wide,
  }
}

/** Do the eight neighbours not reach the bounds? */
function isTooFine(row: number, column: number, steps: number, bounds: Bounds): boolean {
  const north = cellStart(moved(row, 1, steps) + 1, LATITUDE_MAX, steps)
  const south = cellStart(moved(row, -1, steps), LATITUDE_MAX, steps)
  const east = cellStart(moved(column, 1, steps) + 1, LONGITUDE_MAX, steps)
  const west = cellStart(moved(column, -1, steps), LONGITUDE_MAX, steps)
  return north < bounds.north || south > bounds.south || east < bounds.east || west > bounds.west
}

const GEO_ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz'

/** The standard geohash of a position: 11 characters, the last always '0'. */
export function geohashText(longitudeDegrees: number, latitudeDegrees: number): string {
  const bits = encodePosition(longitudeDegrees, latitudeDegrees, 90)
  let text = ''
  for (let i = 0; i < 10; i++) text += GEO_ALPHABET[Math.floor(bits / 2 ** (52 - (i + 1) * 5)) % 32]!
  return `${text}0`
}
