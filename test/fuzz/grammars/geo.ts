/** Positions in sorted sets. */
import { all, command, each, form, type Grammar, key, many, maybe, oneOf, option, some, word } from '../grammar.ts'

const geo = key(['geo', 'geo', 'geo', 'geo', 'zset'])
const PLACES = ['Palermo', 'Catania', 'edge', 'a', 'b', 'c', 'pole', 'zero', 'x1', 'x2']
const place = word((draw) => (draw.chance(0.9) ? draw.pick(PLACES) : draw.element()))
const longitude = word((draw) => {
  if (draw.chance(0.5)) return String(draw.int(1200, 1600) / 100)
  if (draw.chance(0.7)) return String(draw.int(-18_000, 18_000) / 100)
  return draw.pick(['180', '-180', '180.0001', '-181', 'x', '', 'nan', 'inf', '0', '-0', '13.361389', '1e1'])
})
const latitude = word((draw) => {
  if (draw.chance(0.5)) return String(draw.int(3600, 3900) / 100)
  if (draw.chance(0.7)) return String(draw.int(-8500, 8500) / 100)
  return draw.pick(['85.05112878', '-85.05112878', '85.06', '-90', 'x', '', 'nan', '0', '-0', '38.115556'])
})
const unit = oneOf(
  ...['m', 'km', 'ft', 'mi'].map((name) =>
    form(
      name,
      word((draw) => (draw.chance(0.8) ? name : name.toUpperCase())),
    ),
  ),
)
const anyUnit = oneOf(
  unit,
  unit,
  unit,
  unit,
  unit,
  unit,
  word((draw) => draw.pick(['x', '', 'kms'])),
)
const distance = word((draw) => {
  if (draw.chance(0.8)) return draw.pick(['0', '1', '10', '100', '200.5', '1000', '5000', '20000', '1e7'])
  return draw.pick(['-1', 'x', '', 'nan', 'inf', '1e300', '0.0001'])
})
const countOption = option(
  'COUNT',
  word((draw) => (draw.chance(0.9) ? String(draw.int(1, 8)) : draw.pick(['0', '-1', 'x', '9223372036854775807']))),
)
const any = all(countOption, option('ANY'))
const order = oneOf(option('ASC'), option('DESC'))
const shown = [option('WITHCOORD'), option('WITHDIST'), option('WITHHASH')]
const from = oneOf(option('FROMMEMBER', place), option('FROMLONLAT', longitude, latitude))
const by = oneOf(option('BYRADIUS', distance, anyUnit), option('BYBOX', distance, distance, anyUnit))
const store = oneOf(option('STORE', geo), option('STOREDIST', geo))
const moreOfSearch = some(order, countOption, any, ...shown)

export const geoGrammar: Grammar = {
  family: 'geo',
  commands: [
    command('GEOADD', [geo, many(1, 30, longitude, latitude, place)], { weight: 4 }),
    command('GEOADD', [geo, some(option('NX'), option('XX'), option('CH')), many(1, 4, longitude, latitude, place)]),
    command('GEOPOS', [geo, many(0, 8, place)]),
    command('GEOHASH', [geo, many(0, 8, place)]),
    command('GEODIST', [geo, place, place, maybe(0.7, anyUnit)]),
    command('GEOSEARCH', [geo, from, by, moreOfSearch], { weight: 2 }),
    command('GEOSEARCH', [geo, some(from, by, order, any, ...shown)], { weight: 0.4 }),
    command('GEOSEARCHSTORE', [geo, geo, from, by, some(order, countOption, any, option('STOREDIST'))]),
    command('GEORADIUS', [geo, longitude, latitude, distance, anyUnit, some(order, countOption, any, ...shown)]),
    command('GEORADIUS', [geo, longitude, latitude, distance, anyUnit, store, each(0.3, order, countOption)]),
    command('GEORADIUS_RO', [geo, longitude, latitude, distance, anyUnit, some(order, countOption, any, ...shown)]),
    command('GEORADIUS_RO', [geo, longitude, latitude, distance, anyUnit, maybe(0.5, store)], { weight: 0.2 }),
    command('GEORADIUSBYMEMBER', [geo, place, distance, anyUnit, some(order, countOption, any, ...shown)]),
    command('GEORADIUSBYMEMBER', [geo, place, distance, anyUnit, store, each(0.3, order, countOption)]),
    command('GEORADIUSBYMEMBER_RO', [geo, place, distance, anyUnit, some(order, countOption, any, ...shown)]),
  ],
}
