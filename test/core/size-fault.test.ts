import { describe, expect, it } from 'vitest'
import { isSizeFault, REPLY_BYTES_MAX, ReplicaError, ReplyEncoder } from '@understudy/core/internal'

function errorOf(attempt: () => unknown): unknown {
  try {
    attempt()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

describe('isSizeFault', () => {
  it.each([
    ['a string', () => 'x'.repeat(2 ** 30)],
    ['a string of a buffer', () => Buffer.allocUnsafeSlow(2 ** 29 + 1).toString('latin1')],
    ['an array buffer', () => new ArrayBuffer(2 ** 52)],
    ['a typed array', () => new Uint8Array(2 ** 53 - 1)],
    ['a shared array buffer', () => new SharedArrayBuffer(2 ** 52)],
    ['a Buffer', () => Buffer.allocUnsafeSlow(2 ** 53)],
  ])('%s that is too long', (_what, attempt) => {
    expect(isSizeFault(errorOf(attempt))).toBe(true)
  })

  it.each([
    ['an offset out of bounds', () => Buffer.alloc(1).readInt32LE(5)],
    ['a missing function', () => (undefined as unknown as () => void)()],
    ['a time that is none', () => new Date(Number.NaN).toISOString()],
  ])('%s is a bug', (_what, attempt) => {
    expect(isSizeFault(errorOf(attempt))).toBe(false)
  })
})

describe('the bound of an encoder', () => {
  it('is an error of the request, before any memory is taken', () => {
    const encoder = new ReplyEncoder()
    encoder.simple('before')
    const { bytes, length } = encoder
    const error = errorOf(() => encoder.reserve(REPLY_BYTES_MAX)) as ReplicaError
    expect(error).toBeInstanceOf(ReplicaError)
    expect(error.code).toBe('PROTOCOL_TOO_BIG')
    expect(encoder.bytes).toBe(bytes)
    expect(encoder.length).toBe(length)
  })
})
