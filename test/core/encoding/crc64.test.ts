import { execFileSync } from 'node:child_process'
import { combineCrc64, Crc64, crc64 } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'

describe('CRC64', () => {
  it('gives the check value', () => {
    expect(crc64(Buffer.from('123456789'))).toBe(0xe9c6d914c4b8d9can)
    expect(crc64(new Uint8Array(0))).toBe(0n)
  })

  it('does not depend on where the bytes are cut or how they are aligned', () => {
    const random = new SeededRandom(1)
    const bytes = random.bytes(5000)
    const whole = crc64(bytes)
    for (let round = 0; round < 50; round++) {
      const crc = new Crc64()
      for (let at = 0; at < bytes.length;) {
        const next = Math.min(bytes.length, at + random.int(1, 300))
        crc.update(bytes, at, next)
        at = next
      }
      expect(crc.value()).toBe(whole)
    }
    const moved = Buffer.concat([Buffer.alloc(3), bytes])
    expect(crc64(moved, 3)).toBe(whole)
    expect(crc64(new Uint8Array(new SharedArrayBuffer(64)))).toBe(crc64(Buffer.alloc(64)))
  })

  it('is the same for long pieces, of shared memory too, and without WebAssembly', () => {
    const bytes = new SeededRandom(3).bytes(400_003)
    const inSmall = new Crc64()
    for (let at = 0; at < bytes.length; at += 100) inSmall.update(bytes, at, Math.min(at + 100, bytes.length))
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    expect([crc64(bytes), crc64(shared)]).toEqual([inSmall.value(), inSmall.value()])
    const script = `import { crc64 } from '@understudy/core/internal'
      import { readFileSync } from 'node:fs'
      console.log(String(crc64(readFileSync(0))))`
    const printed = execFileSync(process.execPath, ['--jitless', '--input-type=module', '--eval', script], {
      input: bytes,
      cwd: import.meta.dirname,
      encoding: 'utf8',
    })
    expect(printed.trim()).toBe(String(inSmall.value()))
  })

  it('joins the checksums of neighbours', () => {
    const bytes = new SeededRandom(2).bytes(3000)
    for (const cut of [0, 1, 7, 1024, 2999, 3000]) {
      const joined = combineCrc64(crc64(bytes, 0, cut), crc64(bytes, cut), bytes.length - cut)
      expect(joined).toBe(crc64(bytes))
    }
  })

  it('writes and compares the bytes of a file', () => {
    const crc = new Crc64()
    crc.update(Buffer.from('123456789'), 0, 9)
    const bytes = new Uint8Array(9)
    crc.write(bytes, 1)
    expect(Buffer.from(bytes).toString('hex')).toBe('00cad9b8c414d9c6e9')
    expect(crc.equals(bytes, 1)).toBe(true)
    bytes[8]! ^= 1
    expect(crc.equals(bytes, 1)).toBe(false)
  })
})
