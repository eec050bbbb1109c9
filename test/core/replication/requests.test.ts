import { printable } from '@understudy/core/internal'
import { expect, it } from 'vitest'

it('what a peer sent stays one line of the log, and a short one', () => {
  expect(printable('a\r\nb\u00e9')).toBe('a\\x0d\\x0ab\\xe9')
  expect(printable('\n'.repeat(100_000))).toBe(`${'\\x0a'.repeat(1000)}...`)
})
