/** IDs as clients write them, beside a redis-server: a primary sends them on as they came. */
import { describe, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'
import { useStockPair } from '../../support/stock-pair.ts'

describe('stream IDs', () => {
  const pair = useStockPair()

  async function addsAlike(id: string): Promise<void> {
    await pair.same('DEL', 's')
    await pair.same('XADD', 's', id, 'f', 'v')
    await pair.same('XRANGE', 's', '-', '+')
    await pair.same('XRANGE', 's', id, id)
  }

  it('are read as the server reads them, with signs and spaces', async () => {
    await pair.begin(2, 'written oddly')
    const numbers = [
      '0',
      '-0',
      '3',
      '03',
      '-3',
      '-03',
      ' -3',
      '+3',
      ' +3',
      '- 3',
      '--3',
      '+-3',
      '\t7',
      '3 ',
      '',
      ' ',
      '-',
      '+',
    ]
    const great = ['9223372036854775807', '-9223372036854775808', '-9223372036854775809', '18446744073709551615']
    const wrong = [
      '-18446744073709551615',
      '18446744073709551616',
      '-18446744073709551616',
      '1e3',
      '0x10',
      '-00',
      '\u00003',
    ]
    for (const number of [...numbers, ...great, ...wrong]) {
      await addsAlike(`5-${number}`)
      await addsAlike(`${number}-5`)
      await addsAlike(number)
    }
  })

  it('are read as the server reads them, whatever they are', async () => {
    await pair.begin(2, 'by chance')
    const random = new SeededRandom(11)
    for (let i = 0; i < 400; i++) await addsAlike(random.text(random.int(1, 6), '0123-+ '))
  })
})
