/** Positions beside a stock server: replies, stored sets, errors. */
import { describe, expect } from 'vitest'
import type { Argument } from '../../support/raw-client.ts'
import { readAllReplies } from '../../support/resp-reader.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { useStockPair } from '../../support/stock-pair.ts'
import { itOfReference as it } from '../../support/reference.ts'

const UNITS = ['m', 'km', 'FT', 'mi']

describe('positions', () => {
  const pair = useStockPair()

  function position(random: SeededRandom): Argument[] {
    const kind = random.float()
    if (kind < 0.5) return [10 + random.float() * 2, 50 + random.float() * 2]
    // The edges of the world: many at equal distance, whose order is that of one sorting algorithm.
    if (kind < 0.6) return [random.pick([180, -180, 0, 179.9999]), random.pick([85.05112878, -85.05112878, 0, 85])]
    return [random.float() * 360 - 180, random.float() * 170 - 85]
  }

  function shape(random: SeededRandom): Argument[] {
    const reach = 10 ** random.int(0, 8) * random.float()
    const unit = random.pick(UNITS)
    if (random.chance(0.5)) return ['BYRADIUS', reach, unit]
    return ['BYBOX', reach, reach * random.float() * 2, unit]
  }

  function options(random: SeededRandom, ...all: Argument[][]): Argument[] {
    return all.filter(() => random.chance(0.3)).flat()
  }

  it.each([1, 2, 3, 4, 5])('answer as a stock server does, seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    await pair.begin(random.pick([2, 3] as const), `geo ${seed}`)
    const name = (): string => `p${random.int(0, 400)}`
    const places = seed % 2 === 0 ? 60 : 400
    for (let i = 0; i < places; i++) await pair.same('GEOADD', 'g', ...position(random), `p${i}`)
    for (let i = 0; i < 400; i++) {
      const key = random.chance(0.95) ? 'g' : 'absent'
      const show = options(random, ['WITHDIST'], ['WITHHASH'], ['WITHCOORD'], [random.pick(['ASC', 'DESC'])])
      const some = options(random, ['COUNT', random.pick([1, 3, 50, 0, 'x']), ...options(random, ['ANY'])])
      switch (random.int(0, 10)) {
        case 0:
          await pair.same('GEOADD', 'g', ...options(random, ['NX'], ['XX'], ['CH']), ...position(random), name())
          break
        case 1:
          await pair.same('GEOPOS', key, name(), name(), 'nobody')
          break
        case 2:
          await pair.same('GEOHASH', key, name(), name(), 'nobody')
          break
        case 3:
          await pair.same('GEODIST', key, name(), name(), ...options(random, [random.pick([...UNITS, 'x'])]))
          break
        case 4:
        case 5:
          await pair.same('GEOSEARCH', key, 'FROMLONLAT', ...position(random), ...shape(random), ...show, ...some)
          break
        case 6:
          await pair.same('GEOSEARCH', key, 'FROMMEMBER', name(), ...shape(random), ...show, ...some)
          break
        case 7:
          await pair.same('GEOSEARCHSTORE', 'stored', key, 'FROMLONLAT', ...position(random), ...shape(random), ...some)
          await pair.same('ZRANGE', 'stored', 0, -1, 'WITHSCORES')
          break
        case 8:
          await pair.same(
            random.pick(['GEORADIUS', 'GEORADIUS_RO']),
            key,
            ...position(random),
            10 ** random.int(0, 7),
            random.pick(UNITS),
            ...show,
            ...some,
          )
          break
        case 9:
          await pair.same(
            random.pick(['GEORADIUSBYMEMBER', 'GEORADIUSBYMEMBER_RO']),
            key,
            name(),
            10 ** random.int(0, 7),
            random.pick(UNITS),
            ...show,
            ...some,
          )
          break
        default:
          await pair.same('GEORADIUS', key, ...position(random), 1e6, 'm', 'STORE', 'stored')
          await pair.same('ZRANGE', 'stored', 0, -1, 'WITHSCORES')
      }
    }
    await pair.check(['g', 'stored'])
  })

  it('are stored with distances that differ by a last bit, and seldom', async () => {
    await pair.begin(2, 'stored distances')
    const random = new SeededRandom(7)
    for (let i = 0; i < 2000; i++)
      await pair.same('GEOADD', 'g', random.float() * 360 - 180, random.float() * 170 - 85, `p${i}`)
    const command = ['GEOSEARCHSTORE', 'd', 'g', 'FROMLONLAT', 11, 47, 'BYRADIUS', 20_000, 'km', 'STOREDIST']
    await pair.same(...command)
    const read = ['ZRANGE', 'd', 0, -1, 'WITHSCORES'] as const
    const theirs = (await pair.client.call(...read)) as string[]
    const ours = readAllReplies(pair.runner.run(...read))[0] as string[]
    let differing = 0
    for (let i = 0; i < theirs.length; i += 2) {
      expect(ours[i]).toBe(theirs[i])
      if (ours[i + 1] === theirs[i + 1]) continue
      differing++
      expect(Math.abs(Number(ours[i + 1]) / Number(theirs[i + 1]) - 1)).toBeLessThan(1e-14)
    }
    expect(differing).toBeLessThan(10)
  })

  it('are read from scores that no position has', async () => {
    await pair.begin(2, 'scores')
    const scores = [
      0,
      1.5,
      -1,
      -1e10,
      1e15,
      4503599627370495,
      4503599627370496,
      9007199254740992,
      1e18,
      1e19,
      1e30,
      'inf',
      '-inf',
    ]
    for (const [i, score] of scores.entries()) await pair.same('ZADD', 'g', score, `p${i}`)
    for (const i of scores.keys()) {
      await pair.same('GEOPOS', 'g', `p${i}`)
      await pair.same('GEOHASH', 'g', `p${i}`)
      await pair.same('GEODIST', 'g', `p${i}`, 'p1')
    }
  })

  it('refuse what is wrong with the same words', async () => {
    await pair.begin(2, 'geo errors')
    await pair.same('SET', 'text', 'x')
    await pair.same('GEOADD', 'g', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania')
    for (const command of [
      ['GEOADD', 'g', 1, 2, 'a', 3],
      ['GEOADD', 'g', 'NX', 'XX', 'CH'],
      ['GEOADD', 'g', 'NX', 'XX', 1, 2, 'a'],
      ['GEOADD', 'g', 'NX', 'CH', 'CH'],
      ['GEOADD', 'g', 181, 2, 'a'],
      ['GEOADD', 'g', '-0', 85.06, 'a'],
      ['GEORADIUS', 'g', '-0', 86, 1, 'm'],
      ['GEOSEARCH', 'g', 'FROMLONLAT', 181, '-0', 'BYRADIUS', 1, 'm'],
      ['GEOADD', 'g', 1, -86, 'a'],
      ['GEOADD', 'g', '1e30', 'inf', 'a'],
      ['GEOADD', 'g', 'x', 1, 'a'],
      ['GEOADD', 'text', 1, 1, 'a'],
      ['GEOADD', 'g', 13.361389, 38.115556, 'Palermo'],
      ['GEOPOS', 'text', 'a'],
      ['GEOPOS', 'g'],
      ['GEOPOS', 'absent', 'a'],
      ['GEOHASH', 'text', 'a'],
      ['GEOHASH', 'absent', 'a'],
      ['GEODIST', 'text', 'a', 'b'],
      ['GEODIST', 'absent', 'a', 'b', 'x'],
      ['GEODIST', 'g', 'a', 'b', 'm', 'x'],
      ['GEODIST', 'g', 'Palermo', 'Catania', 'KM'],
      ['GEOSEARCH', 'g', 'FROMLONLAT', 1, 2, 'ASC', 'ASC'],
      ['GEOSEARCH', 'g', 'BYRADIUS', 1, 'm', 'ASC', 'ASC'],
      ['geosearch', 'g', 'BYRADIUS', 1, 'm', 'ASC', 'ASC'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'x', 'BYRADIUS', 1, 'm'],
      ['GEOSEARCH', 'absent', 'FROMMEMBER', 'x', 'BYRADIUS', 1, 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'FROMLONLAT', 1, 2, 'BYRADIUS', 1, 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'm', 'BYBOX', 1, 1, 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', -1, 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 'x', 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'x'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYBOX', 'x', 1, 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYBOX', 1, 'x', 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYBOX', 1, -1, 'm'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'm', 'ANY'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'm', 'STOREDIST'],
      ['GEOSEARCH', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'm', 'STORE', 'y'],
      ['GEOSEARCH', 'text', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'm', 'x'],
      ['GEOSEARCHSTORE', 'y', 'g', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 1, 'm', 'WITHDIST'],
      ['GEOSEARCHSTORE', 'y', 'g', 'BYRADIUS', 1, 'm', 'ASC', 'ASC'],
      ['GEOSEARCHSTORE', 'y', 'absent', 'FROMLONLAT', 1, 1, 'BYRADIUS', 1, 'm'],
      ['GEORADIUS', 'g', 1, 1, 1, 'm', 'STORE'],
      ['GEORADIUS', 'g', 1, 1, 1, 'm', 'STORE', 'y', 'WITHDIST'],
      ['GEORADIUS_RO', 'g', 1, 1, 1, 'm', 'STORE', 'y'],
      ['GEORADIUS', 'absent', 'x', 1, 1, 'm'],
      ['GEORADIUSBYMEMBER', 'absent', 'x', 'x', 'x'],
      ['GEORADIUSBYMEMBER', 'absent', 'x', 1, 'm', 'STORE', 'y'],
      ['GEORADIUSBYMEMBER', 'g', 'x', 1, 'm'],
    ] as Argument[][]) {
      await pair.same(...command)
    }
    expect(await pair.client.call('EXISTS', 'y')).toBe(0)
  })
})
