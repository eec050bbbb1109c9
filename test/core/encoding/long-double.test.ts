import { addLongDoubles, formatLongDouble, parseLongDouble } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'

function add(left: string, right: string): string | undefined {
  const [a, b] = [left, right].map((text) => parseLongDouble(Buffer.from(text), 0, text.length))
  if (a === undefined || b === undefined || a === 'infinite' || b === 'infinite') throw new Error('not finite')
  const sum = addLongDoubles(a, b)
  return sum && formatLongDouble(sum)
}

/** Results of INCRBYFLOAT on redis-server 7.0.15 (x86-64); random ones are compared by the strings-differential soak. */
describe('long doubles', () => {
  it.each([
    ['0', '0', '0'],
    ['-0', '-0', '0'],
    ['0.1', '0.2', '0.3'],
    ['10.5', '0.1', '10.6'],
    ['5.0e3', '2.0e2', '5200'],
    ['3', '1.1', '4.1'],
    ['0', '1e-17', '0.00000000000000001'],
    ['0', '4.9e-18', '0'],
    ['0', '-4.9e-18', '0'],
    ['0', '1e17', '100000000000000000'],
    ['18446744073709551615', '1', '18446744073709551616'],
    ['18446744073709551616', '1', '18446744073709551616'],
    ['9007199254740991', '1', '9007199254740992'],
    ['9007199254740993', '-2', '9007199254740991'],
    ['-5', '5', '0'],
    ['-7', '007', '0'],
    ['7', '-0.5', '6.5'],
    ['0', '0x1p3', '8'],
    ['0', '0x.8p-1', '0.25'],
    ['.5', '5.', '5.5'],
  ])('%s + %s = %s', (left, right, sum) => expect(add(left, right)).toBe(sum))

  it('says when a sum is too large', () => {
    expect(add('1.1e4932', '1.1e4932')).toBeUndefined()
    expect(add('1.1e4932', '-1.1e4932')).toBe('0')
  })

  it.each(['', ' 1', '1 ', 'x', '1e', '1e+', '.', '-', 'nan', '-nan', '0x', '0xp1', '1d', 'infinite', '1_0', '1e4933'])(
    'refuses %j',
    (text) => expect(parseLongDouble(Buffer.from(text), 0, text.length)).toBeUndefined(),
  )

  it.each(['inf', '-inf', '+Infinity', 'INF'])('knows %s', (text) =>
    expect(parseLongDouble(Buffer.from(text), 0, text.length)).toBe('infinite'),
  )

  it('takes subnormal numbers and refuses those that become zero', () => {
    expect(parseLongDouble(Buffer.from('3.7e-4951'), 0, 9)).toEqual({ significand: 1n, exponent: -16_445 })
    expect(parseLongDouble(Buffer.from('1.8e-4951'), 0, 9)).toBeUndefined()
    expect(parseLongDouble(Buffer.from('1e-99999999'), 0, 11)).toBeUndefined()
  })

  it('refuses texts of 5 KiB and more, whatever they say', () => {
    const text = '1'.padStart(5 * 1024, '0')
    expect(parseLongDouble(Buffer.from(text), 0, text.length)).toBeUndefined()
    expect(parseLongDouble(Buffer.from(text), 1, text.length)).toEqual({ significand: 1n, exponent: 0 })
  })
})
