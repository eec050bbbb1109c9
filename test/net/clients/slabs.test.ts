/** Which memory replies leave in, and when it is used again. */
import { ReplyEncoder } from '@understudy/core/internal'
import { type Slab, SlabPool, type SlabWriter } from '@understudy/net/internal'
import { beforeEach, describe, expect, it } from 'vitest'

/** Keeps what it is given until it is told that it was taken. */
class Writer implements SlabWriter {
  readonly given: { slab: Slab; view: Buffer }[] = []

  writeSlab(slab: Slab, view: Buffer): void {
    this.given.push({ slab, view })
  }

  get texts(): string[] {
    return this.given.map(({ view }) => view.toString('latin1'))
  }
}

describe('slabs of replies', () => {
  let encoder: ReplyEncoder
  let pool: SlabPool

  beforeEach(() => {
    encoder = new ReplyEncoder()
    pool = new SlabPool(encoder)
  })

  function send(text: string): { slab: Slab; view: Buffer } {
    const writer = new Writer()
    encoder.simple(text)
    pool.send(writer)
    expect(encoder.length).toBe(0)
    expect(writer.texts).toEqual([`+${text}\r\n`])
    return writer.given[0]!
  }

  it('puts the short replies of a thousand connections into few slabs, none over another', () => {
    const given = Array.from({ length: 1000 }, (_, i) => send(`reply ${i}`.padEnd(40, '.')))
    expect(new Set(given.map(({ slab }) => slab)).size).toBe(2)
    given.forEach(({ view }, i) => expect(view.toString('latin1')).toBe(`+${`reply ${i}`.padEnd(40, '.')}\r\n`))
  })

  it('uses a shared slab from its beginning once all of its replies were taken', () => {
    const first = send('one')
    const second = send('two')
    expect(second.slab).toBe(first.slab)
    pool.release(first.slab)
    const third = send('three')
    expect(third.view.byteOffset).toBe(second.view.byteOffset + second.view.length)
    pool.release(second.slab)
    pool.release(third.slab)
    expect(send('four').view.byteOffset).toBe(first.view.byteOffset)
  })

  it('leaves a slab that a reader holds alone while others come and go', () => {
    const held = send('held'.padEnd(100))
    const text = held.view.toString('latin1')
    for (let i = 0; i < 5000; i++) {
      const { slab } = send('x'.repeat(i % 2000))
      pool.release(slab)
    }
    expect(held.view.toString('latin1')).toBe(text)
  })

  it('sends a longer reply without a copy, in a slab that nobody shares, and takes that back', () => {
    const written = encoder.bytes
    const long = send('y'.repeat(10_000))
    expect(long.view.buffer).toBe(written.buffer)
    const short = send('short')
    expect(short.slab).not.toBe(long.slab)
    pool.release(long.slab)
    // Behind the one that is in the encoder now.
    send('z'.repeat(10_000))
    expect(encoder.bytes.buffer).toBe(written.buffer)
  })

  it('does not keep what a very long reply has grown to', () => {
    const grown = send('v'.repeat(400_000))
    pool.release(grown.slab)
    send('w'.repeat(5000))
    expect(encoder.bytes.length).toBeLessThan(grown.slab.bytes.length)
  })
})
